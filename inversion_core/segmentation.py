"""Which pixels are the person, and which of those are hair."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.morphology import reconstruction

from inversion_core import landmark_tables as table
from inversion_core.bare_skin import bare_skin
from inversion_core.border import made_up
from inversion_core.person_region import build_of, person_region
from inversion_core.portrait import Portrait
from inversion_core.quiet import native_stderr_silenced

WIDER = 1.35
"""How much more of the photo the wider crop of :func:`person_mask` shows, per side."""
_WORK = 256
RIM, HAIRLESS = 8, 0.25
"""Working pixels from the outline, beside the face, of which hair takes this share at least where it hangs lower."""
EAR = 9
"""Working pixels from what is surely no hair within which an ear's other parts are."""
COVERED = 0.85
"""Share of an eye, and of the forehead above it, that hair which falls over it covers at least."""
GLOSS = 300
"""Working pixels that a hole in the hair has at most to be gloss."""


def person_mask(
    image: NDArray[np.uint8], landmarks: NDArray, wider: NDArray[np.uint8] | None = None
) -> NDArray[np.float32]:
    """(H, W) float32 in [0, 1], share of the person in each pixel of an aligned (H, W, 3) uint8 crop.

    MediaPipe's selfie segmentation, over its networks and mirror images, says roughly where the person is;
    :func:`inversion_core.person_region.person_region` decides what is doubtful; a guided filter follows the photo's
    own edges.

    Args:
        landmarks: (478, 2+) in crop widths; the part that holds the face is kept, islands are dropped.
        wider: a crop round the same centre, ``WIDER`` times as wide: the network likes to see shoulders.
    """
    size = image.shape[0]
    networks = _selfie(threading.get_ident())
    views = [segment(image) for segment in networks]
    views += [segment(image[:, ::-1])[:, ::-1] for segment in networks]
    if wider is not None:
        shift = wider.shape[0] * (1 - 1 / WIDER) / 2
        part = cv2.getRectSubPix(
            networks[0](wider),
            (int(wider.shape[0] / WIDER),) * 2,
            (shift + wider.shape[0] / WIDER / 2 - 0.5,) * 2,
        )
        views.append(cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR))
    votes = np.stack([cv2.resize(view, (_WORK, _WORK), interpolation=cv2.INTER_AREA) for view in views])
    likely = person_region(_lab(image), votes.astype(np.float32), build_of(landmarks, _WORK))
    likely = cv2.resize(likely, (size, size), interpolation=cv2.INTER_CUBIC)
    matte = cv2.ximgproc.guidedFilter(image.astype(np.float32) / 255, likely, 5, 2e-4)
    # Half a pixel inward: what lies outside the edge is the background's colour.
    matte = np.clip((matte - 0.56) * 1.3 + 0.5, 0, 1)
    return _one_piece(matte, landmarks)


