"""Inversions of the bundled model as named arrays, the way projects keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.errors import ProjectUnreadable
from inversion_core.generators.template import HeadTemplate
from inversion_core.latent import Latent
from inversion_core.model import ModelCard
from inversion_core.portrait import CROP_SIZE, Portrait
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.chart import ATLAS_SIZE
from inversion_core.refine.hair_strands import HAIR_TEXTURE
from inversion_core.refine.layer import CHANNELS, Layer

_LAYERS = ("head", "hair", "shell")
_DETAIL_ARRAYS = tuple(
    f.name for f in fields(PhotoDetail) if f.name not in (*_LAYERS, "camera", "atlas", "mixed")
)
_HALF = ("photo", "masks", *(f"{name}.attributes" for name in ("hair", "shell")))
_BYTES = ("atlas", "hair_texture")
_SCORES = ("psnr", "ssim", "iou", "fit")


def packed(inversion: Inversion) -> dict[str, NDArray[np.generic]]:
    """Everything but the portrait as named arrays, pictures and weights in half precision."""
    arrays: dict[str, NDArray[np.generic]] = {"latent": inversion.latent.ws}
    detail = inversion.detail
    for name in _DETAIL_ARRAYS:
        arrays[name] = np.asarray(getattr(detail, name))
    for name in _BYTES:
        picture = getattr(detail, name)
        if picture is not None:
            arrays[name] = np.round(picture * 255).astype(np.uint8)
    for name in _LAYERS:
        layer = getattr(detail, name)
        arrays |= {f"{name}.vertices": layer.vertices, f"{name}.faces": layer.faces}
        arrays[f"{name}.attributes"] = layer.attributes
    for name in _HALF:
        arrays[name] = arrays[name].astype(np.float16)
    arrays["camera"] = detail.camera.label()
    arrays["scores"] = np.array(list(inversion.scores.values()), np.float32)
    return arrays


def unpacked(
    template: HeadTemplate, card: ModelCard, portrait: Portrait, arrays: Mapping[str, NDArray[np.generic]]
) -> Inversion:
    """The inversion of :func:`packed`.

    Raises:
        ProjectUnreadable: arrays are missing or have shapes that this model does not know.
    """
    try:
        layers = {
            name: Layer(
                np.asarray(arrays[f"{name}.vertices"], np.float32),
                arrays[f"{name}.faces"],
                arrays[f"{name}.attributes"].astype(np.float32),
            )
            for name in _LAYERS
        }
        pictures = {name: _picture(arrays[name]) for name in _BYTES if name in arrays}
        plain = {
            name: np.ascontiguousarray(arrays[name], _kind(name))
            for name in _DETAIL_ARRAYS
            if name not in _BYTES
        }
        plain["hair_texture"] = _of_size(pictures["hair_texture"], HAIR_TEXTURE)
        camera = Camera.from_label(arrays["camera"])
        latent = Latent(np.asarray(arrays["latent"], np.float32), "blocks", card.name)
        scores = dict(zip(_SCORES, np.asarray(arrays["scores"], np.float64).tolist(), strict=True))
        detail = PhotoDetail(camera=camera, **layers, **plain, atlas=pictures.get("atlas"))
        _check(template, latent, detail)
    except (KeyError, ValueError) as error:
        raise ProjectUnreadable(
            f"The project does not fit the model {card.title!r}: {error}.",
            "Open its photo again instead.",
        ) from error
    return Inversion(replace(portrait, camera=camera), latent, detail, scores, "project", 0.0)


def as_stored(detail: PhotoDetail) -> PhotoDetail:
    """The detail rounded as projects keep it, so that a project opened again gives the same head to the last vertex."""
    half = {name: getattr(detail, name) for name in _HALF if "." not in name}
    half = {name: array.astype(np.float16).astype(np.float32) for name, array in half.items()}
    for name in (name.split(".")[0] for name in _HALF if "." in name):
        layer = getattr(detail, name)
        rounded = layer.attributes.astype(np.float16).astype(np.float32)
        half[name] = replace(layer, attributes=rounded)
    for name in _BYTES:
        picture = getattr(detail, name)
        if picture is not None:
            half[name] = np.round(picture * 255) / np.float32(255)
    return replace(detail, **half)


def _picture(array: NDArray[np.generic]) -> NDArray[np.float32]:
    """Stored colours as float32 in [0, 1]."""
    return array.astype(np.float32) / np.float32(255 if array.dtype == np.uint8 else 1)


def _of_size(picture: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(*size, 3) of a picture that an earlier version may have kept smaller."""
    if picture.ndim != 3 or picture.shape[:2] == size or not picture.size:
        return picture
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR)


def _check(template: HeadTemplate, latent: Latent, detail: PhotoDetail) -> None:
    """Refuse (ValueError) what does not fit: the compiled loops that draw a head trust shapes and indices."""
    count, hair, shell = (len(layer.vertices) for layer in (detail.head, detail.hair, detail.shell))
    shapes = {
        "head.vertices": (detail.head.vertices, (len(template.part), 3)),
        "latent": (latent.ws, (len(template.identity) + len(template.units),)),
        "corrective": (detail.corrective, template.mean.shape),
        "lying": (detail.lying, (count, 3)),
        "photo": (detail.photo, (CROP_SIZE, CROP_SIZE, 3)),
        "masks": (detail.masks, (CROP_SIZE, CROP_SIZE, 2)),
        "hair_texture": (detail.hair_texture, (*HAIR_TEXTURE, 3)),
        "hair_anchors": (detail.hair_anchors, (hair, 4)),
        "hair_weights": (detail.hair_weights, (hair, 4)),
        "shell_anchors": (detail.shell_anchors, (shell, 4)),
        "shell_weights": (detail.shell_weights, (shell, 4)),
        "hair_colour": (detail.hair_colour, (3,)),
        "skin_colour": (detail.skin_colour, (3,)),
        "light": (detail.light, (9,)),
    }
    if detail.atlas is not None:
        shapes["atlas"] = (detail.atlas, (ATLAS_SIZE, ATLAS_SIZE, 3))
    indices = [("hair_anchors", detail.hair_anchors, count), ("shell_anchors", detail.shell_anchors, count)]
    for name in _LAYERS:
        layer = getattr(detail, name)
        number = len(layer.vertices)
        shapes[f"{name}.vertices"] = shapes.get(f"{name}.vertices", (layer.vertices, (number, 3)))
        shapes[f"{name}.attributes"] = (layer.attributes, (number, CHANNELS))
        shapes[f"{name}.faces"] = (layer.faces, (len(layer.faces), 3))
        indices.append((f"{name}.faces", layer.faces, number))
    for name, (array, shape) in shapes.items():
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, not {shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} holds values that are not numbers")
    for name, array, number in indices:
        if array.dtype.kind != "i" or (array.size and not 0 <= array.min() <= array.max() < number):
            raise ValueError(f"{name} points beyond its vertices")


def _kind(name: str) -> type[np.generic]:
    return np.int32 if name.endswith("anchors") else np.float32
