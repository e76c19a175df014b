"""A converted EG3D generator, with GOAE where it has one, as a model like any other.

The photo's camera is brought to the sphere that the generator knows; views, meshes and projects work as the
bundled model's do. Without an encoder a model makes samples but inverts no photo.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.camera import Camera, default_intrinsics
from inversion_core.checkpoints.cards import read_card
from inversion_core.checkpoints.load import load_generator, load_goae
from inversion_core.directions import EditDirection, edit_offsets, installed_directions
from inversion_core.edit import Inversion
from inversion_core.errors import ProjectUnreadable
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.generators.fast_eg3d import FastView, halves_are_fast
from inversion_core.geometry.density_surface import density_surface
from inversion_core.image import from_signed, to_float, to_signed
from inversion_core.latent import Latent
from inversion_core.mesh import Mesh
from inversion_core.metrics import face_mask, psnr, ssim
from inversion_core.model import ModelCard, checked_encoder
from inversion_core.portrait import Portrait
from inversion_core.refine.goae import GOAE, SPLIT, GOAEInversion
from inversion_core.refine.occlusion import fused_planes
from inversion_core.rendering import Rendering, depth_normals, unit_normals
from inversion_core.samples import SURFACE_DENSITY, label_of
from inversion_core.task import Progress, Task

MESH_RESOLUTION = 256
"""Points along each side of the density grid when nobody asks for another number."""
RAW_SIZE = 128
"""Views up to this size are the rays themselves; larger ones go through the super-resolution."""


@dataclass(frozen=True)
class PlanesDetail:
    """What an inversion keeps, as torch tensors; :class:`GOAEInversion` without its renderings.

    Attributes:
        ws: (1, num_ws, w_dim); c: (1, 25); features, refined: (1, C, r, r); mask: (1, 1, R, R).
        planes: (1, 3, C, R, R) fused.
    """

    ws: Tensor
    c: Tensor
    features: Tensor
    refined: Tensor
    mask: Tensor
    planes: Tensor


@dataclass(frozen=True)
class PlanesHead:
    """A head as cached planes: it is drawn and sculpted without running the backbone."""

    generator: TriPlaneGenerator
    ws: Tensor
    planes: Tensor

    @cached_property
    def fast(self) -> FastView | None:
        """The head arranged for pictures without gradients; None where only the plain generator will do."""
        plain = self.planes.device.type != "cpu" or len(self.planes) != 1
        if plain or self.generator.settings.superresolution_noise_mode != "none":
            return None
        return FastView(self.generator, self.planes, self.ws)

    @torch.no_grad()
    def view(self, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """The head through a camera, (size, size).

        Args:
            samples: side of the grid of samples in a pixel; above 1, the picture is made larger and reduced.
        """
        c, generator = label_of(camera, self.generator), self.generator
        wanted = size * samples
        rays = min(wanted, RAW_SIZE) if wanted <= RAW_SIZE else generator.neural_rendering_resolution
        if self.fast is not None:
            features, depth, opacity = self.fast.features(c, rays)
            picture = features[:, :3]
            if wanted > RAW_SIZE:
                # One sample a pixel is for pictures that move; what stays has several, and whole precision.
                picture = self.fast.picture(features, half=samples == 1 and halves_are_fast())
        else:
            features, depth, opacity = generator.render_features(
                self.planes, c, neural_rendering_resolution=rays
            )
            picture = features[:, :3]
            if wanted > RAW_SIZE:
                mode = generator.settings.superresolution_noise_mode
                picture = generator.superresolution(picture, features, self.ws, mode)
        rgb = to_float(from_signed(picture[0].cpu().numpy()))
        # Depths run along rays; the record wants them along the camera's axis.
        cosine = camera.rays(rays)[1] @ camera.cam2world[:3, 2]
        axial = (depth[0, 0].cpu().numpy() * cosine.reshape(rays, rays)).astype(np.float32)
        return Rendering(
            _resized(rgb, size),
            _resized(axial, size),
            _resized(opacity[0, 0].cpu().numpy(), size).clip(0, 1),
            unit_normals(_resized(depth_normals(axial, camera), size)),
        )

    def sculpt(self, resolution: int | None = None) -> Task[Mesh]:
        """The surface by marching cubes on a grid of ``resolution``³ densities, with the field's colours."""
        resolution = resolution or MESH_RESOLUTION
        return (yield from density_surface(self.generator, self.planes, resolution, SURFACE_DENSITY))


