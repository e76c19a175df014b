"""What the engine does with photos before a head is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from app.engine_protocol import Picture
from inversion_core.edit import Inversion
from inversion_core.portrait import FacePoints, Marks, Portrait, Square
from inversion_core.restoration import Restoration
from inversion_core.task import Task

PICTURE_SIDE = 2400
"""Pixels a side at which a photo is shown to be marked."""


class PhotoEngine:
    """Opens, aligns and restores; the slow imports happen inside the calls."""

    def open_portrait(self, source: Path | bytes, name: str = "", face: int | None = None) -> Portrait:
        from inversion_core.pipeline import open_portrait

        return open_portrait(source, name, face)

    def faces(self, source: bytes, name: str = "") -> tuple[tuple[float, float, float, float], ...]:
        """Boxes x0, y0, x1, y1 in [0, 1] of the upright photo, largest face first."""
        from inversion_core.faces import find_faces
        from inversion_core.image import decode

        image = decode(source, name)
        height, width = image.shape[:2]
        scale = (width, height, width, height)
        return tuple(
            tuple(float(value / side) for value, side in zip(face.box, scale, strict=True))
            for face in find_faces(image)
        )

    def picture(self, source: Path | bytes, name: str = "") -> Picture:
        """The photo as its bytes and as a picture of at most :data:`PICTURE_SIDE` pixels a side."""
        from PIL import Image

        from inversion_core.image import decode, full_size, read_bytes

        content = source if isinstance(source, bytes) else read_bytes(source)
        name = name or (source.name if isinstance(source, Path) else "photo")
        photo = Image.fromarray(decode(content, name))
        photo.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        return Picture(content, name, np.array(photo), full_size(content))

    def takes_by_hand(self, model: Any) -> bool:
        from inversion_core.model import takes_by_hand

        return takes_by_hand(model)

    def checked_encoder(self, model: Any) -> None:
        """Nothing, where the model takes photos; see :func:`inversion_core.model.checked_encoder`."""
        from inversion_core.model import checked_encoder

        checked_encoder(model)

    def marks_of(self, portrait: Portrait) -> tuple[Square, FacePoints]:
        """The square and the five points that a portrait has."""
        from inversion_core.manual_alignment import points_of, square_of

        return square_of(portrait), points_of(portrait)

    def hand_preview(self, picture: Picture, marks: Marks, size: int) -> Any:
        """What the marks come to; see :class:`inversion_core.manual_alignment.HandPreview`."""
        from inversion_core.manual_alignment import hand_preview

        return hand_preview(picture.photo, picture.full, marks, size, picture.name)

    def portrait_by_hand(self, source: bytes, marks: Marks, name: str) -> Portrait:
        from inversion_core.manual_alignment import portrait_by_hand

        return portrait_by_hand(source, marks, name)

    def corrected(self, portrait: Portrait, landmarks: Any) -> Portrait:
        """The portrait with other landmarks, and the camera that follows from them."""
        from dataclasses import replace

        from inversion_core.alignment import estimate_camera

        return replace(portrait, landmarks=landmarks, camera=estimate_camera(landmarks))

    def is_grey(self, portrait: Portrait, model: Any) -> bool:
        """Whether the photo has no colours, was given none, and the model could give it some."""
        from inversion_core.restore.colour import is_monochrome

        if model.card.kind != "heads" or portrait.restoration is not None:
            return False
        return is_monochrome(portrait.image)

    def restoration_preview(self, inversion: Inversion, restoration: Restoration, model: Any) -> Any:
        from inversion_core.restore.photo import preview

        return preview(model, inversion, restoration)

    def scratches(self, inversion: Inversion) -> Any:
        """(512, 512) bool, fine lines on the photo's crop that no face has."""
        from inversion_core.restore.damage import scratches
        from inversion_core.restore.photo import original_crop

        portrait, hair = inversion.portrait, inversion.detail.masks[..., 1]
        return scratches(original_crop(portrait), portrait.landmarks, hair)

    def restored(self, portrait: Portrait, restoration: Restoration, model: Any) -> Task[Portrait]:
        from inversion_core.restore.photo import restored

        return (yield from restored(model, portrait, restoration))

    def sample(self, name: str) -> tuple[bytes, str]:
        """Bytes and file name of a picture of scikit-image, without asking the network."""
        import skimage

        path = Path(skimage.__file__).parent / "data" / f"{name}.png"
        return path.read_bytes(), f"{name}.png"
