"""Which heads the shaders draw, and with which renderer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inversion_core.generators.head import Head

if TYPE_CHECKING:
    from moderngl import Context

    from inversion_core.gl.distances import DistancesRenderer
    from inversion_core.gl.head import HeadRenderer
    from inversion_core.gl.planes import PlanesRenderer


def is_surface(head: Any) -> bool:
    """Whether a head is drawn as surfaces: the full picture, also on a software rasteriser."""
    return isinstance(head, Head)


def is_volume(head: Any) -> bool:
    """Whether a head is a triplane that is marched: a picture without super-resolution, for hardware only."""
    generator = getattr(head, "generator", None)
    return hasattr(head, "planes") and hasattr(getattr(generator, "settings", None), "volume")


def is_traced(head: Any) -> bool:
    """Whether a head has cached distances that are traced: a preview of its network's picture, quick everywhere."""
    # Asked of its kind: asking the head itself begins to fill the cache.
    return hasattr(type(head), "distances")


def renderer_of(head: Any, context: Context) -> HeadRenderer | PlanesRenderer | DistancesRenderer:
    """A renderer for heads of this kind, which must be one of the three."""
    from inversion_core.gl.distances import DistancesRenderer
    from inversion_core.gl.head import HeadRenderer
    from inversion_core.gl.planes import PlanesRenderer

    if is_surface(head):
        return HeadRenderer(context)
    return DistancesRenderer(context) if is_traced(head) else PlanesRenderer(context)