class EG3DModel:
    """EG3D with or without GOAE; weights are read once and never written."""

    def __init__(self, card: ModelCard, folder: Path, device: str = "cpu") -> None:
        self.device = device
        self.generator = load_generator(folder, device)
        encoded = read_card(folder).kind == "goae"
        self.goae: GOAE | None = load_goae(folder, generator=self.generator) if encoded else None
        settings = self.generator.settings
        self.directions: list[EditDirection] = installed_directions(
            folder, self.generator.num_ws, settings.w_dim
        )
        self.card = card

    def label(self, camera: Camera) -> Tensor:
        """The camera as EG3D labels photos: on the training cameras' sphere, with their focal length."""
        cam2world = camera.cam2world.copy()
        position = cam2world[:3, 3]
        cam2world[:3, 3] = position / np.linalg.norm(position) * self.generator.settings.camera_radius
        return label_of(Camera(cam2world, default_intrinsics()), self.generator)

    def invert(self, portrait: Portrait) -> Task[Inversion]:
        """A task that encodes the photo, aligns the features and fuses the planes.

        Raises:
            BadInput: the model has no encoder.
        """
        checked_encoder(self)
        started = time.perf_counter()
        yield Progress(0, 2, "encoding the photo")
        crop, side = portrait.image, self.generator.superresolution.shape.img_resolution
        if len(crop) != side:
            crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        image = torch.from_numpy(to_signed(crop))[None].to(self.device)
        c = self.label(portrait.camera)
        found = self.goae.invert(image, c)
        yield Progress(1, 2, "checking")
        front = to_float(from_signed(found.f_render["image"][0].cpu().numpy()))
        photo = to_float(crop)
        if np.isfinite(portrait.landmarks).all():
            mask = face_mask(portrait.landmarks, len(front))
        else:
            # Aligned by hand: nothing is known of where the face ends.
            mask = np.ones(front.shape[:2], np.float32)
        scores = {"psnr": psnr(front, photo, mask), "ssim": ssim(front, photo, mask)}
        camera = Camera.from_label(c[0].cpu().numpy())
        detail = PlanesDetail(found.ws, c, found.features, found.refined, found.mask, found.planes)
        seconds = time.perf_counter() - started
        yield Progress(2, 2, "done")
        return Inversion(
            replace(portrait, camera=camera), self._latent(found.ws), detail, scores, "encoder", seconds
        )

    def edit(self, inversion: Inversion, moves: Mapping[str, float]) -> PlanesHead:
        """The head with directions added to codes and features; without moves, the inversion's own planes."""
        detail = inversion.detail
        if not any(moves.values()) or self.goae is None:
            return PlanesHead(self.generator, detail.ws, detail.planes)
        offsets = edit_offsets(moves, self.directions)
        ws, planes, _ = self.goae.edited_planes(_as_goae(detail), offsets)
        return PlanesHead(self.generator, ws, planes)

    def view(self, head: PlanesHead, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """See :meth:`PlanesHead.view`."""
        return head.view(camera, size, samples)

    def sculpt(self, head: PlanesHead, resolution: int | None = None) -> Task[Mesh]:
        """See :meth:`PlanesHead.sculpt`."""
        return (yield from head.sculpt(resolution))

    def pack(self, inversion: Inversion) -> dict[str, NDArray[np.generic]]:
        """Codes, camera, features and mask; the planes follow from them."""
        detail: PlanesDetail = inversion.detail
        arrays = {
            name: getattr(detail, name)[0].cpu().numpy()
            for name in ("ws", "c", "features", "refined", "mask")
        }
        names = sorted(inversion.scores)
        return {**arrays, **{f"score.{name}": np.float32(inversion.scores[name]) for name in names}}

    @torch.no_grad()
    def unpack(self, portrait: Portrait, arrays: Mapping[str, NDArray[np.generic]]) -> Inversion:
        """The inversion of :meth:`pack`.

        Raises:
            ProjectUnreadable: arrays are missing or have shapes that this model does not know.
        """
        generator, settings = self.generator, self.generator.settings
        channels = min(settings.channel_base // SPLIT, settings.channel_max)
        shapes = {
            "ws": (generator.num_ws, settings.w_dim),
            "c": (25,),
            "features": (channels, SPLIT, SPLIT),
            "refined": (channels, SPLIT, SPLIT),
            "mask": (1, settings.plane_resolution, settings.plane_resolution),
        }
        parts = {}
        for name, shape in shapes.items():
            if name not in arrays or np.shape(arrays[name]) != shape:
                raise ProjectUnreadable(
                    f"The project does not fit the model {self.card.title!r}: {name} is missing or odd.",
                    "Open its photo again instead.",
                )
            parts[name] = torch.from_numpy(np.array(arrays[name], np.float32))[None].to(self.device)
        _, img = generator.backbone_features(parts["ws"], SPLIT)
        plain = generator.planes_from_features(parts["features"], img, parts["ws"])
        refined = generator.planes_from_features(parts["refined"], img, parts["ws"])
        detail = PlanesDetail(**parts, planes=fused_planes(refined, plain, parts["mask"]))
        scores = {
            name.removeprefix("score."): float(np.ravel(value)[0])
            for name, value in arrays.items()
            if name.startswith("score.")
        }
        camera = Camera.from_label(parts["c"][0].cpu().numpy())
        portrait = replace(portrait, camera=camera)
        return Inversion(portrait, self._latent(parts["ws"]), detail, scores, "project", 0.0)

    def _latent(self, ws: Tensor) -> Latent:
        return Latent(ws[0].cpu().numpy(), "w+", self.card.name)


def _as_goae(detail: PlanesDetail) -> GOAEInversion:
    """The record that GOAE edits; renderings and separate planes are not read by it."""
    planes = detail.planes
    return GOAEInversion(
        detail.ws, {}, {}, planes, planes, detail.mask, planes, detail.c, detail.features, detail.refined
    )


def _resized(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    if len(image) == size:
        return np.ascontiguousarray(image, np.float32)
    way = cv2.INTER_AREA if size < len(image) else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image, np.float32), (size, size), interpolation=way)
