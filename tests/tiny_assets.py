"""A miniature of the head asset pack: an ellipsoid for a head, in MakeHuman's formats, made in a second."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from inversion_core.landmark_tables import mean_points
from inversion_core.training.assets import BODY_VERTICES, EYE_HELPERS
from inversion_core.training.head_model import macro_recipe
from inversion_core.training.template import (
    SHAPES,
    UNITS,
    WORLD_OFFSET,
    WORLD_SCALE,
    WORLD_TILT,
)

VERTICES = 19158
ROWS, COLUMNS = 22, 30
CENTRE, RADII = np.array([0.0, 7.3, 0.45]), np.array([0.75, 1.1, 0.95])
EYE, EYE_RADIUS = np.array([0.308, 7.284, 1.245]), 0.14


def write_tiny_assets(folder: Path) -> Path:
    """The folder, after writing a pack into it that every training function can read."""
    vertices, quads, uv = _base()
    _write_gzip(folder / "3dobjs" / "base.obj.gz", _obj(vertices, quads, uv, "body"))
    _write_targets(folder / "targets", vertices)
    (folder / "modifiers").mkdir()
    (folder / "modifiers" / "modeling_modifiers.json").write_text("[]")
    _write_landmarks(folder / "landmarks_mediapipe478.json", vertices[: ROWS * COLUMNS])
    _write_eyes(folder, vertices)
    rng = np.random.default_rng(0)
    front = _nearest(vertices, CENTRE + RADII * [0, -0.35, 0.94], 16)
    _write_card(folder / "teeth" / "teeth_base", "teeth_base", vertices, front, None, lift=-0.1)
    (folder / "teeth" / "materials").mkdir()
    _write_picture(folder / "teeth" / "materials" / "teeth.png", rng, alpha=True)
    _write_card(
        folder / "tongue" / "tongue01", "tongue01", vertices, front, "tongue01_diffuse.jpg", lift=-0.15
    )
    brow = _nearest(vertices, CENTRE + RADII * [0.3, 0.25, 0.92], 16)
    _write_card(folder / "eyebrows" / "eyebrow001", "eyebrow001", vertices, brow, "eyebrow001.png", lift=0.01)
    top = np.flatnonzero(vertices[: ROWS * COLUMNS, 1] > CENTRE[1] + 0.35)
    _write_card(folder / "hair" / "short01", "short01", vertices, top, "short01_diffuse.png", lift=0.12)
    for name, tone in (("young_light_female", 210), ("old_dark_male", 90), ("middleage_light_male", 170)):
        for suffix, shape in (("", (96, 96)), ("_head", (176, 96))):
            path = folder / "skins" / "textures" / f"{name}_diffuse{suffix}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = cv2.GaussianBlur(rng.normal(0, 60, (*shape, 3)), (0, 0), 4)
            cv2.imwrite(str(path), np.clip(tone + noise - [40, 20, 0], 0, 255).astype(np.uint8))
    return folder


def _base() -> tuple[NDArray, NDArray, NDArray]:
    """Vertices (19158, 3) with the ellipsoid first and eye helpers in place, its quads, and a UV per vertex."""
    vertices = np.zeros((VERTICES, 3))
    latitude = np.linspace(-1.45, 1.45, ROWS)
    longitude = np.linspace(-np.pi, np.pi, COLUMNS)
    y, x = np.meshgrid(latitude, longitude, indexing="ij")
    ball = np.stack([np.cos(y) * np.sin(x), np.sin(y), np.cos(y) * np.cos(x)], -1)
    vertices[: ROWS * COLUMNS] = (CENTRE + RADII * ball).reshape(-1, 3)
    for side, sign in (("left", 1), ("right", -1)):
        count = EYE_HELPERS[side].stop - EYE_HELPERS[side].start
        lat, lon = np.meshgrid(
            np.linspace(-1.5, 1.5, 6), np.linspace(0, 2 * np.pi, count // 6), indexing="ij"
        )
        eye = np.stack([np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], -1).reshape(-1, 3)
        vertices[EYE_HELPERS[side]] = EYE * [sign, 1, 1] + EYE_RADIUS * eye
    i = np.arange((ROWS - 1) * COLUMNS).reshape(ROWS - 1, COLUMNS)[:, :-1].ravel()
    quads = np.stack([i, i + 1, i + COLUMNS + 1, i + COLUMNS], 1)
    uv = np.zeros((VERTICES, 2))
    across, up = np.meshgrid(np.linspace(0.66, 0.98, COLUMNS), np.linspace(0.17, 0.8, ROWS))
    uv[: ROWS * COLUMNS] = np.stack([across.ravel(), up.ravel()], 1)
    return vertices, quads, uv


def _obj(vertices, quads, uv, group: str) -> str:
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in vertices] + [f"vt {u:.5f} {v:.5f}" for u, v in uv]
    lines.append(f"g {group}")
    return "\n".join(lines + ["f " + " ".join(f"{c + 1}/{c + 1}" for c in quad) for quad in quads])


def _write_gzip(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 1))


def _write_targets(folder: Path, vertices: NDArray) -> None:
    """Every target that a recipe names: each swells its own patch of the head a little."""
    names = {name for sides in SHAPES.values() for side in sides for name in side}
    names |= {"head/head-age-incr", "head/head-fat-incr", "head/head-fat-decr"}
    names |= {f"ears/{side}-ear-trans-up" for side in "lr"}
    names |= {f"expression/units/{e}/{u}" for e in ("african", "asian", "caucasian") for u in UNITS}
    for gender in (0.0, 1.0, 0.5):
        for age in (0.1, 0.3, 0.7):
            for muscle in (0.2, 0.8):
                for weight in (0.2, 0.8):
                    names |= macro_recipe(gender, age, (1, 1, 1), muscle, weight).keys()
                    names |= macro_recipe(gender, age, (1, 1, 1), 0.5, weight).keys()
                    names |= macro_recipe(gender, age, (1, 1, 1), muscle, 0.5).keys()
            names |= macro_recipe(gender, age, (1, 1, 1)).keys()
    outward = (vertices[: ROWS * COLUMNS] - CENTRE) * 0.02
    for seed, name in enumerate(sorted(names)):
        chosen = np.random.default_rng(seed).choice(ROWS * COLUMNS, 12, replace=False)
        lines = [f"{i} {outward[i, 0]:.4f} {outward[i, 1]:.4f} {outward[i, 2]:.4f}" for i in np.sort(chosen)]
        _write_gzip(folder / f"{name}.target.gz", "\n".join(lines))


def _write_landmarks(path: Path, ball: NDArray) -> None:
    cos, sin = np.cos(WORLD_TILT), np.sin(WORLD_TILT)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    points = (mean_points() - WORLD_OFFSET) / WORLD_SCALE @ turn
    _, nearest = cKDTree(ball).query(points, k=3)
    weights = np.tile([0.4, 0.3, 0.3], (len(points), 1))
    path.write_text(json.dumps({"triangles": nearest.tolist(), "weights": weights.tolist()}))


def _write_eyes(folder: Path, vertices: NDArray) -> None:
    index = np.r_[EYE_HELPERS["left"], EYE_HELPERS["right"]]
    row = len(index) // 12
    quads = [
        [base + r * row + c, base + r * row + c + 1, base + (r + 1) * row + c + 1, base + (r + 1) * row + c]
        for base in (0, len(index) // 2)
        for r in range(5)
        for c in range(row - 1)
    ]
    uv = np.random.default_rng(1).random((len(index), 2))
    home = folder / "eyes" / "high-poly"
    home.mkdir(parents=True)
    (home / "high-poly.obj").write_text(_obj(vertices[index], quads, uv, "eyes"))
    (home / "high-poly.mhclo").write_text("obj_file high-poly.obj\nverts 0\n" + "\n".join(map(str, index)))
    (folder / "eyes" / "materials").mkdir()
    for seed, name in enumerate(("blue", "brown")):
        picture = folder / "eyes" / "materials" / f"{name}_eye.png"
        _write_picture(picture, np.random.default_rng(seed), alpha=True)


def _write_card(home: Path, name: str, vertices, index, texture: str | None, lift: float) -> None:
    """A proxy: copies of the quads between some body vertices, lifted off the head."""
    home.mkdir(parents=True)
    place = {int(v): n for n, v in enumerate(index)}
    _, quads, uv = _base()
    inside = [[place[int(v)] for v in quad] for quad in quads if all(int(v) in place for v in quad)]
    away = (vertices[index] - CENTRE) / np.linalg.norm(vertices[index] - CENTRE, axis=1, keepdims=True) * lift
    corners = uv[index] - uv[index].min(0)
    (home / f"{name}.obj").write_text(
        _obj(vertices[index] + away, inside, corners / (corners.max(0) + 1e-9), name)
    )
    rows = [f"{v} {v} {v} 1 0 0 {a[0]:.4f} {a[1]:.4f} {a[2]:.4f}" for v, a in zip(index, away, strict=True)]
    (home / f"{name}.mhclo").write_text(f"obj_file {name}.obj\nverts 0\n" + "\n".join(rows))
    if texture:
        _write_picture(home / texture, np.random.default_rng(len(name)), alpha=texture.endswith("png"))


def _nearest(vertices: NDArray, point: NDArray, count: int) -> NDArray[np.int64]:
    return np.sort(cKDTree(vertices[: ROWS * COLUMNS]).query(point, k=count)[1])


def _write_picture(path: Path, rng: np.random.Generator, alpha: bool) -> None:
    picture = np.clip(128 + cv2.GaussianBlur(rng.normal(0, 90, (32, 32, 4)), (0, 0), 3), 0, 255)
    picture[..., 3] = 255
    cv2.imwrite(str(path), picture.astype(np.uint8)[..., : 4 if alpha else 3])


assert ROWS * COLUMNS < BODY_VERTICES
