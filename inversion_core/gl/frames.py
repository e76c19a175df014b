"""What is drawn into: pictures on the graphics card, kept while their size stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import moderngl
import numpy as np
from numpy.typing import NDArray

from inversion_core.rendering import Rendering

if TYPE_CHECKING:
    from moderngl import Context, Framebuffer, Texture


@dataclass(frozen=True)
class Target:
    """A framebuffer with its textures; ``depth`` is None where no depth is tested."""

    buffer: Framebuffer
    colours: tuple[Texture, ...]
    depth: Texture | None

    @property
    def size(self) -> tuple[int, int]:
        return self.colours[0].size

    def release(self) -> None:
        for part in (self.buffer, *self.colours, self.depth):
            if part is not None:
                part.release()


def make_target(
    context: Context, size: tuple[int, int], formats: Sequence[str], depth: bool = False
) -> Target:
    """A target of (width, height) pixels.

    Args:
        formats: moderngl's data type of each four-channel attachment: "f1" for bytes, "f2", "f4".
    """
    colours = tuple(context.texture(size, 4, dtype=kind) for kind in formats)
    for texture in colours:
        texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
    depths = None
    if depth:
        depths = context.depth_texture(size)
        depths.filter = (moderngl.NEAREST, moderngl.NEAREST)
        # Read as numbers later, not compared.
        depths.compare_func = ""
    return Target(context.framebuffer(list(colours), depths), colours, depths)


class Targets:
    """Targets by name, each made anew when another size or other formats are asked for."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._held: dict[str, Target] = {}

    def __getitem__(self, name: str) -> Target:
        return self._held[name]

    def of(self, name: str, size: tuple[int, int], formats: Sequence[str], depth: bool = False) -> Target:
        """The target of that name; see :func:`make_target`."""
        known = self._held.get(name)
        if known is None or known.size != size or tuple(t.dtype for t in known.colours) != tuple(formats):
            if known is not None:
                known.release()
            known = self._held[name] = make_target(self._context, size, formats, depth)
        return known

    def picture(self, size: tuple[int, int], surface: bool, exact: bool) -> Target:
        """What a head is drawn into: its colours times its opacity, and where ``surface``, normals and depth.

        Args:
            exact: floats instead of bytes, and the surface, too: what :func:`read_rendering` reads.
        """
        formats = ("f4", "f4") if exact else ("f1", "f4")[: 1 + surface]
        return self.of("picture", size, formats)

    def release(self) -> None:
        for target in self._held.values():
            target.release()
        self._held = {}


def read_rendering(target: Target, normals: bool = True) -> Rendering:
    """An exact picture as the renderers without graphics card give it."""
    rgba, surface = (read_floats(texture) for texture in target.colours)
    return Rendering(
        np.clip(rgba[..., :3], 0, 1),
        np.ascontiguousarray(surface[..., 3]),
        np.clip(rgba[..., 3], 0, 1),
        np.ascontiguousarray(surface[..., :3]) if normals else None,
    )


def read_floats(texture: Texture) -> NDArray[np.float32]:
    """(H, W, 4) of a four-channel texture of floats, top row first."""
    width, height = texture.size
    return np.frombuffer(texture.read(), np.float32).reshape(height, width, 4)[::-1].copy()
