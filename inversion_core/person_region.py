"""Where the person ends, where networks alone cannot say: colours, build and edges decide.

Three kinds of knowledge are weighed at every pixel: what the networks voted; whose colours it has, those of the
sure person or those of the sure background; and how people are built, for beside the neck there is rarely more
than hair. The sum is then spread by a random walk that edges of the photo stop, so that a patch of background that
looks like the rest of it goes with the rest of it.
Source of the walk: Grady 2005, "Multilabel Random Walker Image Segmentation Using Prior Models".
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core import landmark_tables as table

COLOURS = 8
"""Colours in each of the two mixtures."""
SAMPLES = 3000
FLOOR = np.array([2.0, 2.0, 2.0, 3.0, 3.0])
"""Least variance of a mixture's colour (stretched lightness, a, b) and place (x, y)."""
PLACE = 10.0
"""Weight of place beside colour, per picture width: a background changes from side to side."""
UNLIKE = 4.0
"""Squared distance, in deviations, from the nearest colour of the background up to which a pixel may be it."""
HOLD = 0.05
"""Pull of a doubtful pixel towards its own evidence, against the pull of neighbours of its own colour."""


class Build(NamedTuple):
    """What is known of a place from where the face is.

    Attributes:
        inside: [0, 1] within the face. aside: [0, 1] below the ears and beside face and neck.
        high: [0, 1] as ``aside``, but above where shoulders are. low: True from the mouth downward.
    """

    inside: NDArray[np.float32]
    aside: NDArray[np.float32]
    high: NDArray[np.float32]
    low: NDArray[np.bool_]


class _Mixture(NamedTuple):
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    weights: NDArray[np.float64]


def person_region(
    lab: NDArray[np.float32], votes: NDArray[np.float32], build: Build | None
) -> NDArray[np.float32]:
    """(S, S) float32 in [0, 1], likelihood of the person at each pixel.

    Args:
        lab: (S, S, 3) the picture. votes: (N, S, S) in [0, 1], each network's share of the person.
        build: see :func:`build_of`; None where the face is unknown.
    """
    rough, least = votes.mean(0), votes.min(0)
    smooth = cv2.bilateralFilter(lab, 5, 6, 2)
    if build is None:
        nothing = np.zeros_like(rough)
        build = Build(nothing, nothing, nothing, nothing > 0)
    # The networks err outward, taking in what shows between strands: trust their inside less.
    inside = _eroded(least > 0.9, 6) & (build.aside < 0.5)
    outside = _eroded((rough < 0.12) & (votes.max(0) < 0.5), 3)
    evidence = _colour_evidence(smooth, inside, outside, least > 0.8)
    evidence += 0.5 * _local_evidence(smooth, inside, outside) * (1 - build.aside)
    evidence = cv2.GaussianBlur(np.clip(evidence, -5, 5), (0, 0), 0.7)
    # Dark hair on a dark ground looks the same on both sides; growing the person needs more than that.
    evidence = np.where(evidence > 0, 0.5 * rough * evidence, 0.8 * evidence)
    logit = 0.7 * _logit(rough) - 2.5 * build.high * (1 - build.inside) + evidence
    likely = np.maximum(1 / (1 + np.exp(-logit)), build.inside)
    hold = HOLD * np.where(inside | outside, 21.0, 1.0) * (0.15 + (2 * likely - 1) ** 2)
    likely = np.where(inside, 1.0, np.where(outside, 0.0, likely))
    region = np.clip(2 * _walked(smooth, likely, hold) - 0.5, 0, 1)
    # Shoulders go on downward: what the networks find below them is no background, however dark.
    run = cv2.erode(((region > 0.6) & build.low).astype(np.uint8), np.ones((9, 3), np.uint8))
    below = np.maximum.accumulate(run, 0) * (least > 0.9)
    return np.maximum(region, cv2.GaussianBlur(below.astype(np.float32), (0, 0), 0.7)).astype(np.float32)


def build_of(landmarks: NDArray, size: int) -> Build | None:
    """What (478, 2+) landmarks, in picture widths, say of the places of a (size, size) picture; None without them."""
    points = np.asarray(landmarks, np.float64)[:, :2]
    if not np.isfinite(points).all():
        return None
    eyes = (points[list(table.LEFT_EYE)].mean(0) + points[list(table.RIGHT_EYE)].mean(0)) / 2
    axis = points[table.CHIN] - eyes
    length = float(np.linalg.norm(axis))
    across = np.array([axis[1], -axis[0]]) / max(length, 1e-6)
    ends = (points[[table.CHEEK_LEFT, table.CHEEK_RIGHT]] - eyes) @ across
    half = abs(ends[0] - ends[1]) / 2
    if length < 0.02 or half < 0.01:
        return None
    rows, columns = np.mgrid[:size, :size]
    offset = (np.stack([columns, rows], -1) + 0.5) / size - eyes
    down = offset @ axis / length**2
    beside = np.maximum(np.abs(offset @ across - ends.mean()) / half - 0.9, 0)
    hull = np.round(points[list(table.OVAL)] * size).astype(np.int32)
    face = cv2.fillPoly(np.zeros((size, size), np.uint8), [hull], 1)
    deep = cv2.distanceTransform(face, cv2.DIST_L2, 5) / (size * length)
    aside = np.clip(beside / 0.15, 0, 1) * np.clip((down - 0.35) / 0.3, 0, 1)
    shoulder = 1.3 + 0.22 * np.maximum(beside - 0.1, 0)
    high = aside * np.clip((shoulder - down) / 0.15, 0, 1)
    inside = np.clip(deep / 0.03, 0, 1)
    return Build(*(field.astype(np.float32) for field in (inside, aside, high)), down > 0.7)


