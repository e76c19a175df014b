"""The bundled encoder: a 128² crop and 478 landmarks to head codes, pose, appearance, hair and light in one pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inversion_core.camera import RADIUS
from inversion_core.errors import MissingResource

INPUT_SIZE = 128
"""Side of the picture that the network sees, pixels."""
LANDMARK_SCALE = 6.0
"""Brings landmark coordinates of a crop, measured from its middle, to about unit size."""
SHIFT_SCALE = 0.1
"""World units per unit of the camera's predicted shift."""


@dataclass(frozen=True)
class HeadCodes:
    """What the encoder reads from a portrait.

    Attributes:
        identity: (K,) in standard deviations; units: (E,) expression strengths in [0, 1].
        cam2world: (4, 4) float32.
        skin: (S,) skin code and iris: (I,) iris code of the canonical field.
        hair_style: index into the encoder's ``styles``; hair_probabilities: one per style.
        hair_colour: (3,) sRGB; light: (9, 3) second-order harmonics, as ``appearance.sh_basis`` orders them.
    """

    identity: NDArray[np.float32]
    units: NDArray[np.float32]
    cam2world: NDArray[np.float32]
    skin: NDArray[np.float32]
    iris: NDArray[np.float32]
    hair_style: int
    hair_probabilities: NDArray[np.float32]
    hair_colour: NDArray[np.float32]
    light: NDArray[np.float32]


@dataclass(frozen=True)
class EncoderSizes:
    """How many numbers the encoder predicts; ``styles`` starts with "bald"."""

    identity: int
    units: int
    skin: int
    iris: int
    styles: tuple[str, ...]
    width: int = 16
    hidden: int = 384

    @property
    def blocks(self) -> dict[str, int]:
        """Name and length of every block of the output, in order."""
        return {
            "identity": self.identity,
            "units": self.units,
            "rotation": 6,
            "shift": 3,
            "skin": self.skin,
            "iris": self.iris,
            "style": len(self.styles),
            "hair_colour": 3,
            "light": 27,
        }


@dataclass(frozen=True)
class RawCodes:
    """The network's answer for a batch: tensors (B, …), rotation (B, 3, 3) world to camera, position (B, 3)."""

    identity: Tensor
    units: Tensor
    rotation: Tensor
    translation: Tensor
    skin: Tensor
    iris: Tensor
    style: Tensor
    hair_colour: Tensor
    light: Tensor


def rotation_from_6d(six: Tensor) -> Tensor:
    """(B, 3, 3) rotations from (B, 6). Source: Zhou et al. 2019, section 4.2, Gram-Schmidt on two columns."""
    first = nn.functional.normalize(six[:, :3], dim=1)
    second = six[:, 3:] - (first * six[:, 3:]).sum(1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], 2)


class HeadEncoder(nn.Module):
    """Convolutions on the picture, a perceptron on the landmarks, one head for all codes."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        w = sizes.width
        layers: list[nn.Module] = []
        for before, after in ((3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w), (8 * w, 12 * w)):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
        features = 12 * w * (INPUT_SIZE // 32) ** 2
        self.picture = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 256), nn.SiLU())
        h = sizes.hidden
        self.points = nn.Sequential(nn.Linear(956, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU())
        outputs = sum(sizes.blocks.values())
        self.joint = nn.Sequential(nn.Linear(h + 256, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU())
        self.head = nn.Linear(h, outputs)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, picture: Tensor | None, points: Tensor) -> RawCodes:
        """Codes of a batch.

        Args:
            picture: (B, 3, 128, 128) RGB in [-1, 1], None to go by the landmarks alone.
            points: (B, 478, 2) landmarks in [0, 1] of the crop.
        """
        seen = points.new_zeros(len(points), 256) if picture is None else self.picture(picture)
        placed = self.points(((points - 0.5) * LANDMARK_SCALE).flatten(1))
        out = self.head(self.joint(torch.cat([seen, placed], 1)))
        block = dict(zip(self.sizes.blocks, out.split(list(self.sizes.blocks.values()), 1), strict=True))
        # A camera in front of the face, upright, is where all rotations start.
        start = out.new_tensor([1, 0, 0, 0, -1, 0])
        ahead = out.new_tensor([0, 0, RADIUS])
        return RawCodes(
            identity=block["identity"],
            units=torch.sigmoid(block["units"] - 2),
            rotation=rotation_from_6d(block["rotation"] + start),
            translation=block["shift"] * SHIFT_SCALE + ahead,
            skin=block["skin"],
            iris=block["iris"],
            style=block["style"],
            hair_colour=torch.sigmoid(block["hair_colour"]),
            light=block["light"].unflatten(1, (9, 3)) + out.new_tensor([1.0] + [0.0] * 8)[:, None],
        )

    @torch.no_grad()
    def encode(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> HeadCodes:
        """Codes of one portrait.

        Args:
            image: (H, W, 3) uint8 sRGB, the aligned crop; landmarks: (478, 2 or 3) in [0, 1] of it.
        """
        small = cv2.resize(image, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA)
        picture = torch.from_numpy(small.astype(np.float32)).permute(2, 0, 1)[None] / 255 * 2 - 1
        points = torch.from_numpy(np.ascontiguousarray(landmarks[:, :2], np.float32))[None]
        raw = self(picture, points)
        rotation, translation = raw.rotation[0].numpy(), raw.translation[0].numpy()
        cam2world = np.eye(4, dtype=np.float32)
        cam2world[:3, :3] = rotation.T
        cam2world[:3, 3] = -rotation.T @ translation
        chances = torch.softmax(raw.style[0], 0).numpy()
        return HeadCodes(
            identity=raw.identity[0].numpy(),
            units=raw.units[0].numpy(),
            cam2world=cam2world,
            skin=raw.skin[0].numpy(),
            iris=raw.iris[0].numpy(),
            hair_style=int(chances.argmax()),
            hair_probabilities=chances,
            hair_colour=raw.hair_colour[0].numpy(),
            light=raw.light[0].numpy(),
        )


def save_encoder(encoder: HeadEncoder, path: Path, record: Mapping[str, object]) -> None:
    """Write the encoder in half precision as safetensors, with ``record`` as JSON."""
    from safetensors.torch import save_file

    tensors = {k: v.detach().cpu().half().contiguous() for k, v in encoder.state_dict().items()}
    metadata = {"encoder": json.dumps(asdict(encoder.sizes)), "record": json.dumps(dict(record))}
    partial = path.with_name(path.name + ".part")
    save_file(tensors, str(partial), metadata=metadata)
    partial.replace(path)


def load_encoder(path: Path) -> HeadEncoder:
    """The encoder in a file of :func:`save_encoder`, on the processor, without gradients.

    Raises:
        MissingResource: the file is not there.
    """
    from safetensors import safe_open

    if not path.is_file():
        raise MissingResource(
            f"The bundled model's encoder ({path.name}) is missing.",
            "Install Facet again, or run: facet train encoder.",
        )
    with safe_open(str(path), framework="pt") as handle:
        about = json.loads(handle.metadata()["encoder"])
        state = {key: handle.get_tensor(key).float() for key in handle.keys()}  # noqa: SIM118, not a dict
    encoder = HeadEncoder(EncoderSizes(**{**about, "styles": tuple(about["styles"])}))
    encoder.load_state_dict(state)
    return encoder.requires_grad_(False).eval()
