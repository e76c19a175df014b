"""What age does to skin, distilled from the painted skins: the ratio of old to young detail, in the template's atlas.

Low frequencies are divided out, so that the ratio ages any skin without changing its tone.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.template import HeadTemplate, load_template
from inversion_core.rasterise import interpolate, rasterise_screen
from inversion_core.task import Progress, Task
from inversion_core.training.appearance import CanonicalSampler, Skin
from inversion_core.training.assets import HeadAssets

TEMPLATE = (
    Path(__file__).resolve().parents[2] / "resources" / "models" / "facet-head" / "geometry.safetensors"
)
UNITY = 128
"""Byte that stands for a ratio of 1."""
FINE, COARSE = 0.0015, 0.035
"""Detail between these widths (share of the atlas) is kept: JPEG noise below, tone above."""
STRENGTH = 1.8
"""The painted skins are mild; their folds are deepened by this exponent."""
CHROMA = 0.35
"""Share of the colour in the ratio that is kept: blotches of three old skins would mark every other one."""


def build_ageing(
    assets_dir: Path, out_dir: Path, size: int = 1024, template: HeadTemplate | None = None
) -> Task[Path]:
    """The path of ``ageing.png`` in ``out_dir``: (size, size, 3) bytes, ratio = byte / 128, 128 off the skin.

    Raises:
        MissingResource: the assets or the template are not there.
    """
    template = template or load_template(TEMPLATE)
    yield Progress(0, 1, "reading skins")
    sampler = CanonicalSampler(HeadAssets(assets_dir), template)
    picture = ageing_picture(sampler, size)
    out_dir.mkdir(parents=True, exist_ok=True)
    partial = out_dir / "part-ageing.png"
    cv2.imwrite(str(partial), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    partial.replace(out_dir / "ageing.png")
    return out_dir / "ageing.png"


def ageing_picture(sampler: CanonicalSampler, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) bytes of the ratio in the template's atlas; all UNITY where old or young skins are missing."""
    uv, bare, covered = atlas_to_sheet(sampler, size)
    old = [_detail(skin, uv, covered) for skin in sampler.skins if skin.age > 0]
    young = [_detail(skin, uv, covered) for skin in sampler.skins if skin.age < 0]
    if not old or not young:
        return np.full((size, size, 3), UNITY, np.uint8)
    # Folds lie elsewhere on every old skin: their mean would thin them, so darks are taken at their deepest.
    old_detail = 0.5 * np.mean(old, 0) + 0.5 * np.min(old, 0)
    difference = (old_detail - np.mean(young, 0)) * covered[..., None]
    # Where the mean of the chosen detail is not zero, tone would change after all.
    width = COARSE * size
    difference -= _blurred(difference, covered, width)
    grey = difference.mean(2, keepdims=True)
    difference = (grey + CHROMA * (difference - grey)) * bare[..., None]
    ratio = np.exp(np.clip(STRENGTH * difference, -0.8, 0.45))
    return np.where(covered[..., None], np.clip(np.round(ratio * UNITY), 0, 255), UNITY).astype(np.uint8)


def atlas_to_sheet(
    sampler: CanonicalSampler, size: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """For every atlas pixel the skins' own UV (size, size, 2), how bare the skin is, and whether there is skin.

    Bare (size, size) is 0 under painted hair and inside mouth, sockets and nostrils, 1 on the face.
    """
    template = sampler.template
    skin = template.skin_faces
    corners = template.uv[template.faces_uv[skin]].reshape(-1, 2)
    points = np.concatenate([corners * [size, -size] + [0, size], np.ones((len(corners), 1))], 1)
    faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    fragments = rasterise_screen(points.astype(np.float32), faces, size, size)
    hairy = template.ears.astype(np.float32)
    edges = np.concatenate([template.faces[:, [0, 1]], template.faces[:, [1, 2]], template.faces[:, [2, 0]]])
    for _ in range(5):  # the painted hairline runs a little outside the template's scalp
        spread = hairy.copy()
        np.maximum.at(spread, edges.ravel(), 0.92 * hairy[edges[:, ::-1]].ravel())
        hairy = spread
    hairy = np.maximum(hairy, template.scalp)
    bare = np.clip(1.2 - 1.8 * hairy, 0, 1) * np.clip(1 - 2 * template.interior, 0, 1)
    values = np.concatenate([sampler.sheet_uv.reshape(-1, 2), bare[template.faces[skin]].reshape(-1, 1)], 1)
    carried = interpolate(fragments, faces, values.astype(np.float32))
    return carried[..., :2].copy(), cv2.GaussianBlur(carried[..., 2], (0, 0), size / 256), fragments.hit


def _detail(skin: Skin, uv: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(H, W, 3) logarithm of the skin's colour between the FINE and the COARSE width."""
    flat = uv.reshape(-1, 2)
    colours = skin.colours(flat, (flat[:, 0] > 0.638) & (flat[:, 1] > 0.145)).reshape(*covered.shape, 3)
    # Dark skin's bytes are few and noisy: an offset keeps their logarithm from exaggerating.
    logarithm = np.log(colours.astype(np.float32) / 255 + 0.06)
    size = covered.shape[0]
    return _blurred(logarithm, covered, FINE * size) - _blurred(logarithm, covered, COARSE * size)


def _blurred(values: NDArray[np.float32], covered: NDArray[np.bool_], width: float) -> NDArray[np.float32]:
    """Gaussian blur that does not look beyond the skin."""
    mask = covered.astype(np.float32)
    weight = cv2.GaussianBlur(mask, (0, 0), width)[..., None]
    return cv2.GaussianBlur(values.astype(np.float32) * mask[..., None], (0, 0), width) / np.maximum(
        weight, 1e-4
    )
