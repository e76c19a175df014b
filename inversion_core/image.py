"""Pixels in and out: decoding what people have on disk, saving pictures, and the one place with 127.5."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from inversion_core.errors import ImageUnreadable, OutputUnwritable

LARGEST_MEGAPIXELS = 100
"""Pictures with more pixels are refused before anything is decoded."""
WORKING_MEGAPIXELS = 24
"""Pictures with more pixels are reduced while decoding; a face in them is still far above 512 pixels."""
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
"""What Pillow may try. Formats that start other programs (EPS) or have no signature (TGA) stay out."""

_ORIENTATION = 0x0112
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")


def decode(source: bytes, name: str = "") -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB: upright by EXIF, transparency on mid-grey, any bit depth, at most 24 megapixels.

    Raises:
        ImageUnreadable: not a picture, damaged, of a kind that is not decoded, or above 100 megapixels.
    """
    name = name or "The picture"
    if not source:
        raise ImageUnreadable(f"{name} is empty.", "Copy the file again from where it came, then retry.")
    if source[4:8] == b"ftyp" and source[8:12] in _HEIF_BRANDS:
        raise ImageUnreadable(
            f"{name} is a HEIF/HEIC picture, which is not decoded.",
            "Save it as JPEG or PNG first (phones: share it as “most compatible”).",
        )
    with warnings.catch_warnings():
        # Size is judged below with our own limit and sentence; odd metadata is no reason to stop.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(source), formats=_readable_formats()) as picture:
                width, height = picture.size
                _refuse_giants(width, height, name)
                shrink = (WORKING_MEGAPIXELS * 1e6 / max(width * height, 1)) ** 0.5
                goal = (max(int(width * shrink), 1), max(int(height * shrink), 1))
                if shrink < 1:
                    picture.draft("RGB", goal)
                picture.load()
                profile = picture.info.get("icc_profile")
                upright = _eight_bits(ImageOps.exif_transpose(picture))
                if shrink < 1:
                    upright.thumbnail((max(goal), max(goal)), Image.Resampling.BOX, reducing_gap=None)
                return np.array(_flat(_to_srgb(upright, profile)))
        except UnidentifiedImageError as error:
            raise ImageUnreadable(
                _what_instead(source, name), "Give a JPEG, PNG, WebP or TIFF picture."
            ) from error
        except Image.DecompressionBombError as error:
            raise ImageUnreadable(
                f"{name} has far more than {LARGEST_MEGAPIXELS} megapixels.",
                "Scale it down and open it again.",
            ) from error
        except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, MemoryError) as error:
            raise ImageUnreadable(
                f"{name} is damaged or cut short and cannot be decoded.",
                "Copy the file again from where it came, or save it anew from a picture editor.",
            ) from error


def full_size(source: bytes) -> tuple[int, int]:
    """Height and width in pixels that a picture has on disk, upright by EXIF; :func:`decode` may give fewer.

    Raises:
        ImageUnreadable: not a picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(source), formats=_readable_formats()) as picture:
                width, height = picture.size
                lying = picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ImageUnreadable("This is not a picture.", "Give a JPEG, PNG, WebP or TIFF picture.") from error
    return (width, height) if lying else (height, width)


def read_bytes(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        ImageUnreadable: the file is missing, a folder, or may not be read.
    """
    path = Path(path)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageUnreadable(f"{path} does not exist.", "Check the spelling of the path.") from error
    except IsADirectoryError as error:
        raise ImageUnreadable(f"{path} is a folder.", "Give a picture inside it.") from error
    except OSError as error:
        raise ImageUnreadable(
            f"{path} cannot be read ({error.strerror}).", "Check its permissions."
        ) from error


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB picture of the file; see :func:`decode`."""
    return decode(read_bytes(path), Path(path).name)


def encode(image: NDArray, kind: str = "PNG", quality: int = 95) -> bytes:
    """The file's bytes of an (H, W), (H, W, 3) or (H, W, 4) picture, uint8 or float in [0, 1]."""
    buffer = io.BytesIO()
    picture = Image.fromarray(to_uint8(image))
    if kind == "JPEG":
        picture.convert("RGB").save(buffer, kind, quality=quality, subsampling=0)
    else:
        picture.save(buffer, kind)
    return buffer.getvalue()


def save_image(path: Path, image: NDArray, quality: int = 95) -> None:
    """Writes a picture, (H, W), (H, W, 3) or (H, W, 4), uint8 or float in [0, 1], whole or not at all.

    Raises:
        OutputUnwritable: unknown ending, missing folder, no permission, disk full.
    """
    path = Path(path)
    kind = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower())
    if kind is None:
        raise OutputUnwritable(
            f"{path.name} has an ending that pictures are not written in.", "Use .png or .jpg."
        )
    write_atomic(path, encode(image, kind, quality))


