"""The bundled model: fitting, fusing and editing heads of the deformable template."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.appearance import colour_factors, estimate_light, load_ageing, relit, shell_factors
from inversion_core.border import made_up
from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.generators.head import Head
from inversion_core.generators.template import (
    EYES,
    SKIN,
    TEETH,
    TONGUE,
    HeadTemplate,
    load_template,
    vertex_normals,
)
from inversion_core.image import to_float
from inversion_core.latent import Latent
from inversion_core.lid_skin import LidSkin, make_lid_skin
from inversion_core.lids_and_lips import CLOSING, closed_lids, lids_meeting, lying_teeth, mouth_lit
from inversion_core.mesh import Mesh
from inversion_core.metrics import face_mask, iou, psnr, ssim
from inversion_core.model import ModelCard
from inversion_core.optimise.landmark_fit import HeadFit, closed_lips, fit_landmarks, seated_teeth, snapped
from inversion_core.packing import as_stored, packed, unpacked
from inversion_core.portrait import Portrait
from inversion_core.proportions import in_proportion
from inversion_core.rasterise import rasterise
from inversion_core.refine.canonical import PhotoDetail, fuse, relief_of
from inversion_core.refine.chart import Chart, make_chart
from inversion_core.refine.ears import flat_ears, hidden_ears, smoothstep
from inversion_core.refine.hair import build_hair
from inversion_core.refine.layer import SEEN_STRAIGHT, WEIGHT, Layer, sampled, with_vertices
from inversion_core.refine.matte import decontaminated, left_over_rim
from inversion_core.refine.mouth import INNER_LIPS
from inversion_core.refine.outline import inflate_shell
from inversion_core.refine.shoulders import met_shoulders
from inversion_core.refine.shown_teeth import teeth_of_the_photo
from inversion_core.render import render
from inversion_core.rendering import Rendering
from inversion_core.segmentation import hair_mask
from inversion_core.task import Progress, Task
from inversion_core.tints import SkinModes, Tinted, skin_modes, tinted

if TYPE_CHECKING:
    from inversion_core.encoders.heads import HeadEncoder

LIKE_THE_PHOTO = (0.004, 0.02)
"""World units of movement within which a place gives up looking as in the photo's own view."""
STRONGEST_UNIT = 1.7


@dataclass(frozen=True)
class BundledHead(Head):
    """A head that knows the model it came from, and so how to be drawn and sculpted."""

    model: BundledModel
    moves: Mapping[str, float]
    inversion: Inversion

    def view(self, camera: Camera, size: int, samples: int = 1) -> Rendering:
        return render(self, camera, size, samples)

    def sculpt(self, resolution: int | None = None) -> Task[Mesh]:
        from inversion_core.geometry.isosurface import sculpt_volume

        if resolution is not None:
            return (yield from sculpt_volume(self, resolution))
        return (yield from self.template_mesh())

    def wireframe(self, camera: Camera, size: int) -> NDArray[np.float32]:
        """See :func:`inversion_core.wireframe.wireframe`."""
        from inversion_core.wireframe import wireframe

        return wireframe(self, self.model.wires, camera, size)

    def template_mesh(
        self, texture_size: int = 2048, morphs: bool = True, normal_map: bool = False
    ) -> Task[Mesh]:
        """See :func:`inversion_core.geometry.template_mesh.sculpt_template`; the expressions are the targets."""
        from inversion_core.geometry.template_mesh import sculpt_template

        targets = {}
        for slider in self.model.card.sliders if morphs else ():
            if slider.group == "expression":
                moves = {**self.moves, slider.name: slider.maximum}
                targets[slider.name] = self.model.edit(self.inversion, moves)
        return (yield from sculpt_template(self, self.model.template, texture_size, targets, normal_map))


