"""Colour codes of the bundled head: the fitted skins' own modes, and a tint for each of its parts.

All are linear in the logarithm of the colour, so that what the photo shows is multiplied and its detail follows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.appearance import hair_share
from inversion_core.dyed import dyed
from inversion_core.generators.head import Head
from inversion_core.generators.template import EYES, SKIN, TEETH, HeadTemplate
from inversion_core.landmark_tables import BROWS, CHIN, LEFT_IRIS, OUTER_LIPS, RIGHT_IRIS
from inversion_core.refine.along_surface import smoothed
from inversion_core.refine.bust import unlike_skin
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import COLOUR, SEEN_STRAIGHT, UV, sampled
from inversion_core.refine.mouth import INNER_LIPS
from inversion_core.shading import SPARED

if TYPE_CHECKING:
    from inversion_core.generators.heads_field import CanonicalField

PARTS = ("skin", "lips", "irises", "eye whites", "brows", "hair", "teeth", "clothes")
"""What has a tint of its own; codes hold the skin's modes first, then three numbers for each of these."""
SMOOTHINGS = 6
"""Over the skin's modes: wrinkles and stubble of the scanned skins are not this person's."""
MASK_SIZE = 512
GLOSS = 1200
"""Pixels of the photo that a hole in its hair has at most to be gloss."""

AnyHead = TypeVar("AnyHead", bound=Head)


@dataclass(frozen=True)
class SkinModes:
    """How skins differ: ``logs`` (V, M, 3) adds to the logarithm of the colour for one deviation of each mode."""

    logs: NDArray[np.float32]

    @property
    def codes(self) -> int:
        """Length of a head's colour codes."""
        return self.logs.shape[1] + 3 * len(PARTS)


@dataclass(frozen=True)
class Tinted:
    """A photo's detail with its hair in the colour of some codes, and what else codes need to know of it.

    Attributes:
        original: before; detail: after; tint: (3,) logarithms of the hair's tint.
        parts: of :func:`parts_of`; whole: the detail without holes in its hair.
    """

    original: PhotoDetail
    detail: PhotoDetail
    tint: NDArray[np.float32]
    parts: tuple[NDArray[np.float32], NDArray[np.float32]]
    whole: PhotoDetail

    @classmethod
    def of(cls, template: HeadTemplate, detail: PhotoDetail, landmarks: NDArray[np.float32]) -> Tinted:
        """The detail as it is; see :func:`parts_of`."""
        whole = without_holes(detail)
        return cls(detail, whole, np.zeros(3, np.float32), parts_of(template, whole, landmarks), whole)

    @property
    def hair(self) -> NDArray[np.float32]:
        """(V,) how much of each vertex of the head is hair."""
        return self.parts[0][:, PARTS.index("hair")]

    def with_hair(
        self, modes: SkinModes, codes: NDArray[np.float32], on_atlas: NDArray[np.float32] | None
    ) -> Tinted:
        """The same with the hair of other codes; itself where these have the same."""
        start = modes.logs.shape[1] + 3 * PARTS.index("hair")
        tint = codes[start : start + 3]
        if np.array_equal(tint, self.tint):
            return self
        if not tint.any():
            return replace(self, detail=self.whole, tint=tint.copy())
        return replace(self, detail=dyed(self.whole, self.hair, tint, on_atlas), tint=tint.copy())


def without_holes(detail: PhotoDetail) -> PhotoDetail:
    """The detail with small holes in the hair's mask filled: gloss that was not found to be hair."""
    mask = detail.masks[..., 1]
    count, pieces, sizes, _ = cv2.connectedComponentsWithStats((mask < 0.95).astype(np.uint8))
    small = np.flatnonzero(sizes[:count, cv2.CC_STAT_AREA] < GLOSS)
    holes = np.isin(pieces, small[small > 0]).astype(np.uint8)
    if not holes.any():
        return detail
    rim = cv2.dilate(holes, np.ones((9, 9), np.uint8)).astype(np.float32)
    masks = detail.masks.copy()
    masks[..., 1] = np.maximum(mask, cv2.GaussianBlur(rim, (0, 0), 1.5))
    return replace(detail, masks=masks)


