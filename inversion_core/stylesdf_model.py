"""StyleSDF with E3DGE as a model like any other: photos in, views through Facet's cameras and meshes out.

StyleSDF's own camera stays at one distance with one lens. Views follow a camera's direction exactly; its zoom and
shift are made by scaling and moving the picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from inversion_core.camera import FOCAL, RADIUS, Camera
from inversion_core.checkpoints.stylesdf_folder import LICENCE, load_e3dge_folder
from inversion_core.edit import Inversion
from inversion_core.errors import ProjectUnreadable
from inversion_core.generators.distance_cache import DistanceCache, Field
from inversion_core.generators.stylesdf import Codes
from inversion_core.generators.stylesdf_points import field_of, unit_of
from inversion_core.geometry.signed_distance import frustum_surface
from inversion_core.image import from_signed, to_float, to_signed
from inversion_core.latent import Latent
from inversion_core.mesh import Mesh
from inversion_core.metrics import face_mask, psnr, ssim
from inversion_core.model import ModelCard
from inversion_core.portrait import Portrait
from inversion_core.refine.boundaries import Boundary, boundary_sliders, moved
from inversion_core.refine.e3dge import E3DGE, E3DGEInversion
from inversion_core.refine.e3dge_points import point_field
from inversion_core.refine.e3dge_several import SeveralInversion, invert_several
from inversion_core.rendering import Rendering, depth_normals
from inversion_core.task import Progress, Task, finish

Found = E3DGEInversion | SeveralInversion
MESH_RESOLUTION = 128
"""Samples along each side of the frustum when nobody asks for another number. Source: the official scripts."""


@dataclass(frozen=True)
class _Picture:
    """What the network shows from one direction: its own side, RGB in [0, 1], depths in its own units."""

    image: NDArray[np.float32]
    thumb: NDArray[np.float32]
    hit: NDArray[np.float32]
    depth: NDArray[np.float32]


@dataclass(frozen=True)
class StyleSDFHead:
    """A head as codes and local features, of one photo or of several; what takes long is made when it is asked for.

    Attributes:
        photo: what the photo gave, not edited; codes: of the head as it is.
        editing: starts the task that gives the head with the photo's features fitted to it.
    """

    photo: Found
    codes: Codes
    editing: Callable[[], Task[Found]]
    _made: list[Found] = field(default_factory=list, repr=False, compare=False)
    _seen: dict[tuple[float, float], _Picture] = field(default_factory=dict, repr=False, compare=False)

    @property
    def inversion(self) -> Found:
        """What is drawn."""
        return finish(self._fitted())

    def _fitted(self) -> Task[Found]:
        """A task that gives the same, in steps; it is made once."""
        if not self._made:
            self._made.append((yield from self.editing()))
        return self._made[0]

    @cached_property
    def distances(self) -> DistanceCache:
        """The head's distances and colours, to be asked for step by step; the first ones by the codes alone."""
        generator = self.photo.model.generator
        first = field_of(generator, self.codes, self.photo.azim[:1], self.photo.elev[:1])
        return DistanceCache(first, self._with_features)

    def _with_features(self) -> Task[Field]:
        return (yield from point_field((yield from self._fitted())))

    @property
    def unit(self) -> float:
        return unit_of(self.photo.model.generator.settings.renderer)

    def view(self, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """The head through a camera, (size, size); ``samples`` as for other models, up to the decoder's side."""
        seen = self._picture(camera)
        rgb = seen.thumb if size * samples <= len(seen.thumb) else seen.image
        middle = camera.project(np.zeros((1, 3), np.float32))[0]
        # The depth of StyleSDF's camera, which is 1 from the origin, carried to this one's distance.
        depth = middle[2] + (seen.depth - 1) * self.unit
        scale = float(camera.intrinsics[0, 0] / middle[2] / (FOCAL / RADIUS))
        place = (scale, float(middle[0]), float(middle[1]))
        opacity = _placed(seen.hit, size, place, cv2.BORDER_CONSTANT).clip(0, 1)
        axial = _placed(depth.astype(np.float32), size, place, cv2.BORDER_REPLICATE)
        axial *= opacity > 0
        normals = depth_normals(axial, camera)
        return Rendering(_placed(rgb, size, place, cv2.BORDER_REPLICATE), axial, opacity, normals)

    def _picture(self, camera: Camera) -> _Picture:
        finish(self.prepared(camera))
        return self._seen[camera.angles]

    def prepared(self, camera: Camera) -> Task[None]:
        """A task after which views from this direction, of whatever part and size, take next to nothing."""
        angles = camera.angles
        if angles not in self._seen:
            found = yield from self._fitted()
            out = yield from found.rendering(*angles)
            image, thumb = (to_float(from_signed(out[name][0].cpu().numpy())) for name in ("image", "thumb"))
            hit, depth = (out[name][0, 0].cpu().numpy().astype(np.float32) for name in ("mask", "depth"))
            self._seen.clear()
            self._seen[angles] = _Picture(image, thumb, hit, depth)

    def sculpt(self, resolution: int | None = None) -> Task[Mesh]:
        """The zero level of the signed distance, in Facet's units, as far as it is seen from the front."""
        generator = self.photo.model.generator
        mesh = yield from frustum_surface(generator, self.codes, resolution or MESH_RESOLUTION)
        return replace(mesh, vertices=mesh.vertices * np.float32(self.unit))


class StyleSDFModel:
    """E3DGE with boundaries as sliders; weights are read once and never written."""

    def __init__(self, e3dge: E3DGE, boundaries: Mapping[str, Boundary], name: str = "stylesdf") -> None:
        self.e3dge, self.boundaries = e3dge, dict(boundaries)
        self.device = str(e3dge.generator.device)
        self.card = ModelCard(
            name=name,
            title="StyleSDF with E3DGE",
            kind="stylesdf",
            licence=LICENCE,
            sliders=boundary_sliders(self.boundaries),
        )

    def invert(self, portrait: Portrait, others: Sequence[Portrait] = ()) -> Task[Inversion]:
        """A task that finds codes, camera and local features of the photo.

        Args:
            others: more photos of the same person, for what the first one does not show.
        """
        started = time.perf_counter()
        yield Progress(0, 2, "encoding the photo")
        images = torch.stack([torch.from_numpy(to_signed(p.image)) for p in (portrait, *others)])
        images = images.to(self.device)
        found = invert_several(self.e3dge, images) if others else self.e3dge.invert(images)
        yield Progress(1, 2, "checking")
        front = to_float(from_signed(found.render()["image"][0].cpu().numpy()))
        photo = cv2.resize(to_float(portrait.image), front.shape[:2], interpolation=cv2.INTER_AREA)
        if np.isfinite(portrait.landmarks).all():
            mask = face_mask(portrait.landmarks, len(front))
        else:
            # Aligned by hand: nothing is known of where the face ends.
            mask = np.ones(front.shape[:2], np.float32)
        scores = {"psnr": psnr(front, photo, mask), "ssim": ssim(front, photo, mask)}
        yield Progress(2, 2, "done")
        method = f"encoder on {1 + len(others)} photos" if others else "encoder"
        inversion = self._record(portrait, found, scores, method, time.perf_counter() - started)
        return replace(inversion, others=tuple(others))

    def edit(self, inversion: Inversion, moves: Mapping[str, float]) -> StyleSDFHead:
        """The head moved along boundaries; without moves, the inversion's own."""
        photo, moves = inversion.detail, dict(moves)
        codes = moved(photo.codes, moves, self.boundaries)
        if isinstance(photo, SeveralInversion):
            return StyleSDFHead(photo, codes, lambda: photo.editing(moves, self.boundaries))
        return StyleSDFHead(photo, codes, lambda: self.e3dge.editing(photo, moves, self.boundaries))

    def view(self, head: StyleSDFHead, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """See :meth:`StyleSDFHead.view`."""
        return head.view(camera, size, samples)

    def sculpt(self, head: StyleSDFHead, resolution: int | None = None) -> Task[Mesh]:
        """See :meth:`StyleSDFHead.sculpt`."""
        return (yield from head.sculpt(resolution))

    def pack(self, inversion: Inversion) -> dict[str, NDArray[np.generic]]:
        """The encoder's pictures and the cameras; everything else follows from them."""
        several = isinstance(inversion.detail, SeveralInversion)
        views: E3DGEInversion = inversion.detail.views if several else inversion.detail
        arrays = {name: getattr(views, name).cpu().numpy() for name in ("image", "azim", "elev")}
        arrays["image"] = arrays["image"] if several else arrays["image"][0]
        scores = {f"score.{name}": np.float32(inversion.scores[name]) for name in sorted(inversion.scores)}
        return {**arrays, **scores}

    def unpack(self, portrait: Portrait, arrays: Mapping[str, NDArray[np.generic]]) -> Inversion:
        """The inversion of :meth:`pack`.

        Raises:
            ProjectUnreadable: arrays are missing or have shapes that this model does not know.
        """
        side = self.e3dge.encoder.settings.image_size
        count = np.shape(arrays.get("image", ()))[:-3]
        number, parts = count[0] if count else 1, []
        for name, shape in {"image": (*count, 3, side, side), "azim": (number,), "elev": (number,)}.items():
            # A single angle may come without its axis.
            array = np.atleast_1d(np.array(arrays.get(name, ()), np.float32))
            if array.shape != shape or not number:
                raise ProjectUnreadable(
                    f"The project does not fit the model {self.card.title!r}: {name} is missing or odd.",
                    "Open its photo again instead.",
                )
            parts.append(torch.from_numpy(array.reshape(number, *shape[-3:] if name == "image" else ())))
        parts = [part.to(self.device) for part in parts]
        found = invert_several(self.e3dge, *parts) if count else self.e3dge.invert(*parts)
        scores = {
            n.removeprefix("score."): float(np.ravel(v)[0])
            for n, v in arrays.items()
            if n.startswith("score.")
        }
        return self._record(portrait, found, scores, "project", 0.0)

    def _record(
        self,
        portrait: Portrait,
        found: Found,
        scores: Mapping[str, float],
        method: str,
        seconds: float,
    ) -> Inversion:
        codes = [part[0].cpu().numpy().ravel() for part in found.codes]
        latent = Latent(np.concatenate(codes), "w+", self.card.name)
        camera = Camera.orbit(float(found.azim[0]), float(found.elev[0]))
        return Inversion(replace(portrait, camera=camera), latent, found, scores, method, seconds)


def open_stylesdf_model(folder: Path, card: ModelCard, device: str = "cpu") -> StyleSDFModel:
    """The model in a folder that ``facet models add-e3dge`` made.

    Raises:
        CheckpointRefused: the folder is damaged.
    """
    model = StyleSDFModel(*load_e3dge_folder(folder, device), card.name)
    model.card = card
    return model


def _placed(
    image: NDArray[np.float32], size: int, place: tuple[float, float, float], border: int
) -> NDArray[np.float32]:
    """The square picture drawn at ``scale`` with its middle at (x, y) in [0, 1] of a (size, size) one."""
    scale, x, y = place
    wanted = max(round(size * scale), 1)
    if wanted < len(image):
        image = cv2.resize(image, (wanted, wanted), interpolation=cv2.INTER_AREA)
    grow = size * scale / len(image)
    # Pixel centres: where the target's pixel i lies in the source.
    shift = [0.5 * (grow - 1) + size * (place_ - 0.5 * scale) for place_ in (x, y)]
    matrix = np.array([[grow, 0, shift[0]], [0, grow, shift[1]]])
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