class BundledModel:
    """The deformable head; weights are read once and never written."""

    def __init__(self, card: ModelCard, folder: Path) -> None:
        self.card = card
        self.device = "cpu"
        self.template: HeadTemplate = load_template(folder / "geometry.safetensors")
        self._folder = folder
        self._tinted: Tinted | None = None

    @cached_property
    def ageing(self) -> NDArray[np.float32]:
        return load_ageing(self._folder / "ageing.png", self.template)

    @cached_property
    def albedo(self) -> NDArray[np.float32]:
        """(V, 3) sRGB colours of the average person, decoded from the canonical field's planes."""
        from inversion_core.generators.heads_field import load_field

        field = load_field(self._folder / "field.safetensors")
        appearance = field.attributes_to_appearance(iris=0)
        return field.albedo(self.template.canonical, appearance, self.template.part)

    @cached_property
    def relief(self) -> NDArray[np.float32]:
        """See :func:`inversion_core.refine.canonical.relief_of`."""
        return relief_of(self.template, self.albedo)

    @cached_property
    def skin_modes(self) -> SkinModes:
        """See :func:`inversion_core.tints.skin_modes`."""
        from inversion_core.generators.heads_field import load_field

        return skin_modes(self.template, load_field(self._folder / "field.safetensors"))

    @cached_property
    def wires(self) -> NDArray[np.int32]:
        """See :func:`inversion_core.wireframe.wire_edges`."""
        from inversion_core.wireframe import wire_edges

        return wire_edges(self.template)

    @cached_property
    def lid_skin(self) -> tuple[LidSkin, LidSkin]:
        """See :func:`inversion_core.lid_skin.make_lid_skin`."""
        return make_lid_skin(self.template)

    @cached_property
    def chart(self) -> Chart:
        """The template's atlas, for colours that come from more than one photo."""
        return make_chart(self.template)

    @cached_property
    def encoder(self) -> HeadEncoder:
        from inversion_core.encoders.heads import load_encoder

        return load_encoder(self._folder / "encoder.safetensors")

    # ---- once per photo -------------------------------------------------------------------------------------

    def invert(self, portrait: Portrait, others: Sequence[Portrait] = ()) -> Task[Inversion]:
        """Fit codes and camera, find hair and clothes, and fuse the photo's detail.

        Args:
            others: more photos of the same person, for what the first one does not show.
        """
        started = time.perf_counter()
        if others:
            from inversion_core.several import invert_several

            return (yield from invert_several(self, [portrait, *others]))
        yield Progress(0, 6, "fitting the face")
        codes = self.encoder.encode(portrait.image, portrait.landmarks)
        fit = fit_landmarks(self.template, portrait.landmarks, portrait.camera, identity=codes.identity)
        corrective = self.corrected(fit, portrait.landmarks)
        portrait = replace(portrait, camera=fit.camera)
        detail = yield from self.fused(portrait, fit, corrective)
        yield Progress(5, 6, "checking")
        inversion = self.inversion(portrait, fit, detail, "encoder and landmarks")
        yield Progress(6, 6, "done")
        return replace(inversion, seconds=time.perf_counter() - started)

    def corrected(self, fit: HeadFit, landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C, 3) offsets beyond the fit's codes that bring its coarse vertices to the photo's landmarks."""
        template = self.template
        offsets = snapped(template, fit, landmarks)
        offsets += closed_lips(template, fit.coarse + offsets, landmarks)
        return offsets + seated_teeth(template, fit.coarse + offsets)

    def fused(
        self,
        portrait: Portrait,
        fit: HeadFit,
        corrective: NDArray[np.float32],
        valid: NDArray[np.float32] | None = None,
    ) -> Task[PhotoDetail]:
        """What one photo contributes to the head that was fitted to it; the portrait has the fit's camera.

        Args:
            valid: (512, 512) in [0, 1], where the photo shows the truth; elsewhere, and past the photo's border,
                nothing counts as seen.
        """
        template = self.template
        coarse = fit.coarse + corrective
        yield Progress(1, 6, "finding the hair")
        hair_share = hair_mask(portrait)
        yield Progress(2, 6, "shaping the hair")
        fine = template.fine(coarse)
        covered, carried = hidden_ears(template, fine, fit.camera, portrait.person, hair_share)
        lying = flat_ears(template, fine, covered)
        fine = fine + lying
        landmarks = template.landmarks(coarse)
        hair = build_hair(template, fine, landmarks, fit.camera, portrait.person, hair_share, covered)
        raised = met_shoulders(template, fine, fit.camera, portrait.person, hair_share, ~made_up(portrait))
        fine, lying = fine + raised, lying + raised
        teeth = teeth_of_the_photo(
            template,
            fine,
            fit.camera,
            to_float(portrait.image),
            portrait.landmarks,
            landmarks[list(INNER_LIPS)],
        )
        fine, lying = fine + teeth, lying + teeth
        in_photo = sampled(hair_share[..., None], fit.camera.project(hair.vertices)[:, :2])[:, 0]
        shown = hair.faces[(in_photo[hair.faces] > 0.5).all(1)]
        skin_faces = template.faces[template.skin_faces]
        shell = inflate_shell(
            fine,
            skin_faces,
            (hair.vertices, shown),
            fit.camera,
            portrait.person,
            hair_share,
            portrait.landmarks,
            to_float(portrait.image),
        )
        yield Progress(3, 6, "cleaning the photo's edges")
        photo = decontaminated(to_float(portrait.image), portrait.person)
        yield Progress(4, 6, "fusing the photo")
        real = 1 - cv2.GaussianBlur(made_up(portrait).astype(np.float32), (0, 0), 1.5)
        person = portrait.person * (real if valid is None else real * valid)
        covers = rasterise(fine, skin_faces, fit.camera, len(photo)).hit
        rim = left_over_rim(person, carried, covers)
        masks = np.ascontiguousarray(np.stack([person, np.maximum(carried, rim)], 2), np.float32)
        detail = fuse(
            template,
            fine,
            hair,
            shell,
            fit.camera,
            photo,
            masks,
            rim,
            portrait.landmarks,
            landmarks,
            corrective,
            lying,
            self.albedo,
            self.relief,
        )
        return replace(detail, light=estimate_light(template, detail))

    def inversion(self, portrait: Portrait, fit: HeadFit, detail: PhotoDetail, method: str) -> Inversion:
        """The whole, rounded as projects keep it, with its scores."""
        latent = Latent(np.concatenate([fit.identity, fit.expression]), "blocks", self.card.name)
        inversion = Inversion(portrait, latent, as_stored(detail), {}, method, 0.0)
        return replace(inversion, scores=self._scores(inversion, fit))

    def _scores(self, inversion: Inversion, fit: HeadFit) -> dict[str, float]:
        """How the front view compares with the photo, at 256 pixels."""
        portrait = inversion.portrait
        picture = self.edit(inversion, {}).view(portrait.camera, 256, 2)
        photo = cv2.resize(to_float(portrait.image), (256, 256), interpolation=cv2.INTER_AREA)
        person = cv2.resize(portrait.person, (256, 256), interpolation=cv2.INTER_AREA)
        mask = face_mask(portrait.landmarks, 256)
        front = picture.over()
        return {
            "psnr": psnr(front, photo, mask),
            "ssim": ssim(front, photo, mask),
            "iou": iou(picture.opacity, person, where=~made_up(portrait)[::2, ::2]),
            "fit": fit.error,
        }

    # ---- once per slider move -------------------------------------------------------------------------------

    def codes(self, latent: Latent, moves: Mapping[str, float]) -> tuple[NDArray, NDArray, NDArray]:
        """Identity (K,), expression (E,) and shape (S,) codes with the moves' recipes added."""
        template = self.template
        modes = len(template.identity)
        identity, expression = latent.ws[:modes], latent.ws[modes:].copy()
        shape = np.zeros(len(template.shapes), np.float32)
        for name, value in moves.items():
            recipe = self.card.recipes.get(name, {})
            for unit, weight in recipe.get("units", {}).items():
                expression[template.units.index(unit)] += weight * value
            for direction, weight in recipe.get("shapes", {}).items():
                shape[template.shapes.index(direction)] += weight * value
        expression = np.clip(expression, 0, STRONGEST_UNIT)
        for closing, opening in CLOSING.items():
            closed = min(float(expression[template.units.index(closing)]), 1.0)
            expression[template.units.index(opening)] *= 1 - closed
        return identity, expression, shape

    def edit(self, inversion: Inversion, moves: Mapping[str, float]) -> BundledHead:
        """The head with the moves applied."""
        original, shown = inversion, self._in_colours(inversion)
        if shown is not None:
            inversion = replace(inversion, detail=shown.detail)
        template, detail = self.template, inversion.detail
        identity, expression, shape = self.codes(inversion.latent, moves)
        if shape.any():
            at_rest = template.coarse(identity, inversion.latent.ws[len(template.identity) :], 0 * shape)
            shape = in_proportion(template, at_rest + detail.corrective, shape)
        meant, expression = expression, lids_meeting(template, inversion, identity, expression, shape)
        coarse = template.coarse(identity, expression, shape) + detail.corrective
        vertices = template.fine(coarse) + lying_teeth(template, inversion, coarse)
        moved = vertices - detail.head.vertices
        free = None if inversion.keep is None else (1 - inversion.keep)[:, None]
        if free is not None:
            moved = moved * free
            vertices = detail.head.vertices + moved
        normals = vertex_normals(vertices, template.faces)
        light, hair, skin = colour_factors(template, detail, self.ageing, moves)
        attributes, lashes, lids = closed_lids(template, self.lid_skin, inversion, meant)
        light = light * lashes
        furthest = float(np.abs(moved[template.part == SKIN]).max())
        before = normals
        if furthest > 1e-5:
            before = vertex_normals(detail.head.vertices, detail.head.faces)
            attributes, lit = mouth_lit(template, inversion, attributes, coarse, vertices, normals, before)
            light = light * lit
        attributes = self._unlike_the_photo(attributes, moved, furthest)
        hair_light = np.broadcast_to(hair, (len(detail.hair.vertices), 3)).copy()
        if free is not None:
            light = 1 + (light - 1) * free
            attributes = detail.head.attributes + (attributes - detail.head.attributes) * free
            rooted = (free[detail.hair_anchors] * detail.hair_weights[..., None]).sum(1)
            hair_light = 1 + (hair_light - 1) * rooted
        head = replace(detail.head, vertices=vertices, attributes=attributes)
        if furthest > 1e-5:
            # A lid that unfolds has no light of its own to compare with: its colour is that of skin already lit.
            light = light * (1 + (relit(detail.light, before, normals) - 1) * (1 - lids[:, None]))

        def following(layer: Layer, anchors: NDArray, weights: NDArray) -> Layer:
            if not len(layer.vertices) or furthest <= 1e-5:
                return layer
            return with_vertices(layer, layer.vertices + (moved[anchors] * weights[..., None]).sum(1))

        edited = BundledHead(
            detail=detail,
            head=head,
            hair=following(detail.hair, detail.hair_anchors, detail.hair_weights),
            shell=following(detail.shell, detail.shell_anchors, detail.shell_weights),
            normals=normals,
            behind=template.behind,
            light=light,
            hair_light=hair_light,
            shell_light=shell_factors(detail, skin),
            skin_light=skin,
            coarse=coarse,
            model=self,
            moves=dict(moves),
            inversion=original,
        )
        if shown is None:
            return edited
        return tinted(edited, self.skin_modes, original.colours, shown.parts, free)

    def _in_colours(self, inversion: Inversion) -> Tinted | None:
        """What strokes of colour make of the photo's detail, kept for the next edit; None where there are none."""
        if inversion.colours is None:
            return None
        known = self._tinted
        if known is None or known.original is not inversion.detail:
            known = Tinted.of(self.template, inversion.detail, inversion.portrait.landmarks)
        on_atlas = None
        if inversion.detail.atlas is not None:
            on_atlas = self.chart.spread(known.hair[:, None])
        self._tinted = known = known.with_hair(self.skin_modes, inversion.colours, on_atlas)
        return known

    def _unlike_the_photo(
        self, attributes: NDArray[np.float32], moved: NDArray[np.float32], furthest: float
    ) -> NDArray[np.float32]:
        """The head's attributes with skin that moved, and what lies behind lids and lips that did, no longer shown as
        the photo's own view has them: an edit of the nose leaves the mouth as it is."""
        if furthest <= LIKE_THE_PHOTO[0]:
            return attributes
        template, distance = self.template, np.abs(moved).max(1)
        lids = (template.lids[:, 0].max(0) > 0.2) | (template.part == EYES)
        lips = template.interior > 0.75
        behind_lids = (template.part == EYES) | ((template.interior > 0.25) & ~lips)
        # These give way sooner: the photo shows lids and lips there, which part from them.
        distance[behind_lids] = 6 * np.quantile(distance[lids], 0.9)
        distance[lips | (template.part == TEETH) | (template.part == TONGUE)] = 6 * np.quantile(
            distance[lips], 0.9
        )
        result = attributes.copy()
        straight, weight = attributes[:, SEEN_STRAIGHT], attributes[:, WEIGHT]
        result[:, SEEN_STRAIGHT] = straight + (weight - straight) * smoothstep(distance, *LIKE_THE_PHOTO)
        return result

    # ---- in and out of projects -----------------------------------------------------------------------------

    def pack(self, inversion: Inversion) -> dict[str, NDArray[np.generic]]:
        """See :func:`inversion_core.packing.packed`."""
        return packed(inversion)

    def unpack(self, portrait: Portrait, arrays: Mapping[str, NDArray[np.generic]]) -> Inversion:
        """See :func:`inversion_core.packing.unpacked`."""
        return unpacked(self.template, self.card, portrait, arrays)
