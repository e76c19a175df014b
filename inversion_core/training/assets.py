"""Reading the public head assets: MakeHuman's base mesh, targets, proxies and textures (all CC0).

Nothing here ships: only training reads assets. Units on disk are decimetres, +y up, +z out of the face.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.errors import MissingResource

EYE_HELPERS = {"left": slice(14598, 14670), "right": slice(14670, 14742)}
"""Vertices of the helper spheres that mark the eyeballs in the base mesh."""
BODY_VERTICES = 13380
"""Vertices of the visible body; the rest are helpers that proxies bind to."""


@dataclass(frozen=True)
class ObjMesh:
    """A Wavefront mesh of quads: ``faces`` and ``faces_uv`` are (F, 4), triangles repeat their last corner."""

    vertices: NDArray[np.float32]
    uv: NDArray[np.float32]
    faces: NDArray[np.int32]
    faces_uv: NDArray[np.int32]
    groups: NDArray[np.str_]


@dataclass(frozen=True)
class Proxy:
    """A mesh bound to the base mesh (eyes, teeth, hair …): vertex = Σ weights · base[refs] + scale · offsets.

    Source: MakeHuman's ``.mhclo`` format.
    """

    mesh: ObjMesh
    refs: NDArray[np.int32]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    scales: dict[str, tuple[int, int, float]]
    texture_path: Path | None

    def fitted(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """(V, 3) positions on a morphed base mesh (19158, 3)."""
        scale = np.ones(3, np.float32)
        for axis, name in enumerate("xyz"):
            if name in self.scales:
                a, b, reference = self.scales[name]
                scale[axis] = abs(base[a, axis] - base[b, axis]) / reference
        return (base[self.refs] * self.weights[..., None]).sum(1) + self.offsets * scale

    @cached_property
    def texture(self) -> NDArray[np.uint8] | None:
        """(H, W, 4) RGBA, or None where the pack has none."""
        return None if self.texture_path is None else read_rgba(self.texture_path)


def read_text(path: Path) -> str:
    """The file's text, decompressed when its name ends in .gz."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", "replace")


def read_rgba(path: Path) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 RGBA."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise MissingResource(f"The texture {path.name} cannot be read.", "Fetch the asset pack again.")
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGBA)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGBA)


def read_obj(path: Path) -> ObjMesh:
    """The mesh in a Wavefront file."""
    vertices, uv, faces, faces_uv, groups, group = [], [], [], [], [], ""
    for line in read_text(path).splitlines():
        word = line.split()
        if not word:
            continue
        if word[0] == "v":
            vertices.append([float(x) for x in word[1:4]])
        elif word[0] == "vt":
            uv.append([float(x) for x in word[1:3]])
        elif word[0] == "g":
            group = word[1] if len(word) > 1 else ""
        elif word[0] == "f":
            corners = [corner.split("/") for corner in word[1:]]
            v = [int(c[0]) - 1 for c in corners]
            t = [int(c[1]) - 1 if len(c) > 1 and c[1] else 0 for c in corners]
            faces.append((v + v[-1:])[:4])
            faces_uv.append((t + t[-1:])[:4])
            groups.append(group)
    return ObjMesh(
        np.array(vertices, np.float32),
        np.array(uv or [[0, 0]], np.float32),
        np.array(faces, np.int32),
        np.array(faces_uv, np.int32),
        np.array(groups),
    )


