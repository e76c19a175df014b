"""E3DGE: a photo -> codes, camera and local features of a StyleSDF head, rendered from anywhere and edited.

Source: Lan et al. 2023, "Self-Supervised Geometry-Aware Encoder for Style-Based 3D GAN Inversion".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.camera import Camera
from inversion_core.encoders.e3dge import E3DGEEncoder
from inversion_core.encoders.volume_discriminator import VolumeDiscriminator
from inversion_core.generators.stylesdf import Codes, StyleSDF
from inversion_core.generators.stylesdf_decoder import NoiseMode
from inversion_core.generators.stylesdf_renderer import (
    Modulation,
    Trace,
    VolumeView,
    calibrations,
    camera_poses,
    joined,
)
from inversion_core.refine.boundaries import moved, read_boundaries
from inversion_core.refine.local_features import (
    AlignedMap,
    FusionBlock,
    LocalNetwork,
    PointFeatures,
    hybrid_modulation,
)
from inversion_core.refine.residual_aligner import ResidualAligner
from inversion_core.task import Progress, Task, finish

BANDS = 8
"""Parts of a picture that are drawn one after another."""


@dataclass(frozen=True)
class LocalView:
    """A view with and without the photo's own detail.

    Attributes:
        base: what the codes alone give; full: with local features.
        aligned: (N, 3, S, S) the residual as it was aligned to this view.
    """

    base: VolumeView
    full: VolumeView
    aligned: Tensor


@dataclass(frozen=True)
class E3DGEInversion:
    """What is kept of N photos; frozen.

    Attributes:
        model: the networks that made it.
        codes: of the head as it is now: of the photo, or edited.
        azim, elev: (N,) the photo's camera, radians.
        image: (N, 3, 256, 256) the photo; residual: (N, 3, 256, 256) what the codes' thumb misses of it,
            in an edited head moved along with the edit.
        base: the photo's view by the codes alone.
        reference: features of the residual, seen from the photo's camera.
        origin: the unedited inversion; None if this is it.
    """

    model: E3DGE
    codes: Codes
    azim: Tensor
    elev: Tensor
    image: Tensor
    residual: Tensor
    base: VolumeView
    reference: AlignedMap
    origin: E3DGEInversion | None = None

    @torch.no_grad()
    def render(
        self,
        azim: Tensor | float | None = None,
        elev: Tensor | float | None = None,
        noise: NoiseMode = "stored",
    ) -> dict[str, Tensor]:
        """The head from azim, elev in radians, or from the photo's own camera.

        Returns:
            ``image`` (N, 3, 1024, 1024) and ``thumb`` (N, 3, 64, 64), about [-1, 1]; ``features``, ``depth``,
            ``mask``, ``xyz`` and the other fields of VolumeView; ``aligned`` (N, 3, 256, 256);
            ``base_thumb`` (N, 3, 64, 64), which the codes alone give.
        """
        return finish(self.rendering(azim, elev, noise))

    @torch.no_grad()
    def rendering(
        self,
        azim: Tensor | float | None = None,
        elev: Tensor | float | None = None,
        noise: NoiseMode = "stored",
    ) -> Task[dict[str, Tensor]]:
        """A task that gives the same as :meth:`render`, in steps of a fraction of it."""
        model = self.model
        azim, elev = model.generator.angles(
            self.azim if azim is None else azim, self.elev if elev is None else elev, len(self.image)
        )

        def align(base: VolumeView) -> tuple[Tensor, PointFeatures]:
            return model.aligner(self.residual, base.thumb), self.reference

        view = yield from model.view_steps(self.codes, azim, elev, align, model.bands)
        return (yield from model.drawn(view, self.codes, noise))

    def render_camera(self, camera: Camera, noise: NoiseMode = "stored") -> dict[str, Tensor]:
        """The same for one of Facet's cameras; this generator can follow its viewing direction only."""
        return self.render(*camera.angles, noise)


