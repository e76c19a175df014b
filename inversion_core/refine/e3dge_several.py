"""Several photos of one person to one E3DGE head: shared codes, and features from the photos that see a point.

Ours; E3DGE (Lan et al. 2023, section 5) names inputs of several views as future work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from inversion_core.camera import Camera
from inversion_core.generators.stylesdf import Codes
from inversion_core.generators.stylesdf_decoder import NoiseMode
from inversion_core.generators.stylesdf_renderer import VolumeView
from inversion_core.refine.e3dge import E3DGE, E3DGEInversion
from inversion_core.refine.local_features import AlignedMap, projected, sampled
from inversion_core.task import Task, finish

HIDDEN_BY = 0.012
"""A point this far behind what a photo's view shows is hidden there: a tenth of half the head's depth."""
LEAST = 1e-3
"""Weight of a photo that does not see a point, so that a point that none sees is the mean of all."""
SHARPNESS = 8.0
"""How fast a photo's share falls with its angle from the view that is drawn; radians to the minus one."""


@dataclass(frozen=True)
class SeveralMaps:
    """Feature maps of V photos, as one that can be asked at points of N = 1 head.

    Attributes:
        features: (V, C, h, w); calibration: (V, 4, 4); depth: (V, 1, r, r) that each view shows.
        share: (V,) how near each photo's camera is to the view that is drawn.
    """

    features: Tensor
    calibration: Tensor
    depth: Tensor
    share: Tensor

    def at(self, points: Tensor) -> Tensor:
        """(1, M, C) at points (1, M, 3), from each photo as far as it sees them."""
        maps = AlignedMap(self.features, self.calibration)
        found = maps.at(points.expand(len(self.features), -1, -1))
        weight = self.share[:, None, None] * self.seen(points)
        return (weight * found).sum(0, keepdim=True) / weight.sum(0, keepdim=True)

    def seen(self, points: Tensor) -> Tensor:
        """(V, M, 1) whether each photo shows points (1, M, 3); never less than a little."""
        spread = points.expand(len(self.calibration), -1, -1)
        xy = projected(spread, self.calibration)
        within = (xy.abs() <= 1).all(-1, keepdim=True)
        turned = torch.baddbmm(
            self.calibration[:, None, 2:3, 3], spread, self.calibration[:, 2:3, :3].transpose(1, 2)
        )
        shown = sampled(self.depth, xy)
        visible = within & (turned.abs() < shown + HIDDEN_BY)
        return visible.to(points.dtype).clamp_min(LEAST)

    def covers(self, points: Tensor) -> Tensor:
        """(1, M) whether points (1, M, 3) lie in any photo's picture."""
        xy = projected(points.expand(len(self.calibration), -1, -1), self.calibration)
        return (xy.abs() <= 1).all(-1).any(0, keepdim=True)


@dataclass(frozen=True)
class SeveralInversion:
    """The head of one person in V photos.

    Attributes:
        views: the photos as a batch of V, all with the codes that they share; the first one is the head's own view.
    """

    views: E3DGEInversion

    @property
    def model(self) -> E3DGE:
        return self.views.model

    @property
    def codes(self) -> Codes:
        """Of the head, N = 1."""
        return Codes(*(part[:1] for part in self.views.codes))

    @property
    def azim(self) -> Tensor:
        return self.views.azim[:1]

    @property
    def elev(self) -> Tensor:
        return self.views.elev[:1]

    @torch.no_grad()
    def render(
        self,
        azim: Tensor | float | None = None,
        elev: Tensor | float | None = None,
        noise: NoiseMode = "stored",
    ) -> dict[str, Tensor]:
        """The head from azim, elev in radians, or from the first photo's camera, as :meth:`E3DGEInversion.render`."""
        return finish(self.rendering(azim, elev, noise))

    @torch.no_grad()
    def rendering(
        self,
        azim: Tensor | float | None = None,
        elev: Tensor | float | None = None,
        noise: NoiseMode = "stored",
    ) -> Task[dict[str, Tensor]]:
        """A task that gives the same as :meth:`render`, in steps of a fraction of it."""
        model, codes = self.model, self.codes
        azim, elev = model.generator.angles(
            self.azim if azim is None else azim, self.elev if elev is None else elev, 1
        )
        view = yield from model.view_steps(
            codes, azim, elev, lambda base: self.aligned_to(base, azim, elev), model.bands
        )
        return (yield from model.drawn(view, codes, noise))

    def aligned_to(self, base: VolumeView, azim: Tensor, elev: Tensor) -> tuple[Tensor, SeveralMaps]:
        """The photos' residuals, aligned to a view from azim, elev (1,) and mixed, and their features for it."""
        views = self.views
        share = view_shares(views.azim, views.elev, azim, elev)
        aligned = self.model.aligner(views.residual, base.thumb.expand(len(views.image), -1, -1, -1))
        reference = SeveralMaps(
            views.reference.features, views.reference.calibration, views.base.depth, share
        )
        return (share[:, None, None, None] * aligned).sum(0, keepdim=True), reference

    def render_camera(self, camera: Camera, noise: NoiseMode = "stored") -> dict[str, Tensor]:
        """The same for one of Facet's cameras; this generator can follow its viewing direction only."""
        return self.render(*camera.angles, noise)

    def edited(
        self, moves: Mapping[str, float], boundaries: Mapping[str, object] | Path | str
    ) -> SeveralInversion:
        """The head moved along boundaries; see :meth:`E3DGE.edit`."""
        return finish(self.editing(moves, boundaries))

    def editing(
        self, moves: Mapping[str, float], boundaries: Mapping[str, object] | Path | str
    ) -> Task[SeveralInversion]:
        """A task that gives the same as :meth:`edited`, in steps of a fraction of it."""
        return replace(self, views=(yield from self.model.editing(self.views, moves, boundaries)))


def view_shares(azims: Tensor, elevs: Tensor, azim: Tensor, elev: Tensor) -> Tensor:
    """(V,) shares, 1 together, of cameras azims, elevs (V,) in a view from azim, elev (1,): the nearer, the more."""
    apart = torch.hypot(azims - azim, elevs - elev)
    return torch.softmax(-SHARPNESS * apart, dim=0)


@torch.no_grad()
def invert_several(
    model: E3DGE,
    images: Tensor,
    azim: Tensor | float | None = None,
    elev: Tensor | float | None = None,
) -> SeveralInversion:
    """One head from V pictures of a person (V, 3, H, W) in [-1, 1]; cameras are found unless given, in radians.

    The codes are the mean of what the encoder finds in each picture; each picture's residual is of those.
    """
    alone = model.invert(images, azim, elev)
    codes = Codes(*(part.mean(0, keepdim=True).expand_as(part).contiguous() for part in alone.codes))
    base = model.generator.volume(codes, alone.azim, alone.elev)
    residual = model.residual(alone.image, base.thumb)
    reference = model.feature_map(residual, base.depth, alone.azim, alone.elev)
    return SeveralInversion(replace(alone, codes=codes, base=base, residual=residual, reference=reference))