def read_proxy(folder: Path) -> Proxy:
    """The proxy in a folder that holds one .mhclo, its .obj and perhaps a texture."""
    refs, weights, offsets, scales, mode, mesh_name = [], [], [], {}, "", ""
    (clo,) = sorted(folder.glob("*.mhclo"))
    for line in read_text(clo).splitlines():
        word = line.split()
        if not word or word[0].startswith("#"):
            continue
        if word[0] in ("verts", "delete_verts"):
            mode = word[0]
        elif word[0] in ("x_scale", "y_scale", "z_scale"):
            scales[word[0][0]] = (int(word[1]), int(word[2]), float(word[3]))
        elif word[0] == "obj_file":
            mesh_name = word[1]
        elif mode == "verts" and word[0].lstrip("-").isdigit():
            if len(word) == 1:
                refs.append([int(word[0])] * 3)
                weights.append([1, 0, 0])
                offsets.append([0, 0, 0])
            else:
                refs.append([int(x) for x in word[:3]])
                weights.append([float(x) for x in word[3:6]])
                offsets.append([float(x) for x in word[6:9]] if len(word) >= 9 else [0, 0, 0])
    textures = [
        p for p in sorted(folder.iterdir()) if p.suffix in (".png", ".jpg") and "normal" not in p.name
    ]
    return Proxy(
        read_obj(folder / mesh_name),
        np.array(refs, np.int32),
        np.array(weights, np.float32),
        np.array(offsets, np.float32),
        scales,
        textures[0] if textures else None,
    )


class HeadAssets:
    """Everything in the asset folder, read when asked for.

    Raises:
        MissingResource: the folder does not hold the pack.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "makehuman" if (folder / "makehuman").is_dir() else folder
        if not (self.root / "3dobjs" / "base.obj.gz").is_file():
            raise MissingResource(
                f"There are no head assets in {folder}.",
                "See docs/training.md for where the public packs come from.",
            )

    @cached_property
    def base(self) -> ObjMesh:
        return read_obj(self.root / "3dobjs" / "base.obj.gz")

    @cached_property
    def targets(self) -> dict[str, tuple[NDArray[np.int32], NDArray[np.float32]]]:
        """Name ("nose/nose-hump-incr") -> vertex indices and (n, 3) offsets in decimetres."""
        result = {}
        folder = self.root / "targets"
        for path in sorted(folder.rglob("*.target.gz")):
            rows = [
                w
                for w in (line.split() for line in read_text(path).splitlines())
                if len(w) == 4 and w[0][0] != "#"
            ]
            table = np.array(rows, np.float64).reshape(-1, 4)
            name = path.relative_to(folder).as_posix().removesuffix(".target.gz")
            result[name] = (table[:, 0].astype(np.int32), table[:, 1:].astype(np.float32))
        return result

    @cached_property
    def modifiers(self) -> list[tuple[str | None, str]]:
        """(negative target or None, positive target) of every head slider."""
        groups = {"head", "forehead", "eyebrows", "neck", "eyes", "nose", "mouth", "ears", "chin", "cheek"}
        result = []
        for group in json.loads((self.root / "modifiers" / "modeling_modifiers.json").read_text()):
            if group["group"] not in groups:
                continue
            for modifier in group["modifiers"]:
                if "target" not in modifier:
                    continue
                name = f"{group['group']}/{modifier['target']}"
                low, high = (
                    (f"{name}-{modifier['min']}", f"{name}-{modifier['max']}")
                    if "min" in modifier
                    else (None, name)
                )
                if high in self.targets:
                    result.append((low if low in self.targets else None, high))
        return result

    def proxy(self, name: str) -> Proxy:
        """The proxy in a folder such as "teeth/teeth_base"."""
        return read_proxy(self.root / name)

    def names(self, kind: str) -> list[str]:
        """Proxies of a kind ("hair", "eyebrows"), as :meth:`proxy` takes them."""
        return sorted(
            p.parent.relative_to(self.root).as_posix() for p in (self.root / kind).glob("*/*.mhclo")
        )

    @cached_property
    def skins(self) -> list[Path]:
        """Whole-body skin sheets; the head window of each has the suffix ``_head``."""
        folder = self.root / "skins" / "textures"
        return sorted(p for p in folder.glob("*.jpg") if not p.stem.endswith("_head"))

    @cached_property
    def landmarks(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """MediaPipe's 478 points as triangles (478, 3) of base vertices and weights (478, 3)."""
        table = json.loads((self.root / "landmarks_mediapipe478.json").read_text())
        return np.array(table["triangles"], np.int32), np.array(table["weights"], np.float32)
