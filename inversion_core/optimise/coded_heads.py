"""The bundled model as descents see it: a point of any latent space and a camera -> a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from inversion_core.camera import Camera
from inversion_core.generators.drawn_mesh import draw_mesh
from inversion_core.generators.head_synthesis import NOISE_SIDES, WIDTH, HeadSynthesis
from inversion_core.generators.heads_field import load_field
from inversion_core.generators.template import HeadTemplate, load_template
from inversion_core.model import BUNDLED
from inversion_core.optimise.coded import (
    SPLIT,
    CodeStatistics,
    SeenHead,
    codes_of,
    moved_label,
    statistics_of,
)
from inversion_core.optimise.landmark_fit import fit_landmarks
from inversion_core.optimise.point import Point
from inversion_core.portrait import Portrait
from inversion_core.rasterise import interpolate, rasterise
from inversion_core.rendering import Rendering

EDITS = (("mouth", "mouth-corner-puller", 0.7), ("skin", 0, 1.5), ("hair colour", 0, 2.0))
"""Layer, coefficient (a unit's name or a number) and reach of the edits that editability is measured with."""


@dataclass(frozen=True)
class ColouredHead:
    """A finished head as vertices and colours: drawn without gradients, of any size, from any side."""

    template: HeadTemplate
    vertices: np.ndarray
    colours: np.ndarray

    def view(self, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """The head through a camera, (size, size)."""
        full, template = size * samples, self.template
        fragments = rasterise(self.vertices, template.faces, camera, full, template.behind)
        rgb = interpolate(fragments, template.faces, self.colours)
        depth = np.where(fragments.hit, fragments.depth, 0).astype(np.float32)
        opacity = fragments.hit.astype(np.float32)
        if samples > 1:
            # Only what is hit has a colour: the mean over a pixel's samples is over those.
            wide = (size, size)
            opacity, rgb, depth = (
                cv2.resize(x, wide, interpolation=cv2.INTER_AREA) for x in (opacity, rgb, depth)
            )
            covered = np.maximum(opacity, 1e-6)
            rgb, depth = rgb / covered[..., None], depth / covered
        return Rendering(rgb.clip(0, 1), depth, opacity)


class _Drawn(nn.Module):
    """Codes to pictures as one call, so that parameters and noise maps can be replaced for it."""

    def __init__(self, network: HeadSynthesis) -> None:
        super().__init__()
        self.network = network

    def forward(self, point: Point, ws: Tensor, label: Tensor, size: int) -> Tensor:
        pictures = []
        for index, camera in enumerate(label):
            vertices, colours = self.surface(point, ws[index % len(ws)][None])
            network = self.network
            drawn = draw_mesh(vertices, colours, network.faces, camera, size, 1.0, network.behind)
            pictures.append(drawn * 2 - 1)
        return torch.stack(pictures)

    def surface(self, point: Point, ws: Tensor) -> tuple[Tensor, Tensor]:
        network = self.network
        if point.codes is not None:
            coefficients = (network.coefficients(point.codes) * point.importance).sum(0)
        else:
            coefficients = network.coefficients(ws)[0]
        return network(coefficients, None if point.features is None else point.features[0])


class _Surface(nn.Module):
    def __init__(self, drawn: _Drawn) -> None:
        super().__init__()
        self.drawn = drawn

    def forward(self, point: Point, ws: Tensor) -> tuple[Tensor, Tensor]:
        return self.drawn.surface(point, ws)


class CodedHeads:
    """The bundled model with codes, frozen; see :class:`inversion_core.optimise.coded.Coded`.

    Args:
        size: side of the pictures that descents compare.

    Raises:
        MissingResource: the bundled geometry or field is not there.
    """

    name = "facet-head"

    def __init__(self, folder: Path = BUNDLED, size: int = 128) -> None:
        self.template = load_template(folder / "geometry.safetensors")
        field = load_field(folder / "field.safetensors")
        self.network = HeadSynthesis(self.template, field).eval().requires_grad_(False)
        self.drawn = _Drawn(self.network)
        self.size = size

    num_ws = property(lambda self: self.network.num_ws)
    w_dim = property(lambda self: WIDTH)
    z_dim = property(lambda self: WIDTH)
    device = property(lambda self: torch.device("cpu"))

    def mapped(self, z: Tensor) -> Tensor:
        """Codes (N, 1, WIDTH): z brought to length √WIDTH, as StyleGAN's mapping begins; nothing follows."""
        return (z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())[:, None]

    @cached_property
    def statistics(self) -> CodeStatistics:
        """Of random codes."""
        return statistics_of(self.mapped, self.z_dim, self.device)

    def ws(self, point: Point) -> Tensor:
        """(1, num_ws, WIDTH) of a point."""
        return codes_of(point, self.mapped, self.num_ws)

    def picture(self, point: Point, label: Tensor, split: int = SPLIT, samples: int | None = None) -> Tensor:
        """(N, 3, size, size) in [-1, 1] through cameras (N, 25); split and samples mean nothing here."""
        if point.camera is not None:
            label = moved_label(label, point.camera)
        return functional_call(self.drawn, self._replaced(point), (point, self.ws(point), label, self.size))

    def glimpse(self, ws: Tensor, label: Tensor, side: int = 32, samples: int = 10) -> Tensor:
        """(N, 3, side, side): drawn at twice the side, for smooth edges."""
        full = self.drawn(Point(), ws.expand(-1, self.num_ws, -1), label, 2 * side)
        return nn.functional.avg_pool2d(full, 2)

    def features(self, point: Point, split: int = SPLIT) -> Tensor:
        """(1, 6, C): no offset of the coarse mesh's places and colours."""
        return torch.zeros(1, 6, len(self.template.mean))

    def channels(self) -> int:
        """Coefficients of a head."""
        return sum(len(layer.deviations) for layer in self.network.layers)

    def noise_maps(self) -> dict[str, Tensor]:
        """Name -> grain (R, R) over the template's atlas, 0 where nobody has drawn any."""
        return {f"noise{side}": getattr(self.network, f"noise{side}").clone() for side in NOISE_SIDES}

    def tunable(self, finest: int | None = None) -> dict[str, Tensor]:
        """Name -> parameter: affine maps up to 8, the mesh's offset up to 32, else all."""
        prefixes = ["affines."]
        if finest is None or finest > 8:
            prefixes.append("offset")
        if finest is None:
            prefixes.append("colours.")
        named = self.network.named_parameters()
        return {n: p.detach().clone() for n, p in named if n.startswith(tuple(prefixes))}

    @torch.no_grad()
    def head(self, point: Point, split: int = SPLIT) -> SeenHead:
        """The point's head, finished."""
        named = {f"drawn.{name}": tensor for name, tensor in self._replaced(point).items()}
        vertices, colours = functional_call(_Surface(self.drawn), named, (point, self.ws(point)))
        camera = None if point.camera is None else point.camera.detach()
        return SeenHead(ColouredHead(self.template, vertices.numpy(), colours.numpy()), camera)

    def camera(self, portrait: Portrait) -> Camera:
        """The camera that fits the photo's landmarks, as the bundled path finds it."""
        return fit_landmarks(self.template, portrait.landmarks, portrait.camera).camera

    def orbit(self, yaw: float, pitch: float) -> Camera:
        """A camera on EG3D's sphere."""
        return Camera.orbit(yaw, pitch)

    @cached_property
    def _edits(self) -> Tensor:
        directions = torch.zeros(len(EDITS), 1, self.num_ws, WIDTH)
        names = [layer.name for layer in self.network.layers]
        for row, (layer, which, reach) in enumerate(EDITS):
            at = names.index(layer)
            column = self.template.units.index(which) if isinstance(which, str) else which
            change = reach if isinstance(which, str) else reach * self.network.layers[at].deviations[column]
            directions[row, 0, at] = change * self.network.affines[at].direction(column).detach()
        return directions

    def directions(self) -> Tensor:
        """(3, 1, num_ws, WIDTH): a smile, other skin, fairer hair; each moves its own layer only."""
        return self._edits

    def _replaced(self, point: Point) -> dict[str, Tensor]:
        return {f"network.{name}": tensor for name, tensor in {**point.noise, **point.weights}.items()}
