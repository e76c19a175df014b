"""Real pictures for the discriminator of E3DGE's last stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from inversion_core.errors import BadInput
from inversion_core.image import read_image, to_signed

KINDS = {".png", ".jpg", ".jpeg", ".webp"}


class PictureFolder:
    """Aligned pictures of a folder; called with a step and a count, it gives (count, 3, side, side) in [-1, 1].

    Raises:
        BadInput: the folder holds no picture.
    """

    def __init__(self, folder: Path, side: int = 256, seed: int = 0) -> None:
        self.paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in KINDS)
        self.side, self.seed = side, seed
        if not self.paths:
            raise BadInput(f"{folder} holds no picture.", "Give a folder of aligned face pictures.")

    def __call__(self, step: int, count: int) -> Tensor:
        chosen = np.random.default_rng([self.seed, step]).integers(len(self.paths), size=count)
        return torch.from_numpy(np.stack([self._picture(self.paths[index]) for index in chosen]))

    def _picture(self, path: Path) -> np.ndarray:
        picture = Image.fromarray(read_image(path)[..., :3])
        return to_signed(np.asarray(picture.resize((self.side, self.side), Image.Resampling.LANCZOS)))
