"""What the engine makes of strokes on the head that is open, and of further steps towards its photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from inversion_core.edit import Inversion
from inversion_core.task import Task


class StrokeEngine:
    """Keeps, pulls, paints and refines; the slow imports happen inside the calls."""

    def brushed(self, inversion: Inversion, moves: Mapping[str, float], stroke: Any, model: Any) -> Inversion:
        """The inversion with a stroke of the brush that keeps the photo; ``stroke`` is a view3d.Stroke with a camera."""
        from dataclasses import replace

        from inversion_core.keep import brushed
        from inversion_core.pipeline import edit

        head = edit(inversion, moves, model)
        places, radius, erase = stroke.places, stroke.radius, stroke.erase
        return replace(inversion, keep=brushed(head, inversion.keep, stroke.camera, places, radius, erase))

    def gripped(self, inversion: Inversion, moves: Mapping[str, float], pull: Any, model: Any) -> Any:
        """The grip of a place of the head, or None where there is no skin; ``pull`` is a workshop.Pull."""
        from inversion_core.errors import BadInput
        from inversion_core.pipeline import edit
        from inversion_core.strokes import gripped

        head = edit(inversion, moves, model)
        with suppress(BadInput):
            return gripped(model, head, pull.camera, pull.start, symmetric=pull.symmetric)
        return None

    def refined(self, inversion: Inversion, model: Any, enough: Callable[[], bool]) -> Task[Inversion]:
        from inversion_core.restore.descent import refined

        return (yield from refined(model, inversion, enough=enough))

    def pulled(self, grip: Any, end: tuple[float, float], model: Any) -> Inversion:
        from inversion_core.strokes import pulled

        return pulled(model, grip, end)

    def led(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        pull: Any,
        end: tuple[float, float],
        model: Any,
        enough: Callable[[], bool],
    ) -> Task[Inversion]:
        """A place led elsewhere, on a loaded generator; ``pull`` is a workshop.Pull."""
        from inversion_core.latent_strokes import ShapeStroke, obeying

        stroke = ShapeStroke(pull.start, end)
        return (yield from obeying(model, inversion, moves, pull.camera, stroke, enough=enough))

    def painted(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        paint: Any,
        model: Any,
        enough: Callable[[], bool],
    ) -> Task[Inversion | None]:
        """The colour of a stroke on what lies there, None beside the head; ``paint`` is a workshop.Paint."""
        from inversion_core.colour_strokes import ColourStroke, coloured
        from inversion_core.errors import BadInput
        from inversion_core.task import Progress

        stroke = ColourStroke(paint.places, paint.radius, paint.colour)
        if model.card.kind != "heads":
            from inversion_core.latent_strokes import obeying

            return (yield from obeying(model, inversion, moves, paint.camera, stroke, enough=enough))
        yield Progress(0, 0, "painting")
        with suppress(BadInput):
            return coloured(model, inversion, moves, paint.camera, stroke)[0]
        return None
