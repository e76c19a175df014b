"""The bundled model as a style-based generator: one code for every layer -> a head's vertices and colours.

Its layers are the blocks of the bundled model (shape, mouth, eyes, skin, hair, light). In the bundled model they are
independent. Here every layer reads a code of W by an affine map of its own, as StyleGAN's layers do: one code for all
layers then cannot set them freely, a code for each can. That entanglement is ours; template, field and light are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from inversion_core.generators.heads_field import CanonicalField
from inversion_core.generators.mesh_gradients import carried, mesh_normals
from inversion_core.generators.template import HeadTemplate
from inversion_core.generators.vertex_bases import tame_hair, vertex_bases

WIDTH = 64
"""Numbers of a z and of a w."""
NOISE_SIDES = (32, 128)
"""Sides of the noise maps over the template's atlas."""
GRAIN = 0.04
"""What a noise of 1 adds to a colour."""
CALM = 0.1
"""How much slower affine maps learn than what they feed: one step of theirs moves the whole head."""
REACH = 0.004
"""World units that an offset of 1 is worth."""
SMOOTHINGS = 12
MOUTH_UNITS = 13
"""The template names the units of the mouth first."""


@dataclass(frozen=True)
class StyleLayer:
    """One layer: the coefficients that it sets, and their standard deviations over random heads."""

    name: str
    deviations: tuple[float, ...]
    means: tuple[float, ...] = ()


def style_layers(template: HeadTemplate, field: CanonicalField) -> tuple[StyleLayer, ...]:
    """From the head as a whole to its light, in the order in which codes come."""
    modes, eyes = len(template.identity), len(template.units) - MOUTH_UNITS
    coarse = min(16, modes)
    # Drawn one by one, skins leave those of people sooner than the fitted ones do.
    spread = tuple((0.7 * field.skin_codes.std(0, correction=0)).tolist())
    iris = tuple(field.iris_codes.std(0, correction=0).tolist())
    ambient = (0.1, 0.06, 0.09, 0.07, 0.02, 0.02, 0.015, 0.02, 0.015)
    # The average room: soft light from above and in front.
    lit = (0.72, 0.06, 0.16, 0.0, 0.0, 0.02, 0.01, 0.0, 0.0)
    return (
        StyleLayer("shape", (0.9,) * coarse),
        StyleLayer("form", (0.9,) * (modes - coarse)),
        StyleLayer("mouth", (0.12, 0.3, *(0.09,) * (MOUTH_UNITS - 2))),
        StyleLayer("eyes", (0.12,) * eyes),
        StyleLayer("skin", spread, tuple(field.skin_codes.mean(0).tolist())),
        StyleLayer("iris", (*iris, 0.2), (*field.iris_codes.mean(0).tolist(), 0.7)),
        StyleLayer("hair", (1.5,) * len(field.styles)),
        StyleLayer("hair colour", (0.13, 0.025, 0.012), (0.3, 0.06, 0.03)),
        StyleLayer("light", (*ambient, 0.02, 0.02, 0.02), (*lit, 0.0, 0.0, 0.0)),
    )


class _Affine(nn.Module):
    """Codes to a layer's coefficients, stored for equal learning rates. Source: StyleGAN2, ``FullyConnectedLayer``."""

    def __init__(self, rows: np.ndarray, means: np.ndarray) -> None:
        super().__init__()
        self.gain = CALM * rows.shape[1] ** -0.5
        self.weight, self.bias = _parameter(rows / self.gain), _parameter(means)

    def forward(self, w: Tensor) -> Tensor:
        return F.linear(w, self.weight * self.gain, self.bias)

    def direction(self, index: int) -> Tensor:
        """(WIDTH,) a step of w that adds 1 to one coefficient and, as rows are orthogonal, nothing to the others."""
        row = self.weight[index] * self.gain
        return row / row.square().sum()


