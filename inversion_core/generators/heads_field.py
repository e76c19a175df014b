"""The bundled model's canonical field: triplanes and small decoders over the canonical head.

Three groups share the layout of EG3D (planes xy, xz, zy, features summed, a small decoder): the surface's colour,
one for every loose part (eyes, teeth, tongue), and the volume's distances. Axes are stretched by a monotone
piecewise-linear map, so that the face gets most texels. Colour is linear in the appearance code: the decoder gives
basis colours, the code mixes them. The planes are :mod:`inversion_core.generators.feature_planes`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inversion_core.errors import MissingResource
from inversion_core.generators.feature_planes import FeaturePlanes, packed_planes, unpacked_planes
from inversion_core.generators.template import EYES, SKIN, TEETH, TONGUE

LAYERS = ("skin", "lips", "mouth", "eyes", "teeth", "tongue")
"""Names of the columns of :meth:`CanonicalField.layers`."""
PARTS = (EYES, TEETH, TONGUE)
DISTANCE_UNIT = 0.1
"""World units per unit of the decoder's distances."""


class Decoder(nn.Module):
    """Features to outputs: two hidden layers."""

    def __init__(self, channels: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.head = nn.Linear(hidden, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.trunk(features))


@dataclass(frozen=True)
class FieldSizes:
    """Sizes of the networks; the defaults are the bundled model's."""

    surface_resolution: int = 384
    surface_channels: int = 24
    brow_resolution: int = 160
    brow_channels: int = 12
    part_resolution: int = 96
    part_channels: int = 16
    volume_resolution: int = 192
    volume_channels: int = 24
    hidden: int = 64
    skin_modes: int = 10
    iris_modes: int = 4


class CanonicalField(nn.Module):
    """Colour, layer and distances of the canonical head.

    Attributes:
        sizes: network sizes; skins, irises, brows, styles: names of what it was fitted to.
        skin_codes: (skins, skin_modes); iris_codes: (irises, iris_modes): the appearance codes of the fitted ones.
        attributes: (4, skin_modes) affine map (1, age, skin_tone, masculinity) -> skin code.

    An appearance code (A,) is, in this order: skin code, iris code, one weight per brow style (a mixture, 0 … 1),
    brow colour (3, sRGB), brow strength (0 … 1).
    """

    def __init__(
        self,
        sizes: FieldSizes,
        skins: tuple[str, ...],
        irises: tuple[str, ...],
        brows: tuple[str, ...],
        styles: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.sizes, self.skins, self.irises, self.brows, self.styles = sizes, skins, irises, brows, styles
        hidden = sizes.hidden
        self.surface = FeaturePlanes(sizes.surface_resolution, sizes.surface_channels)
        self.surface_decoder = Decoder(sizes.surface_channels, hidden, 3 * (1 + sizes.skin_modes))
        # Brows have planes of their own: fitted together, they stain the skin around them.
        self.brow_planes = FeaturePlanes(sizes.brow_resolution, sizes.brow_channels)
        self.brow_decoder = Decoder(sizes.brow_channels, 32, len(brows))
        self.parts = nn.ModuleList(FeaturePlanes(sizes.part_resolution, sizes.part_channels) for _ in PARTS)
        self.part_decoders = nn.ModuleList(
            Decoder(sizes.part_channels, 32, 3 * (1 + sizes.iris_modes if part == EYES else 1))
            for part in PARTS
        )
        self.volume = FeaturePlanes(sizes.volume_resolution, sizes.volume_channels)
        self.volume_decoder = Decoder(sizes.volume_channels, hidden, 1 + len(LAYERS) + 2 * len(styles))
        self.register_buffer("skin_codes", torch.zeros(len(skins), sizes.skin_modes))
        self.register_buffer("iris_codes", torch.zeros(len(irises), sizes.iris_modes))
        self.register_buffer("attributes", torch.zeros(4, sizes.skin_modes))

    # Tensors, with gradients: what renderers and training use.

    def surface_basis(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Basis colours (N, 1 + skin_modes, 3) and brow densities (N, brows) of the skin at (N, 3)."""
        colours = self.surface_decoder(self.surface(points)).unflatten(1, (-1, 3))
        return colours, self.brow_densities(points)

    def brow_densities(self, points: Tensor) -> Tensor:
        """(N, brows) in [0, 1], 0 outside the box of the brow planes."""
        inside = ((points > self.brow_planes.low) & (points < self.brow_planes.high)).all(1)
        return torch.sigmoid(self.brow_decoder(self.brow_planes(points))) * inside[:, None]

    def part_basis(self, points: Tensor, part: int) -> Tensor:
        """Basis colours (N, 1 + iris_modes, 3) of the eyes, or (N, 1, 3) of teeth and tongue, at (N, 3)."""
        if part == EYES:
            points = torch.cat([points[:, :1].abs(), points[:, 1:]], 1)
        index = PARTS.index(part)
        return self.part_decoders[index](self.parts[index](points)).unflatten(1, (-1, 3))

    def distances(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Head distance (N,), layer logits (N, layers), hair distances (N, styles), hair luminance (N, styles)."""
        out = self.volume_decoder(self.volume(points))
        styles = len(self.styles)
        head, layers, hair, luminance = out.split([1, len(LAYERS), styles, styles], 1)
        return head[:, 0] * DISTANCE_UNIT, layers, hair * DISTANCE_UNIT, torch.sigmoid(luminance)

    def colours(self, points: Tensor, appearance: Tensor, part: int = SKIN) -> Tensor:
        """(N, 3) sRGB albedo in [0, 1] of one part at canonical points, for an appearance code (A,)."""
        skin, iris, weights, brow_colour, strength = self.blocks(appearance)
        one = appearance.new_ones(1)
        if part != SKIN:
            code = torch.cat([one, iris]) if part == EYES else one
            return torch.einsum("nkc,k->nc", self.part_basis(points, part), code).clamp(0, 1)
        # The last layer is linear: mixing its rows first leaves a fourth of the work.
        hidden = self.surface_decoder.trunk(self.surface(points))
        code = torch.cat([one, skin])
        weight, bias = self.surface_decoder.head.weight, self.surface_decoder.head.bias
        mixed = torch.einsum("kch,k->ch", weight.unflatten(0, (-1, 3)), code)
        albedo = torch.addmm(code @ bias.view(-1, 3), hidden, mixed.T).clamp(0, 1)
        low, high = self.brow_planes.low, self.brow_planes.high
        index = torch.nonzero(((points > low) & (points < high)).all(1))[:, 0]
        if strength == 0 or len(index) == 0:
            return albedo
        density = (self.brow_densities(points[index]) @ weights * strength).clamp(0, 1)[:, None]
        return albedo.index_add(0, index, (brow_colour - albedo[index]) * density)

    def blocks(self, appearance):
        """Skin code, iris code, brow weights, brow colour and brow strength of a code (A,)."""
        a = self.sizes.skin_modes
        b = a + self.sizes.iris_modes
        c = b + len(self.brows)
        return appearance[:a], appearance[a:b], appearance[b:c], appearance[c : c + 3], appearance[c + 3]

    @property
    def appearance_size(self) -> int:
        """Length A of an appearance code."""
        return self.sizes.skin_modes + self.sizes.iris_modes + len(self.brows) + 4

    # Arrays, without gradients.

    @torch.no_grad()
    def albedo(
        self,
        points: NDArray[np.float32],
        appearance: NDArray[np.float32],
        part: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.float32]:
        """(N, 3) sRGB albedo in [0, 1] at canonical points (N, 3).

        Args:
            appearance: (A,) code, see the class.
            part: (N,) the template's part numbers; None when all points lie on the skin.
        """
        at, code = self._tensor(points), self._tensor(appearance)
        if part is None:
            return self.colours(at, code).cpu().numpy()
        result = np.zeros((len(points), 3), np.float32)
        for kind in np.unique(part):
            index = np.flatnonzero(part == kind)
            chosen = at[torch.from_numpy(index).to(at.device)]
            result[index] = self.colours(chosen, code, int(kind)).cpu().numpy()
        return result

    @torch.no_grad()
    def brow_density(self, points: NDArray[np.float32], style: int) -> NDArray[np.float32]:
        """(N,) in [0, 1]: how much of the skin the hairs of one brow style cover."""
        return self.brow_densities(self._tensor(points))[:, style].cpu().numpy()

    @torch.no_grad()
    def signed_distance(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) distance to the bald head in world units, negative inside."""
        return self.distances(self._tensor(points))[0].cpu().numpy()

    @torch.no_grad()
    def layers(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, L) probabilities of LAYERS; meaningful near the surface."""
        return torch.softmax(self.distances(self._tensor(points))[1], 1).cpu().numpy()

    @torch.no_grad()
    def hair(
        self, points: NDArray[np.float32], style: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distance (N,) to the hair's outer surface, negative inside, and its luminance (N,) in [0, 1].

        Luminance is relative: 0.5 is the style's average, so a hair colour is multiplied by twice its value.
        """
        _, _, hair, luminance = self.distances(self._tensor(points))
        return hair[:, style].cpu().numpy(), luminance[:, style].cpu().numpy()

    def attributes_to_appearance(
        self,
        age: float = 0.0,
        skin_tone: float = 0.0,
        masculinity: float = 0.0,
        iris: int | None = None,
        brow: int | None = None,
        brow_colour: tuple[float, float, float] = (0.16, 0.11, 0.08),
        brow_strength: float = 0.0,
    ) -> NDArray[np.float32]:
        """(A,) the code of the average skin with these attributes.

        Args:
            age: -1 young … 1 old; skin_tone: -1 lightest … 1 deepest; masculinity: -1 … 1. All extrapolate.
            iris: index into ``irises``, None for their average; brow: index into ``brows``, None for no brows.
        """
        code = np.zeros(self.appearance_size, np.float32)
        skin, iris_block, weights, colour, _ = self.blocks(code)
        skin[:] = np.array([1, age, skin_tone, masculinity], np.float32) @ self.attributes.cpu().numpy()
        if iris is not None:
            iris_block[:] = self.iris_codes[iris].cpu().numpy()
        if brow is not None:
            weights[brow] = 1
            code[-1] = brow_strength
        colour[:] = brow_colour
        return code

    def skin_appearance(self, skin: int) -> NDArray[np.float32]:
        """(A,) the code of one of the fitted skins, without brows, with the average iris."""
        code = self.attributes_to_appearance()
        self.blocks(code)[0][:] = self.skin_codes[skin].cpu().numpy()
        return code

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self.skin_codes.device)


def save_field(field: CanonicalField, path: Path, record: Mapping[str, object]) -> None:
    """Write the field as safetensors with bytes for planes; ``record`` (figures, seed …) goes along as JSON."""
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    for name, value in field.state_dict().items():
        if name.endswith("texels"):
            tensors |= {f"{name}.{key}": part for key, part in packed_planes(value).items()}
        else:
            tensors[name] = value.detach().cpu().contiguous()
    names = {key: list(getattr(field, key)) for key in ("skins", "irises", "brows", "styles")}
    metadata = {
        "field": json.dumps({"sizes": asdict(field.sizes), **names}),
        "record": json.dumps(dict(record)),
    }
    partial = path.with_name(path.name + ".part")
    save_file(tensors, str(partial), metadata=metadata)
    partial.replace(path)


def load_field(path: Path) -> CanonicalField:
    """The field in a file of :func:`save_field`, on the processor, without gradients.

    Raises:
        MissingResource: the file is not there.
    """
    from safetensors import safe_open

    if not path.is_file():
        raise MissingResource(
            f"The bundled model's field ({path.name}) is missing.",
            "Install Facet again, or run: facet train canonical.",
        )
    with safe_open(str(path), framework="pt") as handle:
        about = json.loads(handle.metadata()["field"])
        tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118, not a dict
    field = CanonicalField(
        FieldSizes(**about["sizes"]), *(tuple(about[key]) for key in ("skins", "irises", "brows", "styles"))
    )
    state = {}
    for name in field.state_dict():
        if name.endswith("texels"):
            state[name] = unpacked_planes({key: tensors[f"{name}.{key}"] for key in ("bytes", "low", "step")})
        else:
            state[name] = tensors[name]
    field.load_state_dict(state)
    return field.requires_grad_(False).eval()
