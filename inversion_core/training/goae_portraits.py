"""What GOAE is trained on: pictures with cameras and person masks, from the generator or from a folder.

Batches are functions of the step, so that a resumed run sees what an unbroken one would have seen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from inversion_core.camera import Camera
from inversion_core.errors import BadInput
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.image import read_image, to_float, to_signed


@dataclass(frozen=True)
class PortraitBatch:
    """Pictures (N, 3, S, S) in [-1, 1], cameras (N, 25), person masks (N, 1, S, S) in [0, 1] or None."""

    image: Tensor
    c: Tensor
    person: Tensor | None


class Portraits(Protocol):
    """A source of batches."""

    def batch(self, step: int, size: int) -> PortraitBatch:
        """``size`` pictures, the same for the same step."""
        ...


@dataclass(frozen=True)
class GeneratedPortraits:
    """Pictures of the generator itself, whose cameras are known exactly.

    Attributes:
        generator: makes the pictures.
        rays: side in rays of the renderings.
        truncation_psi: of the codes.
        yaw, pitch: standard deviations of the cameras, radians.
        seed: of the whole source.
    """

    generator: TriPlaneGenerator
    rays: int = 128
    truncation_psi: float = 0.8
    yaw: float = 0.3
    pitch: float = 0.155
    seed: int = 0

    @torch.no_grad()
    def batch(self, step: int, size: int) -> PortraitBatch:
        """The step's pictures; what lies in the nearer half of the sampled depths counts as the person."""
        settings = self.generator.settings
        source = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        device = next(self.generator.parameters()).device
        z = torch.randn(size, settings.z_dim, generator=source).to(device)
        turns = torch.randn(size, 2, generator=source).numpy() * [self.yaw, self.pitch]
        pivot, radius = settings.camera_pivot, settings.camera_radius
        labels = [Camera.orbit(yaw, pitch, radius, pivot).label() for yaw, pitch in turns]
        c = torch.from_numpy(np.stack(labels)).to(device)
        ws = self.generator.mapping(z, c, self.truncation_psi)
        out = self.generator.synthesis(ws, c, neural_rendering_resolution=self.rays)
        depth = out["image_depth"]
        middle = (depth.amin(dim=(2, 3), keepdim=True) + depth.amax(dim=(2, 3), keepdim=True)) / 2
        person = torch.nn.functional.interpolate((depth < middle).float(), size=out["image"].shape[2:])
        return PortraitBatch(out["image"], c, person)


class PhotoFolder:
    """Photos in EG3D's data set layout: aligned pictures, ``dataset.json``, perhaps ``masks/NAME.png``.

    Raises:
        BadInput: no readable ``dataset.json``, or one that lists nothing.
    """

    def __init__(self, folder: Path, side: int = 512, seed: int = 0) -> None:
        self.folder, self.side, self.seed = Path(folder), side, seed
        path = self.folder / "dataset.json"
        try:
            listed = json.loads(path.read_text())["labels"]
            self.labels = [(str(name), np.asarray(label, np.float32).reshape(25)) for name, label in listed]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{path} is missing or damaged.", "Give a folder in EG3D's data set layout."
            ) from error
        if not self.labels:
            raise BadInput(f"{path} lists no picture.", "Give a folder in EG3D's data set layout.")

    def batch(self, step: int, size: int) -> PortraitBatch:
        """The step's photos, every photo once before any comes again."""
        chosen = [self._index(step * size + offset) for offset in range(size)]
        images = [self._picture(self.folder / self.labels[i][0]) for i in chosen]
        c = np.stack([self.labels[i][1] for i in chosen])
        masks = [self.folder / "masks" / f"{Path(self.labels[i][0]).stem}.png" for i in chosen]
        person = None
        if all(mask.exists() for mask in masks):
            layers = [to_float(self._resized(mask))[None, :, :, 0] for mask in masks]
            person = torch.from_numpy(np.stack(layers))
        return PortraitBatch(torch.from_numpy(np.stack(images)), torch.from_numpy(c), person)

    def _index(self, number: int) -> int:
        round_, place = divmod(number, len(self.labels))
        return int(np.random.default_rng([self.seed, round_]).permutation(len(self.labels))[place])

    def _resized(self, path: Path) -> np.ndarray:
        picture = read_image(path)
        if picture.shape[:2] != (self.side, self.side):
            picture = np.asarray(
                Image.fromarray(picture).resize((self.side, self.side), Image.Resampling.LANCZOS)
            )
        return picture

    def _picture(self, path: Path) -> np.ndarray:
        return to_signed(self._resized(path))