def hair_mask(portrait: Portrait) -> NDArray[np.float32]:
    """(512, 512) float32 in [0, 1], how likely each pixel of the crop is hair (a hat counts as hair).

    Where a pixel lies on the face says what to expect; whether its colour is that of the head's top, of
    the cheeks or of the clothes decides, in three rounds of re-estimating those colours. Where the crop reaches
    past its photo only the place counts, and whether any hair is seen.
    """
    lab, place = _lab(portrait.image), _FacePlace(portrait)
    person = cv2.resize(portrait.person, (_WORK, _WORK), interpolation=cv2.INTER_AREA)
    real = (
        cv2.resize((~made_up(portrait)).astype(np.float32), (_WORK, _WORK), interpolation=cv2.INTER_AREA)
        > 0.9
    )
    solid = (person > 0.9) & real
    bins = _colour_bins(lab)
    skin = real & (place.depth > 0.10) & ~place.features & (place.down > 0.1) & (place.down < 0.6)
    bare = place.bare_skin(portrait, solid)
    top = (place.depth < -0.10) & (place.down < -0.25) & solid
    inner = cv2.erode(bare.astype(np.uint8), _disc(4)) > 0  # at its rim skin is mixed with hair
    skin, hair = skin | (inner & (place.down < 0.1)), top & ~bare
    if hair.sum() < 60:  # nothing of the head above the face: begin at the temples
        hair = (place.depth < -0.05) & (place.down < 0) & solid
    clothes = (place.down > 1.35) & solid
    # A bald head's top looks like its cheeks (measured: .88 and more; hair of any colour .76 and less).
    bald = np.clip((_colour_overlap(bins, hair * person, skin * person) - 0.77) / 0.1, 0, 1)
    if top.any():
        # Fair hair may have the cheeks' colours as well, but no forehead that goes on into it.
        bald = bald * np.clip(4 * bare[top].mean() - 0.4, 0, 1)
        wide = cv2.morphologyEx((top & ~bare).astype(np.uint8), cv2.MORPH_OPEN, _disc(4))
        if (
            bare[top].mean() > 0.25 and wide.sum() < 60
        ):  # left is only the rim, which light from behind bleaches
            bald = 1.0
    prior = place.hair_prior() - 4 * bald - 6 * _blur(bare, 1)
    like_top = None
    for _ in range(3):
        like_hair, like_skin, like_clothes = (
            _colour_likelihood(bins, m * person) for m in (hair, skin, clothes)
        )
        like_top = like_hair if like_top is None else like_top
        other = np.where(place.down > 0.7, np.maximum(like_skin, like_clothes - 0.7), like_skin)
        evidence = _blur(np.clip(like_hair - other, -4, 4), 1)
        likely = person / (1 + np.exp(-(prior + evidence)))
        hair = (
            real & ~bare & (likely > 0.8) & (place.down < 0.2) & ((place.depth < -0.04) | (place.down < -0.3))
        )
        if hair.sum() < 40:
            break
        skin = skin | (real & (likely < 0.15) & (place.depth > 0) & ~place.features)
        clothes = (place.down > 1.25) & solid & (likely < 0.35)
    if not real.all():
        beside = solid & (place.depth < -0.02) & (place.depth > -0.2) & (place.down < 0.2)
        hairy = float((likely[beside] > 0.5).mean()) > 0.2 if beside.sum() > 40 else bald < 0.5
        expected = person * (place.depth < 0) / (1 + np.exp(-place.hair_prior()))
        likely = np.where(real, likely, expected * hairy)
    likely = likely * _grown_from_the_head(likely > 0.5, place.down)
    likely = likely * (1 - _below_short_hair(likely > 0.5, person > 0.5, place))
    likely = np.maximum(
        likely, person * _over_an_eye(likely > 0.5, bins, like_top, place, portrait.landmarks)
    )
    likely = np.maximum(likely, person * _wisps(likely > 0.5, portrait.landmarks))
    # Ears are skin as far as they look more like it than like the hair on top, which was learnt from no ear.
    ears = ((like_skin > like_top) & (person > 0.9) & place.at_the_ears()).astype(np.uint8)
    ears = cv2.morphologyEx(ears, cv2.MORPH_OPEN, _disc(2))
    sure = cv2.dilate(ears * (likely < 0.3), _disc(EAR))
    ears = _blur(ears * sure, 0.7)
    likely = _with_gloss(likely)
    likely = cv2.morphologyEx(likely.astype(np.float32), cv2.MORPH_CLOSE, _disc(3)) * (1 - ears)
    size = portrait.image.shape[0]
    likely = cv2.resize(_blur(likely, 1.2), (size, size), interpolation=cv2.INTER_CUBIC)
    mask = cv2.ximgproc.guidedFilter(portrait.image.astype(np.float32) / 255, likely, 8, 1e-3)
    return (np.clip((mask - 0.5) * 1.4 + 0.5, 0, 1) * portrait.person).astype(np.float32)


