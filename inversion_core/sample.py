"""The sample portrait: Eileen Collins, NASA, in the public domain; scikit-image's package holds it."""

from __future__ import annotations

from pathlib import Path

from inversion_core.errors import MissingResource

NAME = "astronaut"


def sample_portrait() -> bytes:
    """The photo's bytes as they lie on disk.

    Raises:
        MissingResource: scikit-image came without it.
    """
    import skimage

    path = Path(skimage.__file__).parent / "data" / "astronaut.png"
    if not path.is_file():
        raise MissingResource("The sample portrait is not installed.", "Give a photo of your own.")
    return path.read_bytes()