def skin_modes(template: HeadTemplate, field: CanonicalField) -> SkinModes:
    """The fitted skins' modes at the template's vertices; half a second."""
    import torch

    skin = np.flatnonzero(template.part == SKIN)
    with torch.no_grad():
        basis = field.surface_basis(torch.from_numpy(template.canonical[skin]))[0].numpy()
    codes = field.skin_codes.numpy()
    average = basis[:, 0] + np.einsum("vkc,k->vc", basis[:, 1:], codes.mean(0))
    _, deviations, axes = np.linalg.svd((codes - codes.mean(0)) / np.sqrt(len(codes)), full_matrices=False)
    steps = np.einsum("vkc,mk->vmc", basis[:, 1:], deviations[:, None] * axes)
    logs = np.zeros((len(template.part), steps.shape[1] * 3), np.float32)
    logs[skin] = (steps / np.maximum(average, 0.08)[:, None]).reshape(len(skin), -1)
    inside = (template.part == SKIN).astype(np.float64)
    logs = smoothed(template.adjacency, logs, SMOOTHINGS, weight=inside + 1e-9)
    return SkinModes(logs.reshape(len(logs), -1, 3).astype(np.float32))


def parts_of(
    template: HeadTemplate, detail: PhotoDetail, landmarks: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(V, len(PARTS)) and, for the shell, (N, len(PARTS)) shares in [0, 1] of each part in the layers' vertices.

    Args:
        landmarks: (478, 3) of the photo.
    """
    attributes = detail.head.attributes
    seen = attributes[:, SEEN_STRAIGHT, None]
    masks = _marks(detail, landmarks)
    marks = sampled(masks, attributes[:, UV])
    # What the photo hides is as its mirror image.
    other = sampled(masks, attributes[template.mirror][:, UV])
    lips, brows, iris = (marks * seen + other * (1 - seen)).T
    skin = template.part == SKIN
    # Between the lips, where they part, there are lips as well.
    inner = smoothstep(template.interior, 0.1, 0.4) * (1 - smoothstep(template.interior, 0.6, 0.8))
    chin = float(landmarks[CHIN, 1])
    shares = np.zeros((len(skin), len(PARTS)), np.float32)
    hair = hair_share(template, detail) * skin * (template.interior < 0.75)
    dressed = (
        unlike_skin(attributes[:, COLOUR], detail.skin_colour)
        * smoothstep(attributes[:, UV][:, 1], chin, chin + 0.04)
        * skin
    )
    dressed = dressed * (1 - hair)
    left = 1 - hair - dressed
    on_skin = skin * (template.interior < 0.25)
    lips = np.maximum(lips * on_skin, inner * _near_lips(template) * skin)
    brows = brows * on_skin * (1 - lips)
    bare = skin * (template.interior < 0.75) * (1 - lips - brows)
    eyes = template.part == EYES
    columns = (
        left * bare, left * lips, eyes * iris, eyes * (1 - iris), left * brows, hair, template.part == TEETH, dressed,
    )  # fmt: skip
    shares[:] = np.stack(columns, 1)
    shell = np.zeros((len(detail.shell.vertices), len(PARTS)), np.float32)
    if len(shell):
        shell[:, PARTS.index("clothes")] = unlike_skin(detail.shell.attributes[:, COLOUR], detail.skin_colour)
        shell[:, PARTS.index("skin")] = 1 - shell[:, PARTS.index("clothes")]
    return shares, shell


def tinted(
    head: AnyHead,
    modes: SkinModes,
    codes: NDArray[np.float32],
    shares: tuple[NDArray[np.float32], NDArray[np.float32]],
    free: NDArray[np.float32] | None = None,
) -> AnyHead:
    """The head in the colours of its codes, all but the hair's.

    Args:
        codes: (modes.codes,) the skin's modes in deviations, then the logarithms of the parts' tints.
        free: (V, 1) how far edits may change each vertex, or None for all.
        shares: of :func:`parts_of`.
    """
    detail = head.detail
    on_head, on_shell = shares
    number = modes.logs.shape[1]
    tints = codes[number:].reshape(len(PARTS), 3).copy()
    skin = np.einsum("vmc,m->vc", modes.logs, codes[:number])
    place = {name: column for column, name in enumerate(PARTS)}
    # Lips have the skin's modes without its tint; through a brow one sees the skin.
    on_lips, on_brows = on_head[:, place["lips"], None], on_head[:, place["brows"], None]
    tints[place["hair"]] = 0
    logs = on_head @ tints + (on_head[:, place["skin"], None] + on_lips + on_brows) * skin
    logs += on_brows * tints[place["skin"]]
    # Brightening spares what is light already.
    brighter = np.expm1(np.maximum(logs, 0))
    logs -= np.log1p(SPARED * detail.head.attributes[:, COLOUR] * brighter)
    face = on_head[:, place["skin"]] * (detail.head.attributes[:, SEEN_STRAIGHT] > 0.5)
    typical = (skin * face[:, None]).sum(0) / max(float(face.sum()), 1e-6)
    shell = on_shell @ tints + on_shell[:, place["skin"], None] * typical
    through = tints[place["skin"]] + typical
    if free is not None:
        through = through * float((free[:, 0] * face).sum() / max(float(face.sum()), 1e-6))
        logs = logs * free
        if len(shell):
            shell = shell * (free[detail.shell_anchors] * detail.shell_weights[..., None]).sum(1)
    return replace(
        head,
        light=(head.light * np.exp(logs)).astype(np.float32),
        shell_light=(head.shell_light * np.exp(shell)).astype(np.float32),
        skin_light=(head.skin_light * np.exp(through)).astype(np.float32),
    )


def _marks(detail: PhotoDetail, landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(512, 512, 3) float32 in [0, 1]: lips, hairs of the brows and irises in the photo."""
    size = MASK_SIZE
    points = landmarks[:, :2] * size
    between = float(np.linalg.norm(points[LEFT_IRIS] - points[RIGHT_IRIS]))
    masks = np.zeros((3, size, size), np.uint8)

    def fixed(ring) -> NDArray[np.int32]:
        return np.round(points[list(ring)] * 16).astype(np.int32)

    cv2.fillPoly(masks[0], [fixed(OUTER_LIPS)], 255, cv2.LINE_AA, 4)
    cv2.fillPoly(masks[0], [fixed(INNER_LIPS)], 0, cv2.LINE_AA, 4)
    for side in (BROWS[: len(BROWS) // 2], BROWS[len(BROWS) // 2 :]):
        cv2.fillConvexPoly(masks[1], cv2.convexHull(fixed(side)), 255, cv2.LINE_AA, 4)
    reach = 2 * int(0.05 * between) + 1
    masks[1] = cv2.dilate(masks[1], cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    for centre in (LEFT_IRIS, RIGHT_IRIS):
        rim = points[centre + 1 : centre + 5]
        radius = float(np.linalg.norm(rim - points[centre], axis=1).mean())
        at = tuple(np.round(points[centre] * 16).astype(int).tolist())
        cv2.circle(masks[2], at, round(16 * radius), 255, -1, cv2.LINE_AA, 4)
    soft = [
        cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), s)
        for mask, s in zip(masks, (1.0, 0.03 * between, 0.8), strict=True)
    ]
    # A brow is what is darker than the skin round it.
    bright = cv2.GaussianBlur(detail.photo, (0, 0), 0.8).mean(-1)
    around = soft[1] > 0.5
    if around.any():
        dark, light = np.quantile(bright[around], (0.1, 0.85))
        soft[1] *= smoothstep(-bright, -(0.25 * dark + 0.75 * light), -(0.8 * dark + 0.2 * light))
    return np.ascontiguousarray(np.stack(soft, -1), np.float32)


def _near_lips(template: HeadTemplate) -> NDArray[np.float32]:
    """(V,) 1 in and round the mouth, 0 elsewhere."""
    mean = template.fine(template.mean)
    ring = template.landmarks(template.mean)[list(OUTER_LIPS)]
    low, high = ring.min(0) - 0.004, ring.max(0) + 0.004
    return ((mean[:, :2] > low[:2]) & (mean[:, :2] < high[:2])).all(1) * (mean[:, 2] > low[2] - 0.02)