class E3DGE(nn.Module):
    """The encoders round a StyleSDF generator. Pictures are float RGB (N, 3, H, W) in [-1, 1]."""

    def __init__(
        self,
        generator: StyleSDF,
        encoder: E3DGEEncoder,
        pose_network: VolumeDiscriminator,
        local: LocalNetwork,
        aligner: ResidualAligner,
        fusion: FusionBlock,
    ) -> None:
        super().__init__()
        self.generator, self.encoder, self.pose_network = generator, encoder, pose_network
        self.local, self.aligner, self.fusion = local, aligner, fusion

    def encode(self, image: Tensor) -> Codes:
        """``renderer`` (N, 9, 256) and ``decoder`` (N, 10, 512) codes of pictures."""
        styles, ws = self.encoder(self.pooled(image))
        mean = self.generator.mean_codes()
        return Codes(styles + mean.renderer, ws + mean.decoder)

    def pose(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """azim, elev (N,) in radians of pictures."""
        side = self.pose_network.settings.image_size
        out = self.pose_network(F.adaptive_avg_pool2d(self.pooled(image), side))
        return out[:, 1], out[:, 2]

    def pooled(self, image: Tensor) -> Tensor:
        """Pictures at the encoder's side (256)."""
        return F.adaptive_avg_pool2d(image, self.encoder.settings.image_size)

    @torch.no_grad()
    def invert(
        self, image: Tensor, azim: Tensor | float | None = None, elev: Tensor | float | None = None
    ) -> E3DGEInversion:
        """Codes, camera and local features of pictures; the camera is found unless given, in radians."""
        image = self.pooled(image)
        if azim is None or elev is None:
            found = self.pose(image)
            azim, elev = (f if given is None else given for f, given in zip(found, (azim, elev), strict=True))
        azim, elev = self.generator.angles(azim, elev, len(image))
        codes = self.encode(image)
        base = self.generator.volume(codes, azim, elev)
        residual = self.residual(image, base.thumb)
        reference = self.feature_map(residual, base.depth, azim, elev)
        return E3DGEInversion(self, codes, azim, elev, image, residual, base, reference)

    def edit(
        self,
        inversion: E3DGEInversion,
        moves: Mapping[str, float],
        boundaries: Mapping[str, object] | Path | str,
    ) -> E3DGEInversion:
        """The head moved along boundaries by strengths counted from the photo's own codes.

        The residual is aligned to the edited thumb in the photo's view; its features take the edited depth.

        Args:
            boundaries: of :func:`inversion_core.refine.boundaries.read_boundaries`, or their folder.

        Raises:
            UsageError: an attribute is unknown or its strength is no number.
            CheckpointRefused: the folder holds no boundaries.
        """
        return finish(self.editing(inversion, moves, boundaries))

    @torch.no_grad()
    def editing(
        self,
        inversion: E3DGEInversion,
        moves: Mapping[str, float],
        boundaries: Mapping[str, object] | Path | str,
    ) -> Task[E3DGEInversion]:
        """A task that gives the same as :meth:`edit`, in steps of a fraction of it."""
        origin = inversion.origin or inversion
        if isinstance(boundaries, str | Path):
            boundaries = read_boundaries(boundaries)
        codes = moved(origin.codes, moves, boundaries)
        if not any(moves.values()):
            return origin
        _, bases = yield from self._shown(codes, origin.azim, origin.elev, self.bands)
        base = joined(bases)
        residual = self.aligner(origin.residual, base.thumb)
        yield Progress(1, 2, "aligning the photo")
        reference = self.feature_map(residual, base.depth, origin.azim, origin.elev)
        return replace(origin, codes=codes, residual=residual, base=base, reference=reference, origin=origin)

    def _shown(
        self, codes: Codes, azim: Tensor, elev: Tensor, bands: int
    ) -> Task[tuple[list[Trace], list[VolumeView]]]:
        """A task that gives what the codes alone show, band by band of the picture's rows."""
        renderer = self.generator.renderer
        side = renderer.settings.resolution
        height = -(-side // bands)
        traces, bases = [], []
        for first in range(0, side, height):
            traces.append(renderer.trace(codes.renderer, azim, elev, rows=slice(first, first + height)))
            bases.append(renderer.shade(traces[-1], codes.renderer))
            yield Progress(first, side, "drawing")
        return traces, bases

    def residual(self, image: Tensor, thumb: Tensor) -> Tensor:
        """(N, 3, S, S): what the thumb misses of the picture."""
        return image - F.interpolate(thumb, size=image.shape[2:])

    def feature_map(self, residual: Tensor, depth: Tensor, azim: Tensor, elev: Tensor) -> AlignedMap:
        """Local features of a residual (N, 3, S, S), seen from azim, elev with depth (N, 1, r, r)."""
        fov = self.generator.settings.renderer.fov
        return AlignedMap(
            self.local.feature_map(residual, depth), calibrations(camera_poses(azim, elev), fov)
        )

    def local_view(
        self, codes: Codes, residual: Tensor, reference: AlignedMap, azim: Tensor, elev: Tensor
    ) -> LocalView:
        """The view from azim, elev (N,): by codes alone, then with features aligned to what that shows."""
        return finish(
            self.view_steps(
                codes, azim, elev, lambda base: (self.aligner(residual, base.thumb), reference), bands=1
            )
        )

    @property
    def bands(self) -> int:
        """Into how many parts a picture is worth dividing: on processors, what is small stays near them."""
        return BANDS if self.generator.device.type == "cpu" else 1

    def view_steps(
        self,
        codes: Codes,
        azim: Tensor,
        elev: Tensor,
        align: Callable[[VolumeView], tuple[Tensor, PointFeatures]],
        bands: int,
    ) -> Task[LocalView]:
        """A task that gives the view from azim, elev (N,), band by band of its rows.

        Args:
            align: gives, for what the codes alone show, the residual aligned to that, and the reference features.
        """
        total = 2 * bands + 2
        traces, bases = yield from self._shown(codes, azim, elev, bands)
        base = joined(bases)
        aligned, reference = align(base)
        yield Progress(bands + 1, total, "drawing")
        query = self.feature_map(aligned, base.depth, azim, elev)
        yield Progress(bands + 2, total, "drawing")
        parts = []
        for trace, own in zip(traces, bases, strict=True):
            change = hybrid_modulation(self.local, self.fusion, reference, query, own.xyz)
            parts.append(self.shaded(trace, codes, change))
            yield Progress(bands + 2 + len(parts), total, "drawing")
        return LocalView(base, joined(parts), aligned)

    def drawn(self, view: LocalView, codes: Codes, noise: NoiseMode) -> Task[dict[str, Tensor]]:
        """A task that gives what :meth:`E3DGEInversion.render` does, from a view."""
        image = yield from self.generator.decoder.steps(view.full.features, codes.decoder, noise)
        return {**vars(view.full), "image": image, "aligned": view.aligned, "base_thumb": view.base.thumb}

    def shaded(self, trace: Trace, codes: Codes, change: Modulation) -> VolumeView:
        """The view of a trace whose features are changed."""
        return self.generator.renderer.shade(trace, codes.renderer, change)