def make_folder(folder: Path) -> None:
    """Makes the folder and those that it lies in, where they are not there.

    Raises:
        OutputUnwritable: something else has its name, no permission, disk full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"The folder {folder} cannot be made ({error.strerror}).", "Choose another folder."
        ) from error


def write_atomic(path: Path, content: bytes) -> None:
    """Writes the bytes beside ``path`` and renames them over it, so that no partial file is ever seen.

    Raises:
        OutputUnwritable: missing folder, no permission, disk full.
    """
    path = Path(path)
    beside = None
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        # mkstemp makes the file private; give it what a plain open() would have given.
        mask = os.umask(0)
        os.umask(mask)
        Path(beside).chmod(0o666 & ~mask)
        Path(beside).replace(path)
    except OSError as error:
        raise OutputUnwritable(
            f"{path} cannot be written ({error.strerror}).",
            "Choose a folder that exists, that you may write to, and that has room.",
        ) from error
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):
                Path(beside).unlink()


def to_uint8(image: NDArray) -> NDArray[np.uint8]:
    """The picture as uint8; floats are taken as [0, 1], rounded and clipped."""
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.bool_:
        return image.astype(np.uint8) * np.uint8(255)
    return (np.clip(np.nan_to_num(image), 0, 1) * 255 + 0.5).astype(np.uint8)


def to_float(image: NDArray) -> NDArray[np.float32]:
    """The picture as float32 in [0, 1]."""
    image = np.asarray(image)
    return image.astype(np.float32) / np.float32(255) if image.dtype == np.uint8 else image.astype(np.float32)


def to_signed(image: NDArray) -> NDArray[np.float32]:
    """(H, W, 3) uint8 or float [0, 1] -> (3, H, W) float32 in [-1, 1], the way networks want it."""
    image = np.asarray(image)
    scaled = image.astype(np.float32) / 127.5 if image.dtype == np.uint8 else image.astype(np.float32) * 2
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)) - np.float32(1)


def from_signed(image: NDArray) -> NDArray[np.uint8]:
    """(3, H, W) float in [-1, 1] -> (H, W, 3) uint8; values outside are clipped."""
    scaled = np.clip(np.asarray(image, np.float32), -1, 1) * 127.5 + 127.5
    return np.ascontiguousarray((scaled + 0.5).astype(np.uint8).transpose(1, 2, 0))


def _readable_formats() -> list[str]:
    Image.init()
    return [kind for kind in FORMATS if kind in Image.OPEN]


def _refuse_giants(width: int, height: int, name: str) -> None:
    if width * height > LARGEST_MEGAPIXELS * 1e6:
        raise ImageUnreadable(
            f"{name} has {width * height / 1e6:.0f} megapixels; at most {LARGEST_MEGAPIXELS} are opened.",
            "Scale it down or cut out the head, and open it again.",
        )


def _eight_bits(picture: Image.Image) -> Image.Image:
    """The picture with 8 bits a channel; Pillow's own would clip 16-bit grey instead of scaling it."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        values = np.asarray(picture).astype(np.float64)
        depth = 65535 if values.max(initial=0) > 255 or picture.mode != "I" else 255
        return Image.fromarray(to_uint8(values / depth))
    if picture.mode == "F":
        values = np.asarray(picture).astype(np.float64)
        largest = np.nanmax(values, initial=0)
        depth = 1 if largest <= 1 else 255 if largest <= 255 else 65535
        return Image.fromarray(to_uint8(values / depth))
    return picture


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture in sRGB by its own colour profile; one that is broken or absent changes nothing."""
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        out = "RGBA" if picture.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=out)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def _flat(picture: Image.Image) -> Image.Image:
    """RGB, with transparent parts on mid-grey."""
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, (128, 128, 128, 255))
        return Image.alpha_composite(ground, picture).convert("RGB")
    return picture.convert("RGB")


def _what_instead(source: bytes, name: str) -> str:
    head = source[:512]
    if head.startswith(b"%PDF"):
        return f"{name} is a PDF document, not a picture."
    if head.lstrip()[:5].lower() in (b"<?xml", b"<svg ") or b"<html" in head.lower():
        return f"{name} holds markup text, not a picture."
    if b"\0" not in head:
        with contextlib.suppress(UnicodeDecodeError):
            head[: len(head) - 4].decode("utf-8")
            return f"{name} holds text, not a picture."
    return f"{name} is not a picture of a kind that is decoded."
