"""What stands and lies between the lips: teeth, gums, tongue and the dark behind them, and what a photo shows of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.template import EYES, TEETH, TONGUE, HeadTemplate
from inversion_core.landmark_tables import LEFT_EYE, RIGHT_EYE
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import DEPTH_SIZE, sampled

DEFAULT_COLOURS = {EYES: (0.70, 0.67, 0.65), TEETH: (0.86, 0.81, 0.72), TONGUE: (0.76, 0.42, 0.42)}
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
"""MediaPipe's ring round the mouth's opening."""
UPPER_RIM = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_RIM = (95, 88, 178, 87, 14, 317, 402, 318, 324)
"""The ring's points but the corners, each over the one below it."""
GUM_COLOUR = (0.76, 0.40, 0.40)
INTERIOR_COLOUR = (0.48, 0.19, 0.18)
BRIGHTEST = 0.72
"""Light that falls on teeth which a photo shows: more of it in an open mouth makes them brighter."""
LEAST_SHOWN = 40
"""Pixels of teeth from which on their colour is the photo's."""
ROOT = (0.98, 0.93, 0.82)
"""Factor on a tooth's colour at its gum."""
DIM = (0.085, 0.045, 0.042)
"""Light that reaches what no light from outside does: it has been reflected by red walls."""
OPEN = 2.4
"""How soon what faces the opening is fully lit, as more of its view is taken up by it."""
GAMMA = 0.75
"""Power that takes light some of the way to sRGB, whose darker tones lie closer together."""
WRAPPED = 0.45
"""Share of light that does not care which way a surface faces: wet and translucent as it is."""
SOFTNESS = 0.009
"""World units by which every point of the opening is at least away."""


