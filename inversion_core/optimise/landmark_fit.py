"""Gauss-Newton fit of pose, identity and expression to landmarks.

The template is linear in its codes, so the Jacobian is analytic and one step costs a small dense solve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.generators.template import SKIN, TEETH, HeadTemplate
from inversion_core.landmark_tables import OVAL as FACE_OVAL

TOUCHING = (
    *((13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88), (310, 318)),
    *((159, 145), (386, 374), (158, 153), (385, 380), (160, 144), (387, 373)),
)
"""Pairs on upper and lower lips and lids: how far they are apart matters more than where they are."""
IRISES = slice(468, 478)
WIDER_TOOTH = 1.08
"""By how much a tooth is widened, so that none stands alone."""
FURTHER = 0.05
"""How much further photos count for the identity: on turned faces the landmarks of all photos err alike, and counted
in full they made the depth of held-out heads worse by an eighth; so counted they do not."""

NOISE = 1.5 / 512
"""Standard deviation of a landmark, in crop widths."""
CORRELATED = 12.0
"""Neighbouring landmarks err together: so many of them count as one measurement."""
UNIT_DEVIATION = 0.4
OVAL_WEIGHT, PAIR_WEIGHT = 0.35, 4.0


@dataclass(frozen=True)
class HeadFit:
    """Codes and camera that explain the landmarks.

    Attributes:
        identity: (K,) standard deviations; expression: (E,) unit strengths in [0, 1.2].
        camera: the photo's camera, head in world coordinates.
        coarse: (C, 3) the head's coarse vertices with these codes.
        error: mean distance of inner landmarks in crop widths.
    """

    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    camera: Camera
    coarse: NDArray[np.float32]
    error: float


def _turned(rotation: NDArray, step: NDArray) -> NDArray:
    """exp(step) @ rotation by Rodrigues' formula."""
    angle = np.linalg.norm(step)
    if angle < 1e-12:
        return rotation
    x, y, z = step / angle
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew) @ rotation


def fit_landmarks(
    template: HeadTemplate,
    landmarks: NDArray[np.float32],
    camera: Camera,
    identity: NDArray[np.float32] | None = None,
    expression: NDArray[np.float32] | None = None,
    steps: int = 14,
) -> HeadFit:
    """The most probable head for (478, 3) landmarks of a crop (x and y in [0, 1]).

    Args:
        camera: where to start; its intrinsics are kept.
        identity, expression: where to start and where the prior pulls to (the encoder's answer), default the mean.
    """
    return fit_several(template, [landmarks], [camera], identity, expression, steps)[0]