def _colour_evidence(
    lab: NDArray[np.float32], inside: NDArray[np.bool_], outside: NDArray[np.bool_], agreed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Logit of person against background by colour alone; where networks agree, clothes may be of any new colour."""
    size = lab.shape[0]
    if inside.sum() < 200 or outside.sum() < 200:
        return np.zeros((size, size))
    place = np.stack(np.meshgrid(*(np.arange(size) / size * PLACE,) * 2), -1)
    # Differences between dark colours count more than Lab has it.
    features = np.concatenate([3 * np.maximum(lab[..., :1], 0) ** 0.75, lab[..., 1:], place], -1)
    features = features.astype(np.float32)
    person, ground = _mixture(features[inside]), _mixture(features[outside])
    difference = _log_likelihood(features, person) - _log_likelihood(features, ground)
    unlike = np.full((size, size), np.inf)
    for mean, variance, weight in zip(*ground, strict=True):
        if weight > 0.01:
            distance = (features[..., :3] - mean[:3]) ** 2 / (variance[:3] + FLOOR[:3])
            unlike = np.minimum(unlike, distance.sum(-1))
    unlike = np.minimum(0.6 * (unlike - UNLIKE), np.where(agreed, 3, 0))
    return np.clip(np.maximum(difference, unlike), -5, 5)


def _mixture(samples: NDArray[np.float32]) -> _Mixture:
    """A mixture of Gaussians with diagonal covariances, the same for the same samples."""
    chosen = samples[np.linspace(0, len(samples) - 1, min(SAMPLES, len(samples))).astype(int)]
    model = cv2.ml.EM_create()
    model.setClustersNumber(COLOURS)
    model.setCovarianceMatrixType(cv2.ml.EM_COV_MAT_DIAGONAL)
    model.setTermCriteria((cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 15, 0.1))
    cv2.setRNGSeed(1)
    model.trainEM(chosen.astype(np.float64))
    variances = np.stack([np.diag(covariance) for covariance in model.getCovs()])
    return _Mixture(model.getMeans(), variances, model.getWeights()[0])


def _log_likelihood(features: NDArray[np.float32], mixture: _Mixture) -> NDArray[np.float64]:
    parts = []
    for mean, variance, weight in zip(*mixture, strict=True):
        variance = variance + FLOOR
        distance = (features - mean) ** 2 / variance + np.log(variance)
        parts.append(np.log(weight + 1e-6) - 0.5 * distance.sum(-1))
    return np.logaddexp.reduce(parts)


def _local_evidence(
    lab: NDArray[np.float32], inside: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Logit of person against background by the colours near each pixel, 0 where one of them is far."""
    evidence = np.zeros(lab.shape[:2], np.float32)
    heard = np.full_like(evidence, 1e-3)
    for reach in (7, 18):
        person, near_person = _gaussian_fit(lab, inside, reach)
        ground, near_ground = _gaussian_fit(lab, outside, reach)
        known = np.minimum(near_person, near_ground)
        known = known / (known + 0.02)
        evidence += known * np.clip(person - ground, -4, 4)
        heard += known
    return evidence * np.minimum(heard, 1) / heard


def _gaussian_fit(lab: NDArray, where: NDArray[np.bool_], reach: float) -> tuple[NDArray, NDArray]:
    """Log-likelihood of each pixel under the colours of ``where`` near it, and how many of them there are."""
    mask = where.astype(np.float32)
    near = cv2.GaussianBlur(mask, (0, 0), reach)
    weight = (near + 1e-4)[..., None]
    mean = cv2.GaussianBlur(lab * mask[..., None], (0, 0), reach) / weight
    square = cv2.GaussianBlur(lab**2 * mask[..., None], (0, 0), reach) / weight
    variance = np.maximum(square - mean**2, 0) + 9.0
    return -0.5 * ((lab - mean) ** 2 / variance + np.log(variance)).sum(-1), near


def _walked(lab: NDArray[np.float32], likely: NDArray, hold: NDArray) -> NDArray[np.float64]:
    """The likelihoods, drawn towards those of neighbours as far as there is no edge between.

    The minimum of sum hold (x - likely)^2 + sum over neighbours w (x_i - x_j)^2, by conjugate gradients.
    """
    right, lower = _affinity(lab[:, 1:] - lab[:, :-1]), _affinity(lab[1:] - lab[:-1])
    diagonal = hold.astype(np.float64).copy()
    diagonal[:, 1:] += right
    diagonal[:, :-1] += right
    diagonal[1:] += lower
    diagonal[:-1] += lower

    def applied(x: NDArray) -> NDArray:
        y = diagonal * x
        y[:, 1:] -= right * x[:, :-1]
        y[:, :-1] -= right * x[:, 1:]
        y[1:] -= lower * x[:-1]
        y[:-1] -= lower * x[1:]
        return y

    x = likely.astype(np.float64).copy()
    residual = hold * likely - applied(x)
    direction = residual / diagonal
    power = float((residual * direction).sum())
    enough = 1e-8 * float((hold * likely**2).sum()) + 1e-12
    for _ in range(300):
        if power < enough:
            break
        moved = applied(direction)
        step = power / float((direction * moved).sum())
        x += step * direction
        residual -= step * moved
        fresh = residual / diagonal
        following = float((residual * fresh).sum())
        direction = fresh + following / power * direction
        power = following
    return x


def _affinity(step: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 between equal neighbours, nearly 0 across what is an edge in its surroundings."""
    square = (step**2).sum(-1)
    return np.exp(-square / (2 + cv2.GaussianBlur(square, (0, 0), 20))) + 1e-3


def _logit(share: NDArray) -> NDArray:
    share = np.clip(share, 0.02, 0.98)
    return np.log(share / (1 - share))


def _eroded(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    return cv2.erode(mask.astype(np.uint8), disc) > 0