class _FacePlace:
    """Where each working pixel lies on the face, in lengths from the eyes to the chin.

    Attributes:
        down: 0 at the eyes, 1 at the chin, along the face's own axis.
        depth: distance inside the face's outline, negative outside.
        features: True on eyes and lips.
        brows: [0, 1], 1 on the eyebrows.
    """

    def __init__(self, portrait: Portrait) -> None:
        points = portrait.landmarks[:, :2].astype(np.float64)
        eyes = (points[list(table.LEFT_EYE)].mean(0) + points[list(table.RIGHT_EYE)].mean(0)) / 2
        axis = points[table.CHIN] - eyes
        length = float(np.linalg.norm(axis))
        axis /= length
        across = np.array([axis[1], -axis[0]])
        rows, columns = np.mgrid[:_WORK, :_WORK]
        offset = (np.stack([columns, rows], -1) + 0.5) / _WORK - eyes
        self.down = offset @ axis / length
        self.aside = offset @ across / length
        self.half_width = abs((points[table.CHEEK_LEFT] - points[table.CHEEK_RIGHT]) @ across) / 2 / length
        self.yaw = portrait.camera.angles[0]
        hull = _polygon(points[list(table.OVAL)])
        pixel = 1 / (_WORK * length)
        self.depth = pixel * (
            cv2.distanceTransform(hull, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - hull, cv2.DIST_L2, 5)
        )
        eyes_and_lips = [_hull(points, group) for group in (table.LEFT_EYE, table.RIGHT_EYE, table.LIPS)]
        self.features = cv2.dilate(np.maximum.reduce(eyes_and_lips), _disc(3)) > 0
        half = len(table.BROWS) // 2
        brows = np.maximum(_hull(points, table.BROWS[:half]), _hull(points, table.BROWS[half:]))
        self.brows = _blur(cv2.dilate(brows, _disc(2)), 1)

    def bare_skin(self, portrait: Portrait, solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """True on skin that hangs together with the face's, up to where hair begins."""
        small = cv2.resize(portrait.image, (_WORK, _WORK), interpolation=cv2.INTER_AREA)
        face = solid & (self.depth > 0.08) & ~self.features & (self.brows < 0.05)
        face &= (self.down > -0.4) & (self.down < 0.55)
        # Foreheads go on upward; what is beside the face and as light as it is hair more often than skin.
        above = (self.down < 0) & (np.abs(self.aside) < self.half_width)
        solid = solid & (self.brows < 0.3) & (self.down < 0.6) & (above | (self.depth > 0))
        return bare_skin(small.astype(np.float32) / 255, face & (self.down > -0.05), face, solid)

    def at_the_ears(self) -> NDArray[np.bool_]:
        """True beside the face, as high as eyes and nose."""
        near = (self.depth < 0.03) & (self.depth > -0.35)
        return near & (np.abs(self.down - 0.2) < 0.45)

    def hair_prior(self) -> NDArray[np.float64]:
        """Logit of hair before any colour is seen: the head's top yes, the face hardly, the neck no."""
        down, depth = self.down, self.depth
        forehead = 0.2 - 10 * np.clip(depth - 0.02, 0, 0.3)
        temples, lower_face = 0.4 - 13 * depth - 3 * self.features, -0.8 - 45 * depth
        inside = np.where(down < -0.12, forehead, np.where(down < 0.6, temples, lower_face))
        outside = np.where(down < -0.3, 1.5, np.where(down < 1.1, 0.4, -0.3))
        # A turned head shows the neck to one side. In the chin's shadow it is as dark as hair.
        sideways = np.abs(self.aside - 0.8 * np.sin(self.yaw)) / (0.9 * self.half_width)
        neck = (
            np.clip((1 - sideways) * 6, 0, 1)
            * np.clip((down - 0.85) * 8, 0, 1)
            * np.clip((1.75 - down) * 2.5, 0, 1)
        )
        return np.where(depth > 0, inside, outside - 3 * neck) - 3 * self.brows


def _grown_from_the_head(hair: NDArray[np.bool_], down: NDArray) -> NDArray[np.float32]:
    """1 on hair that hangs together with the upper head; what only a thin bridge (a shadow) joins is cut."""
    hair = hair.astype(np.uint8)
    upper = cv2.morphologyEx(hair, cv2.MORPH_OPEN, _disc(1)) * (down <= 0.45).astype(np.uint8)
    lower = cv2.morphologyEx(hair * (down > 0.3).astype(np.uint8), cv2.MORPH_OPEN, _disc(5))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(upper | lower)
    area = boxes[:, cv2.CC_STAT_AREA]
    on_top = np.bincount(labels[down < 0.1], minlength=count)
    kept = (area > 0.002 * hair.size) & (on_top > 0.05 * np.minimum(area, 1500))
    kept[0] = False
    return _blur(cv2.dilate(kept[labels].astype(np.uint8), _disc(2)), 1)


def _below_short_hair(
    hair: NDArray[np.bool_], person: NDArray[np.bool_], place: _FacePlace
) -> NDArray[np.float32]:
    """1 below the ear on a side where not hair but an ear, or a cheek, is outermost beside the face: what is hair's
    colour there is a collar or a shadow."""
    inward = cv2.distanceTransform(np.pad(person.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    rim = person & (inward < RIM)
    short = np.zeros(hair.shape, np.float32)
    for side in (place.aside > 0, place.aside <= 0):
        bands = (rim & side & (np.abs(place.down - middle) < 0.08) for middle in (-0.02, 0.08, 0.18, 0.28))
        if any(band.sum() > 20 and hair[band].mean() < HAIRLESS for band in bands):
            short = np.maximum(short, side * np.clip((place.down - 0.5) / 0.15, 0, 1))
    return short.astype(np.float32)


def _wisps(hair: NDArray[np.bool_], landmarks: NDArray) -> NDArray[np.float32]:
    """1 beside the neck, above the shoulders, where hair lies between a place and the neck: that far out there is
    nothing but its loose ends, whatever shines through them."""
    build = build_of(landmarks, _WORK)
    if build is None:
        return np.zeros(hair.shape, np.float32)
    column = int(np.clip(landmarks[table.CHIN, 0] * _WORK, 1, _WORK - 1))
    inner = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_OPEN, _disc(3))
    left = np.maximum.accumulate(inner[:, :column][:, ::-1], 1)[:, ::-1]
    right = np.maximum.accumulate(inner[:, column:], 1)
    return np.concatenate([left, right], 1) * build.high


def _over_an_eye(
    hair: NDArray[np.bool_], bins: NDArray, like_hair: NDArray, place: _FacePlace, landmarks: NDArray
) -> NDArray[np.float32]:
    """1 on hair that falls over one eye: the place of a face's features says nothing there, only colour does.

    The other half of the face tells skin's colours. Dark glasses and deep shadows leave the forehead free.
    """
    points = landmarks[:, :2].astype(np.float64)
    eyes = [_hull(points, group) > 0 for group in (table.LEFT_EYE, table.RIGHT_EYE)]
    result = np.zeros(hair.shape, np.float32)
    for hidden, other in (eyes, eyes[::-1]):
        if not hidden.any() or not other.any():
            return result
        beyond = place.aside[other].mean()
        far = np.sign(beyond) * place.aside > 0.3 * abs(beyond)
        skin = far & (place.depth > 0.1) & ~place.features & (place.down > 0.1) & (place.down < 0.6)
        if skin.sum() < 60:
            continue
        evidence = _blur(np.clip(like_hair - _colour_likelihood(bins, skin), -4, 4), 1)
        over = place.aside - place.aside[hidden].mean()
        above = (np.abs(over) < 0.15) & (place.down < -0.12) & (place.down > -0.4) & (place.depth > 0)
        like = evidence > 1
        if like[hidden].mean() < COVERED or like[above].mean() < COVERED or like[other].mean() > 0.7:
            continue
        fallen = cv2.morphologyEx((like & (place.down < 0.7)).astype(np.uint8), cv2.MORPH_OPEN, _disc(2))
        _, pieces = cv2.connectedComponents(fallen | hair.astype(np.uint8))
        kept = np.isin(pieces, np.unique(pieces[hair])) & (fallen > 0)
        result = np.maximum(result, _blur(kept, 0.7))
    return result


def _with_gloss(likely: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hair with the small holes that it closes all round: highlights, of no hair's colour."""
    hair = (likely > 0.5).astype(np.uint8)
    count, pieces, boxes, _ = cv2.connectedComponentsWithStats(1 - hair)
    small = boxes[:, cv2.CC_STAT_AREA] < GLOSS
    small[0] = False
    holes = cv2.dilate(small[pieces].astype(np.uint8), _disc(2)) if count > 1 else np.zeros_like(hair)
    return np.maximum(likely, _blur(holes, 0.7)).astype(np.float32)


_BINS = (20, 24, 24)


def _colour_bins(lab: NDArray[np.float32]) -> NDArray[np.int64]:
    """Number of the Lab cell that each pixel's colour falls into."""
    share = np.clip((lab + np.array([0, 60, 60])) / np.array([100, 120, 120]), 0, 0.9999)
    return np.ravel_multi_index(tuple(np.moveaxis((share * _BINS).astype(int), -1, 0)), _BINS)


def _histogram(bins: NDArray[np.int64], weight: NDArray) -> NDArray[np.float64]:
    """Smoothed share of the weighted pixels in every Lab cell, summing to one."""
    counts = np.bincount(bins.ravel(), weight.ravel() + 1e-9, int(np.prod(_BINS))).reshape(_BINS)
    smooth = gaussian_filter(counts, (1.3, 1.0, 1.0), mode="constant").ravel()
    return smooth / smooth.sum()


def _colour_likelihood(bins: NDArray[np.int64], weight: NDArray) -> NDArray[np.float64]:
    """Log-likelihood of every pixel's colour among the weighted pixels' colours."""
    return np.log(_histogram(bins, weight)[bins] + 2e-5)


def _colour_overlap(bins: NDArray[np.int64], first: NDArray, second: NDArray) -> float:
    """Bhattacharyya coefficient, [0, 1], of two sets of pixels' colours."""
    return float(np.sqrt(_histogram(bins, first) * _histogram(bins, second)).sum())


def _polygon(points: NDArray) -> NDArray[np.uint8]:
    return cv2.fillPoly(np.zeros((_WORK, _WORK), np.uint8), [np.round(points * _WORK).astype(np.int32)], 1)


def _hull(points: NDArray, group: tuple[int, ...]) -> NDArray[np.uint8]:
    return _polygon(cv2.convexHull(points[list(group)].astype(np.float32))[:, 0])


def _one_piece(matte: NDArray[np.float32], landmarks: NDArray) -> NDArray[np.float32]:
    """The matte without islands, haze far from the person and small holes."""
    size = matte.shape[0]
    _, labels = cv2.connectedComponents((matte > 0.5).astype(np.uint8))
    seen = np.clip(np.asarray(landmarks)[:468, :2] * size, 0, size - 1).astype(int)
    under = labels[seen[:, 1], seen[:, 0]]
    under = under[under > 0]
    if under.size == 0:
        return matte
    person = (labels == np.bincount(under).argmax()).astype(np.uint8)
    near = _blur(cv2.dilate(person, _disc(6)).astype(np.float32), 2)
    islands = cv2.dilate(((labels > 0) & (person == 0)).astype(np.uint8), _disc(3)) & (1 - person)
    matte = matte * near * (1 - _blur(islands.astype(np.float32), 1) * (1 - person))
    return np.clip(_without_holes(matte), 0, 1).astype(np.float32)


def _without_holes(matte: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matte with small dips that are closed all round (earrings, highlights) raised to their rim."""
    size = matte.shape[0]
    small = cv2.resize(matte, (_WORK, _WORK), interpolation=cv2.INTER_AREA)
    seed = np.ones_like(small)
    seed[[0, -1]], seed[:, [0, -1]] = small[[0, -1]], small[:, [0, -1]]
    raised = reconstruction(seed, small, method="erosion").astype(np.float32) - small
    _, labels, boxes, _ = cv2.connectedComponentsWithStats((raised > 0.02).astype(np.uint8))
    raised[boxes[labels, cv2.CC_STAT_AREA] > 0.0035 * _WORK * _WORK] = 0
    return matte + cv2.resize(cv2.dilate(raised, _disc(1)), (size, size), interpolation=cv2.INTER_LINEAR)


def _lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = cv2.resize(image, (_WORK, _WORK), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _blur(field: NDArray, sigma: float) -> NDArray[np.float32]:
    return cv2.GaussianBlur(field.astype(np.float32), (0, 0), sigma)


def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


@lru_cache(maxsize=4)
def _selfie(thread: int) -> tuple[Callable[[NDArray], NDArray[np.float32]], ...]:
    """MediaPipe's two networks: costly to start and bound to one thread, so each thread keeps its own."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

    def network(selection: int) -> Callable[[NDArray], NDArray[np.float32]]:
        with native_stderr_silenced():
            graph = SelfieSegmentation(model_selection=selection)
        return lambda image: graph.process(np.ascontiguousarray(image)).segmentation_mask

    return network(0), network(1)