def fit_several(
    template: HeadTemplate,
    landmarks: Sequence[NDArray[np.float32]],
    cameras: Sequence[Camera],
    identity: NDArray[np.float32] | None = None,
    expression: NDArray[np.float32] | None = None,
    steps: int = 14,
) -> list[HeadFit]:
    """The most probable heads for (478, 3) landmarks of several photos of one person: one identity, and a pose and
    an expression for each photo.

    Args:
        cameras: where to start; their intrinsics are kept.
        identity, expression: where to start and where the prior pulls to (the encoder's answer), default the mean.
    """
    modes, units = len(template.identity), len(template.units)
    prior = np.zeros(modes + units)
    prior[:modes] = 0 if identity is None else identity
    prior[modes:] = 0 if expression is None else expression
    deviation = np.concatenate([np.ones(modes), np.full(units, UNIT_DEVIATION)])
    stiffness = CORRELATED * NOISE**2 / deviation**2
    basis = np.concatenate(
        [template.landmarks(template.identity), template.landmarks(template.unit_offsets)]
    ).astype(np.float64)
    mean = template.landmarks(template.mean).astype(np.float64)
    views = [
        _View(
            points[:, :2].astype(np.float64),
            camera,
            prior.copy(),
            basis,
            mean,
            1.0 if number == 0 else FURTHER,
        )
        for number, (points, camera) in enumerate(zip(landmarks, cameras, strict=True))
    ]
    # Unknowns: the identity that all share, then pose and expression of each photo.
    own = 6 + units
    count = modes + own * len(views)
    places = [
        np.concatenate(
            [
                modes + own * k + np.arange(6),
                np.arange(modes),
                modes + own * k + 6 + np.arange(units),
            ]
        )
        for k in range(len(views))
    ]
    for step in range(steps):
        matrix, gradient = np.diag(np.full(count, 1e-9)), np.zeros(count)
        for view, place in zip(views, places, strict=True):
            square, right = view.equations(robust=step > 3)
            matrix[np.ix_(place, place)] += square
            gradient[place] += right
        for view, place in zip(views, places, strict=True):
            codes = place[6 + modes :]
            matrix[codes, codes] += stiffness[modes:]
            gradient[codes] -= stiffness[modes:] * (view.code - prior)[modes:]
        shared = np.arange(modes)
        matrix[shared, shared] += stiffness[:modes]
        gradient[shared] -= stiffness[:modes] * (views[0].code - prior)[:modes]
        delta = np.linalg.solve(matrix, gradient)
        for view, place in zip(views, places, strict=True):
            view.move(delta[place], modes)
    # What the identity is once found, further photos are posed on with their own landmarks' full weight.
    free = np.r_[np.arange(6), 6 + modes + np.arange(units)]
    for view in views[1:]:
        view.share = 1.0
        for _ in range(steps // 2):
            square, right = view.equations(robust=True)
            square, right = square[np.ix_(free, free)] + np.diag(np.full(len(free), 1e-9)), right[free]
            square[6:, 6:] += np.diag(stiffness[modes:])
            right[6:] -= stiffness[modes:] * (view.code - prior)[modes:]
            delta = np.zeros(6 + modes + units)
            delta[free] = np.linalg.solve(square, right)
            view.move(delta, modes)
    return [view.result(template, modes) for view in views]


class _View:
    """One photo in the midst of a fit: its pose and codes, written as the steps go."""

    def __init__(
        self, target: NDArray, camera: Camera, code: NDArray, basis: NDArray, mean: NDArray, share: float
    ) -> None:
        self.target, self.camera, self.code, self.basis, self.mean = target, camera, code, basis, mean
        # (478, 3, codes), what each code does to each landmark.
        self.by_place = np.ascontiguousarray(basis.transpose(1, 2, 0))
        self.rotation, self.translation = (x.astype(np.float64) for x in camera.world2cam)
        self.focal = camera.intrinsics[0, 0]
        self.centre = camera.intrinsics[:2, 2].astype(np.float64)
        self.weight = np.ones(478)
        self.weight[list(FACE_OVAL)] = OVAL_WEIGHT
        self.weight[IRISES] = 0.5
        self.inner = self.weight == 1
        self.share = share

    def _local(self) -> NDArray:
        points = self.mean + np.tensordot(self.code, self.basis, 1)
        return points @ self.rotation.T + self.translation

    def _residual(self, local: NDArray) -> NDArray:
        return self.target - (local[:, :2] / local[:, 2:] * self.focal + self.centre)

    def equations(self, robust: bool) -> tuple[NDArray, NDArray]:
        """J^T J and J^T r for the unknowns of this photo: pose (6), identity, expression."""
        first, second = np.array(TOUCHING).T
        weight, focal = self.weight, self.focal
        local = self._local()
        depth, residual = local[:, 2:], self._residual(local)
        # d(pixel)/d(camera point), chained with d(camera point)/d(pose, code).
        by_point = np.zeros((478, 2, 3))
        by_point[:, 0, 0] = by_point[:, 1, 1] = focal / depth[:, 0]
        by_point[:, :, 2] = -focal * local[:, :2] / depth**2
        count = 6 + len(self.code)
        by_pose = np.empty((478, 3, 6))
        turned = local - self.translation
        by_pose[:, :, 0] = np.stack([np.zeros(478), -turned[:, 2], turned[:, 1]], 1)
        by_pose[:, :, 1] = np.stack([turned[:, 2], np.zeros(478), -turned[:, 0]], 1)
        by_pose[:, :, 2] = np.stack([-turned[:, 1], turned[:, 0], np.zeros(478)], 1)
        by_pose[:, :, 3:6] = np.eye(3)
        jacobian = np.empty((478, 2, count))
        jacobian[:, :, :6] = by_point @ by_pose
        np.matmul(by_point @ self.rotation, self.by_place, out=jacobian[:, :, 6:])
        rows = np.concatenate(
            [jacobian * weight[:, None, None], PAIR_WEIGHT * (jacobian[first] - jacobian[second])]
        )
        errors = np.concatenate(
            [residual * weight[:, None], PAIR_WEIGHT * (residual[first] - residual[second])]
        )
        # Huber weights: a hand over the mouth must not bend the jaw.
        size = np.linalg.norm(errors, axis=1, keepdims=True)
        kept = np.minimum(1.0, 6 * NOISE / np.maximum(size, 1e-9)) if robust else np.ones_like(size)
        rows = (rows * np.sqrt(kept)[:, :, None]).reshape(-1, count)
        errors = (errors * np.sqrt(kept)).ravel()
        return self.share * (rows.T @ rows), self.share * (rows.T @ errors)

    def move(self, delta: NDArray, modes: int) -> None:
        self.rotation = _turned(self.rotation, delta[:3])
        self.translation = self.translation + delta[3:6]
        self.code = self.code + np.clip(delta[6:], -1.0, 1.0)
        self.code[:modes] = np.clip(self.code[:modes], -3.5, 3.5)
        self.code[modes:] = np.clip(self.code[modes:], 0.0, 1.2)

    def result(self, template: HeadTemplate, modes: int) -> HeadFit:
        distance = np.linalg.norm(self._residual(self._local()), axis=1)
        cam2world = np.eye(4)
        cam2world[:3, :3], cam2world[:3, 3] = self.rotation.T, -self.rotation.T @ self.translation
        identity, expression = self.code[:modes].astype(np.float32), self.code[modes:].astype(np.float32)
        return HeadFit(
            identity,
            expression,
            Camera(cam2world.astype(np.float32), self.camera.intrinsics),
            template.coarse(identity, expression, np.zeros(len(template.shapes), np.float32)),
            float(distance[self.inner].mean()),
        )


def snapped(
    template: HeadTemplate,
    fit: HeadFit,
    landmarks: NDArray[np.float32],
    reach: float = 0.035,
    trust: float = 0.9,
) -> NDArray[np.float32]:
    """(C, 3) offsets that carry the fitted landmarks onto the seen ones, parallel to the picture.

    The basis leaves about a pixel; lids and lips need better, or edits tear what the photo shows. A Gaussian
    kernel of width ``reach`` (world units) spreads the landmarks' residuals over the skin.
    """
    points = template.landmarks(fit.coarse)
    rotation, _ = fit.camera.world2cam
    projected = fit.camera.project(points)
    used = np.ones(478, bool)
    used[list(FACE_OVAL)] = False
    used[IRISES] = False
    residual = landmarks[:, :2] - projected[:, :2]
    size = np.linalg.norm(residual, axis=1)
    used &= size < max(4 * np.median(size[used]), 4 / 512)
    in_camera = np.zeros((used.sum(), 3))
    in_camera[:, :2] = residual[used] * projected[used, 2:] / fit.camera.intrinsics[0, 0]
    offsets = in_camera @ rotation

    def kernel(a, b):
        apart = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * (a @ b.T)
        return np.exp(-np.maximum(apart, 0) / (2 * reach**2))

    anchors = points[used].astype(np.float64)
    gram = kernel(anchors, anchors)
    solved = np.linalg.solve(gram + (1 - trust) * 2 * np.eye(len(anchors)), offsets)
    result = np.zeros_like(fit.coarse)
    # Eyeballs and teeth keep their shape.
    index = np.flatnonzero(template.coarse_part == SKIN)
    near = index[np.linalg.norm(fit.coarse[index] - anchors.mean(0), axis=1) < 0.35]
    result[near] = kernel(fit.coarse[near].astype(np.float64), anchors) @ solved
    return result.astype(np.float32)


UPPER_INNER_LIP, LOWER_INNER_LIP = 13, 14
INNER_CORNER_RIGHT, INNER_CORNER_LEFT = 78, 308
BEHIND_CORNER, FURTHEST_TOOTH = 0.02, 0.03
"""World units that teeth lie behind the corners of an open mouth, and that they are brought forward at most."""
WIDER = 1.04
"""How much wider the teeth of an open mouth are than the template's."""
LIP_GAP = 0.02
"""Share of the mouth-open unit by which the template's lips are apart when its landmarks meet."""
MOST_CLOSED = 0.5
"""Share of the mouth-open unit that closing lips may take back."""


def closed_lips(
    template: HeadTemplate, coarse: NDArray[np.float32], landmarks: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(C, 3) offsets that bring lips together where the photo's are: fitted lips stay apart, since the canonical
    pose has them so, and other views would show the slit."""
    between = np.linalg.norm(landmarks[468, :2] - landmarks[473, :2])
    gap = np.linalg.norm(landmarks[UPPER_INNER_LIP, :2] - landmarks[LOWER_INNER_LIP, :2]) / max(between, 1e-6)
    t = np.clip((gap - 0.03) / 0.05, 0, 1)
    points = template.landmarks(coarse)
    upper, lower = points[[UPPER_INNER_LIP, LOWER_INNER_LIP]]
    near = np.exp(-(((coarse - (upper + lower) / 2) / [0.075, 0.035, 0.06]) ** 2).sum(1) / 2) * (
        template.coarse_part == SKIN
    )
    opening = near[:, None] * template.unit_offsets[template.units.index("mouth-open")]
    moved = template.landmarks(opening)
    parts = float(moved[UPPER_INNER_LIP, 1] - moved[LOWER_INNER_LIP, 1])
    seen = gap * np.linalg.norm(points[468] - points[473])
    share = np.clip((upper[1] - lower[1] - seen) / max(parts, 1e-6) + LIP_GAP, 0, MOST_CLOSED)
    return (-share * (1 - t * t * (3 - 2 * t)) * opening).astype(np.float32)


def seated_teeth(template: HeadTemplate, coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C, 3) offsets that put the upper teeth where an open mouth shows them, and the lower ones below.

    Landmarks say nothing of teeth: their place follows from the lips. The teeth that move when the jaw drops are the
    lower ones.
    """
    teeth = np.flatnonzero(template.coarse_part == TEETH)
    drop = template.unit_offsets[template.units.index("mouth-open")][teeth]
    lower = np.linalg.norm(drop, axis=1) > 0.01
    lips = template.landmarks(coarse)[[UPPER_INNER_LIP, LOWER_INNER_LIP]]
    front = (np.abs(coarse[teeth, 0] - lips[0, 0]) < 0.014) & (
        coarse[teeth, 2] > coarse[teeth, 2].max() - 0.03
    )
    result = np.zeros_like(coarse)
    if not (front & lower).any() or not (front & ~lower).any():
        return result
    opening = max(float(lips[0, 1] - lips[1, 1]), 0.0)
    # Behind closed lips the upper teeth reach a little below the line where they meet.
    edge = lips[0, 1] - np.clip(0.75 * opening, 0.009, 0.032)
    result[teeth[~lower], 1] = edge - coarse[teeth[front & ~lower], 1].min()
    below = edge - 0.001 - coarse[teeth[front & lower], 1].max()
    result[teeth[lower]] = [0.0, np.clip(below, -0.012, 0.0), -0.007]
    result[teeth] += _flatter_arch(template, coarse, coarse[teeth] + result[teeth], opening)
    result[teeth] += _without_gaps(template, coarse[teeth] + result[teeth])
    return result


def _without_gaps(template: HeadTemplate, teeth: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, 3) offsets that let every tooth touch those beside it: along the arch, across the line from its middle."""
    tooth = template.tooth
    sizes = np.bincount(tooth)
    centres = np.stack([np.bincount(tooth, axis) / sizes for axis in teeth.T], 1)
    from_middle = centres - [centres[:, 0].mean(), 0.0, teeth[:, 2].min()]
    along = from_middle[:, [2, 1, 0]] * [-1.0, 0.0, 1.0]
    along = (along / np.linalg.norm(along, axis=1, keepdims=True))[tooth]
    apart = ((teeth - centres[tooth]) * along).sum(1, keepdims=True)
    return ((WIDER_TOOTH - 1) * apart * along * (tooth > 0)[:, None]).astype(np.float32)


def _flatter_arch(
    template: HeadTemplate, coarse: NDArray[np.float32], teeth: NDArray[np.float32], opening: float
) -> NDArray[np.float32]:
    """(T, 3) offsets that bring side teeth behind the corners of an open mouth: a smile widens it, and from the side a
    dark gap would show where the photo has teeth."""
    corners = template.landmarks(coarse)[[INNER_CORNER_RIGHT, INNER_CORNER_LEFT]]
    middle, half = corners[:, 0].mean(), float(np.ptp(corners[:, 0])) / 2
    aside = np.abs(teeth[:, 0] - middle)
    shift = np.zeros_like(teeth)
    beside = (aside > 0.75 * half) & (aside < half)
    if not beside.any() or half < 1e-3:
        return shift
    shown = np.clip((opening - 0.004) / 0.01, 0, 1)
    lacking = float(corners[:, 2].mean()) - BEHIND_CORNER - float(np.quantile(teeth[beside, 2], 0.9))
    grown = np.clip((aside / half - 0.2) / 0.7, 0, 1)
    shift[:, 2] = shown * np.clip(lacking, 0, FURTHEST_TOOTH) * grown**2 * (3 - 2 * grown)
    shift[:, 0] = shown * (WIDER - 1) * (teeth[:, 0] - middle)
    return shift
