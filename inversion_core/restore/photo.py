"""A portrait restored: the photo's crop cleaned, its holes completed and its colours made, ready to be inverted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.alignment import continued_outside, crop_landmarks, estimate_camera
from inversion_core.edit import Inversion
from inversion_core.errors import UsageError
from inversion_core.faces import sample_crop
from inversion_core.image import decode
from inversion_core.portrait import CROP_SIZE, Portrait
from inversion_core.restoration import Restoration
from inversion_core.restore.clarity import denoised, sharpened
from inversion_core.restore.colour import coloured, painting
from inversion_core.restore.complete import completed, fitted
from inversion_core.restore.damage import filled
from inversion_core.segmentation import hair_mask, person_mask
from inversion_core.task import Progress, Task

if TYPE_CHECKING:
    from inversion_core.bundled import BundledModel

_WHOLE = np.eye(2, 3, dtype=np.float32)


def original_crop(portrait: Portrait) -> NDArray[np.uint8]:
    """(512, 512, 3) the crop as the photo shows it, before any restoration."""
    if portrait.restoration is None:
        return portrait.image
    photo, matrix = decode(portrait.source, portrait.name), portrait.crop_to_photo
    return continued_outside(sample_crop(photo, matrix, CROP_SIZE), matrix, photo.shape[:2])


def crop_mask(portrait: Portrait, mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(512, 512) a mask of the whole photo, (H, W) with 255 where it is damaged, seen in the portrait's crop.

    Raises:
        UsageError: the mask has not the photo's shape.
    """
    shape = decode(portrait.source, portrait.name).shape[:2]
    if mask.shape != shape:
        raise UsageError(
            f"The mask is {mask.shape[1]} x {mask.shape[0]} pixels, the photo {shape[1]} x {shape[0]}.",
            "Paint it on a copy of the photo.",
        )
    matrix = portrait.crop_to_photo.astype(np.float32)
    inverse = cv2.invertAffineTransform(matrix)
    scale = float(np.hypot(*matrix[:, 0]))
    # Damage must not fall through between the crop's pixels.
    if scale > 1:
        mask = cv2.dilate(mask, np.ones((int(np.ceil(scale)),) * 2, np.uint8))
    return cv2.warpAffine(mask, inverse, (CROP_SIZE, CROP_SIZE), flags=cv2.INTER_LINEAR) > 64


def cleaned(image: NDArray[np.uint8], restoration: Restoration) -> NDArray[np.uint8]:
    """(512, 512, 3) with holes filled from their rims, noise taken off and blur undone."""
    if restoration.damaged is not None:
        image = filled(image, restoration.damaged)
    return sharpened(denoised(image, restoration.denoise), restoration.sharpen)


def preview(model: BundledModel, inversion: Inversion, restoration: Restoration) -> NDArray[np.uint8]:
    """(512, 512, 3) about what the photo will look like, by the head that is there; wide holes stay smears."""
    portrait, detail = inversion.portrait, inversion.detail
    image = cleaned(original_crop(portrait), restoration)
    if restoration.tint is None:
        return image
    masks = np.stack([portrait.person, detail.masks[..., 1]], -1)
    known = painting(
        image,
        model.template,
        detail.head.vertices,
        portrait.camera,
        portrait.landmarks,
        masks,
        model.albedo,
    )
    return coloured(known, restoration.tint)


def restored(model: BundledModel, portrait: Portrait, restoration: Restoration) -> Task[Portrait]:
    """The portrait with its picture restored from the original photo; it keeps the restoration.

    Raises:
        UsageError: the model is not the bundled one, whose template knows what a head looks like.
    """
    if model.card.kind != "heads":
        raise UsageError(
            f"{model.card.title or model.card.name} has no template to restore by.",
            "Use the bundled model, or restore by descent: facet restore --method.",
        )
    if restoration.idle:
        return replace(portrait, image=original_crop(portrait), restoration=None)
    yield Progress(0, 10, "cleaning the photo")
    image = cleaned(original_crop(portrait), restoration)
    portrait = replace(portrait, image=image)
    damaged = restoration.damaged
    if damaged is not None and damaged.any():
        portrait = _found_again(portrait)
        task = completed(model, portrait, damaged)
        while True:
            try:
                step = next(task)
            except StopIteration as stop:
                portrait = _found_again(replace(portrait, image=stop.value))
                break
            yield Progress(1 + step.done * 7 / max(step.total, 1), 10, step.note)
    if restoration.tint is not None:
        yield Progress(8, 10, "colouring")
        fit, corrective = fitted(model, portrait)
        at = replace(portrait, camera=fit.camera)
        known = painting(
            portrait.image,
            model.template,
            model.template.fine(fit.coarse + corrective),
            fit.camera,
            portrait.landmarks,
            np.stack([portrait.person, hair_mask(at)], -1),
            model.albedo,
        )
        portrait = replace(portrait, image=coloured(known, restoration.tint))
    yield Progress(10, 10, "restored")
    return replace(portrait, restoration=restoration)


def _found_again(portrait: Portrait) -> Portrait:
    """The portrait with landmarks, camera and person as its picture shows them now."""
    size = len(portrait.image)
    landmarks = crop_landmarks(portrait.image, portrait.landmarks * size, _WHOLE)
    person = person_mask(portrait.image, landmarks)
    return replace(portrait, landmarks=landmarks, camera=estimate_camera(landmarks), person=person)