def openings(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(512, 512, 2) float32 in [0, 1]: within the lids (lashes included) and within the lips of (478, 3) landmarks."""
    size = DEPTH_SIZE
    points = landmarks[:, :2] * size
    between = float(np.linalg.norm(points[468] - points[473]))
    eyes, mouth = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    for ring in (LEFT_EYE, RIGHT_EYE):
        cv2.fillConvexPoly(eyes, cv2.convexHull(points[list(ring)].astype(np.int32)), 255)
    cv2.fillPoly(mouth, [points[list(INNER_LIPS)].astype(np.int32)], 255)
    lashes = 2 * int(0.02 * between) + 1
    eyes = cv2.dilate(eyes, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (lashes, lashes)))
    masks = np.stack([eyes, mouth], -1).astype(np.float32) / 255
    return cv2.GaussianBlur(masks, (0, 0), max(0.01 * between, 0.5))


def lip_gap(landmarks: NDArray[np.float32]) -> float:
    """Distance of the inner lips of (478, 2) landmarks, seen from the front, in distances between the eyes."""
    between = np.linalg.norm(landmarks[468] - landmarks[473])
    return float(np.linalg.norm(landmarks[13] - landmarks[14]) / max(between, 1e-6))


def light_within(
    template: HeadTemplate,
    vertices: NDArray[np.float32],
    normals: NDArray[np.float32],
    landmarks: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(N, 3) light on :attr:`HeadTemplate.mouth_inside`, 1 outside the mouth: what comes in between the lips.

    Args:
        vertices, normals: (V, 3) of the head; landmarks: (478, 3) on it.

    Source: the form factor of a small patch and a point, summed over the opening.
    """
    inside = template.mouth_inside
    upper, lower = landmarks[list(UPPER_RIM)], landmarks[list(LOWER_RIM)]
    height = np.maximum(upper[:, 1] - lower[:, 1], 0)
    width = np.gradient(upper[:, 0])
    share = np.array([0.2, 0.5, 0.8], np.float32)[:, None, None]
    spots = (upper + share * (lower - upper)).reshape(-1, 3).astype(np.float32)
    areas = np.tile(np.abs(width) * height / 3, 3).astype(np.float32)
    # Squares and products of matrices: three numbers for each of so many pairs would take their time.
    middle = spots.mean(0)
    points, turned, spots = vertices[inside] - middle, normals[inside], spots - middle
    square = (
        (points**2).sum(1)[:, None] + (spots**2).sum(1) - 2 * (points @ spots.T) + np.float32(SOFTNESS**2)
    )
    facing = np.maximum(turned @ spots.T - (turned * points).sum(1)[:, None], 0)
    through = np.maximum(spots[:, 2] - points[:, 2:], 0)
    distance = np.sqrt(square)
    seen = (WRAPPED * distance + (1 - WRAPPED) * facing) * through * areas / square**2
    light = (1 - np.exp(-OPEN / np.pi * seen.sum(1))) ** GAMMA
    return (light[:, None] + (1 - light[:, None]) * np.array(DIM)).astype(np.float32)


def teeth_and_gums(photo: NDArray[np.float32], mouth: NDArray[np.float32], gap: float) -> NDArray[np.float32]:
    """(512, 512, 2) how far a photo's pixels look like teeth, bright for a mouth and hardly red, and like teeth or the
    gums over them; 0 outside the mouth."""
    within = mouth > 0.85
    result = np.zeros((*mouth.shape, 2), np.float32)
    if gap < 0.03 or within.sum() < 30:
        return result
    soft = cv2.GaussianBlur(photo, (0, 0), 0.8)
    bright = soft.mean(-1)
    bright = bright / np.quantile(bright[within], 0.85)
    pale = soft[..., 1] / np.maximum(soft[..., 0], 1e-3)
    result[..., 0] = smoothstep(pale, 0.68, 0.80) * smoothstep(bright, 0.5, 0.75)
    result[..., 1] = smoothstep(pale, 0.56, 0.66) * smoothstep(bright, 0.45, 0.65)
    result = cv2.erode(result * (mouth > 0.7)[..., None], np.ones((3, 3), np.uint8))
    return cv2.GaussianBlur(result, (0, 0), 1.0)


def like_itself(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    uv: NDArray[np.float32],
    seen: NDArray[np.float32],
    gap: float,
) -> NDArray[np.float32]:
    """(V,) how far what the photo has in a vertex's place can be it: no lip or shadow on teeth, no tooth on the tongue."""
    teeth, teeth_or_gums = sampled(seen, uv).T
    result = np.ones(len(fine), np.float32)
    inside, crown = template.mouth_inside, template.crowns
    rooted = np.zeros_like(result)
    rooted[inside] = rootedness(template, fine)
    result[crown] = (teeth + rooted * np.maximum(teeth_or_gums - teeth, 0))[crown]
    flesh = (template.part == TONGUE) | ((template.part == TEETH) & ~crown)
    # Between lips that are hardly apart, what looks like flesh is the lower lip.
    result[flesh] = (1 - teeth_or_gums)[flesh] * smoothstep(np.float32(gap), 0.25, 0.4)
    return result


def inside_mouth(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    light: NDArray[np.float32],
    photo: NDArray[np.float32],
    seen: NDArray[np.float32],
    brightness: float,
) -> NDArray[np.float32]:
    """(N, 3) colours of :attr:`HeadTemplate.mouth_inside` where the photo does not show it: teeth like those it shows.

    Args:
        fine: (V, 3) the head in the photo's pose; light: (N, 3), see :func:`light_within`.
        seen: (512, 512, 2), see :func:`teeth_and_gums`.
        brightness: of the photo's skin, 1 where typical.
    """
    inside = template.mouth_inside
    part, crown = template.part[inside], template.crowns[inside]
    colours = np.empty((len(inside), 3))
    colours[:] = INTERIOR_COLOUR
    colours[part == TONGUE] = DEFAULT_COLOURS[TONGUE]
    colours[part == TEETH] = GUM_COLOUR
    colours *= brightness
    tooth = np.array(DEFAULT_COLOURS[TEETH]) * brightness
    shown = photo[seen[..., 0] > 0.6]
    if len(shown) >= LEAST_SHOWN:
        found = np.quantile(shown, 0.6, axis=0) / BRIGHTEST
        # Whatever the photo's light does to them, teeth are pale.
        found = np.maximum(found, 0.5 * found.max())
        tooth = found * min(1 / found.max(), 1)
    rooted = rootedness(template, fine)[crown]
    colours[crown] = tooth * (1 + (np.array(ROOT) - 1) * rooted[:, None])
    return np.clip(colours * light, 0, 1).astype(np.float32)


def rootedness(template: HeadTemplate, fine: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) of :attr:`HeadTemplate.mouth_inside`, 1 at a tooth's gum and 0 at its edge."""
    inside = template.mouth_inside
    result = np.zeros(len(inside), np.float32)
    teeth = np.flatnonzero(template.crowns[inside])
    lower = lower_jaw(template)[inside[teeth]]
    height = fine[inside[teeth], 1]
    for jaw, sign in ((~lower, 1), (lower, -1)):
        if jaw.any():
            low = np.quantile(sign * height[jaw], 0.05)
            result[teeth[jaw]] = smoothstep(sign * height[jaw] - low, 0.008, 0.024)
    return result


def lower_jaw(template: HeadTemplate) -> NDArray[np.bool_]:
    """(V,) what drops when the mouth opens."""
    drop = np.linalg.norm(template.unit_offsets[template.units.index("mouth-open")], axis=1) > 0.01
    return (template.subdivision @ drop.astype(np.float32)) > 0.5
