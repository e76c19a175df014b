"""Where a crop reaches past its photo: what it shows there is made up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inversion_core.image import WORKING_MEGAPIXELS, full_size
from inversion_core.portrait import Portrait


def outside_photo(matrix: NDArray, shape: tuple[int, int], size: int) -> NDArray[np.bool_]:
    """(size, size) True where a crop's pixel centre lies outside the photo of ``shape`` (height, width)."""
    axis = np.arange(size) + 0.5
    x = matrix[0, 0] * axis[None] + matrix[0, 1] * axis[:, None] + matrix[0, 2]
    y = matrix[1, 0] * axis[None] + matrix[1, 1] * axis[:, None] + matrix[1, 2]
    return (x < 0) | (y < 0) | (x > shape[1]) | (y > shape[0])


def made_up(portrait: Portrait) -> NDArray[np.bool_]:
    """(512, 512) True where the crop shows what the photo does not.

    Raises:
        ImageUnreadable: the portrait has no photo.
    """
    height, width = full_size(portrait.source)
    shrink = min(1.0, (WORKING_MEGAPIXELS * 1e6 / (height * width)) ** 0.5)
    return outside_photo(portrait.crop_to_photo, (height * shrink, width * shrink), portrait.image.shape[0])