class HeadSynthesis(nn.Module):
    """Codes -> coefficients -> vertices (V, 3) and colours (V, 3), for one head at a time.

    Parameters stand in layers from coarse to fine: ``affines`` (codes to coefficients), ``offset`` (smooth steps of the
    coarse mesh, 0 at first) and ``colours`` (what the canonical field says at the vertices). Tuning tunes these.
    """

    def __init__(self, template: HeadTemplate, field: CanonicalField, seed: int = 0) -> None:
        super().__init__()
        self.layers = style_layers(template, field)
        rng = np.random.default_rng(seed)
        self.affines = nn.ModuleList()
        for layer in self.layers:
            count = len(layer.deviations)
            # Orthonormal rows: every coefficient has its own deviation, those of a layer are independent.
            mixing, triangle = np.linalg.qr(rng.normal(size=(WIDTH, count)))
            rows = (mixing * np.sign(np.diag(triangle))).T * np.array(layer.deviations)[:, None]
            self.affines.append(_Affine(rows, np.array(layer.means or (0.0,) * count)))
        bases = vertex_bases(template, field)
        self.register_buffer("mean", torch.from_numpy(template.mean))
        self.register_buffer("identity", _flat(template.identity))
        self.register_buffer("units", _flat(template.unit_offsets))
        self.offset = nn.Parameter(torch.zeros(template.mean.shape))
        self.colours = nn.ParameterDict(
            {
                "skin": _parameter(bases.skin),
                "loose": _parameter(bases.loose),
                "brows": _parameter(bases.brows.mean(1)),
                "luminance": _parameter(bases.luminance),
            }
        )
        self.register_buffer("thickness", torch.from_numpy(tame_hair(template, bases.thickness)))
        self.subdivision = template.subdivision.tocsr().astype(np.float32)
        self.smoothing = _neighbours(template)
        self.register_buffer("faces", torch.from_numpy(template.faces.astype(np.int64)))
        self.register_buffer("behind", torch.from_numpy(template.behind))
        self.register_buffer("shade", torch.from_numpy(np.where(template.interior > 0.5, 0.45, 1.0)).float())
        uv = np.zeros((len(template.part), 2), np.float32)
        uv[template.faces.ravel()] = template.uv[template.faces_uv.ravel()]
        self.register_buffer("uv", torch.from_numpy(uv * 2 - 1))
        for side in NOISE_SIDES:
            self.register_buffer(f"noise{side}", torch.zeros(side, side))

    @property
    def num_ws(self) -> int:
        """Codes of a head: one for every layer."""
        return len(self.affines)

    def coefficients(self, ws: Tensor) -> Tensor:
        """(N, M) of ws (N, num_ws, WIDTH)."""
        return torch.cat([affine(ws[:, i]) for i, affine in enumerate(self.affines)], 1)

    def forward(self, coefficients: Tensor, offsets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Vertices (V, 3) in world units and colours (V, 3) in [0, 1] of coefficients (M,).

        Args:
            offsets: (6, C) added to the coarse mesh: position and colour.
        """
        sizes = [len(layer.deviations) for layer in self.layers]
        shape, form, mouth, eyes, skin, iris, hair, tint, light = coefficients.split(sizes)
        colours = self.colours
        # Muscles pull and hardly push.
        units = F.leaky_relu(torch.cat([mouth, eyes]), 0.1)
        moved = torch.cat([shape, form]) @ self.identity + units @ self.units
        coarse = self.mean + moved.reshape(-1, 3) + self._smooth_offset()
        if offsets is not None:
            coarse = torch.cat([coarse, offsets[3:].T], 1) + F.pad(offsets[:3].T, (0, 3))
        fine = carried(coarse, self.subdivision)
        vertices, added = fine[:, :3], fine[:, 3:]
        one = coefficients.new_ones(1)
        albedo = torch.einsum("vkc,k->vc", colours["skin"], torch.cat([one, skin]))
        albedo = albedo + torch.einsum("vkc,k->vc", colours["loose"], torch.cat([one, iris[:-1]]))
        # Light hair is warm: the second and third number take blue and green away.
        hue = torch.stack([tint[0], tint[0] - tint[1], tint[0] - tint[1] - tint[2]])
        brow = (colours["brows"] * iris[-1] * 2.5).clamp(0, 1)[:, None]
        albedo = albedo + (0.8 * hue - albedo) * brow
        style = torch.softmax(hair, 0)
        thick = self.thickness @ style
        cover = (thick / 0.008).clamp(0, 1)[:, None]
        strand = (2 * (colours["luminance"] @ style)).clamp(0.5, 1.5)[:, None]
        albedo = albedo + (hue * strand - albedo) * cover
        # Where hair stands is no matter of how the scalp curves.
        vertices = vertices + mesh_normals(vertices.detach(), self.faces) * thick[:, None]
        normals = mesh_normals(vertices, self.faces)
        lamps = light[:9, None] + F.pad(light[None, 9:], (0, 0, 0, 8))
        lit = (_harmonics(normals) @ lamps).clamp_min(0.05)
        colour = albedo.clamp(0, 1) * lit * self.shade[:, None]
        grain = sum(self._grain(getattr(self, f"noise{side}")) for side in NOISE_SIDES)
        if offsets is not None:
            colour = colour + added
        return vertices, (colour + GRAIN * grain[:, None]).clamp(0, 1)

    def _smooth_offset(self) -> Tensor:
        """(C, 3) world units. Source: Nicolet et al. 2021 (Large steps), section 3.1: descents move a smooth mesh."""
        offset = REACH * self.offset
        if self.offset.requires_grad or bool(self.offset.any()):
            for _ in range(SMOOTHINGS):
                offset = carried(offset, self.smoothing)
        return offset

    def _grain(self, noise: Tensor) -> Tensor:
        """(V,) of a map (R, R) over the atlas."""
        return F.grid_sample(noise[None, None], self.uv[None, None], align_corners=False)[0, 0, 0]


def _neighbours(template: HeadTemplate) -> sparse.csr_matrix:
    """(C, C) means over a coarse vertex and those near it."""
    near = (
        template.subdivision.T
        @ (template.adjacency + sparse.identity(len(template.part)))
        @ template.subdivision
    )
    return sparse.csr_matrix(sparse.diags(1 / np.asarray(near.sum(1)).ravel()) @ near, dtype=np.float32)


def _flat(offsets: np.ndarray) -> Tensor:
    return torch.from_numpy(offsets.reshape(len(offsets), -1).copy())


def _parameter(array: np.ndarray) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(array, np.float32)))


def _harmonics(normals: Tensor) -> Tensor:
    """(V, 9), as :func:`inversion_core.appearance.sh_basis`."""
    x, y, z = normals.T
    return torch.stack([torch.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], 1)
