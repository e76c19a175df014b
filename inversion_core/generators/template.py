"""The deformable head: one topology for every person, linear in its codes.

A coarse mesh (skin, eyeballs, teeth, tongue) carries the basis; a sparse matrix subdivides it once. The canonical
pose, in which the field lives, has the lips apart and the eyes open, so that lids and lips are separate surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from inversion_core.compiled import serial
from inversion_core.errors import MissingResource
from inversion_core.landmark_tables import OUTER_LIPS

SKIN, EYES, TEETH, TONGUE = 0, 1, 2, 3
"""Part numbers of vertices."""

LOWER_JAW, BELOW = 0.0225, -0.06
"""World units that what belongs to the lower jaw moves at least when the mouth opens, and where it ends above."""
QUANTUM = 1.6e-5
"""World units per step of the stored int16 offsets; the largest offset is 0.52."""


@dataclass(frozen=True)
class HeadTemplate:
    """Geometry of the bundled model. C coarse vertices, V fine vertices, F faces, K identity modes.

    Attributes:
        mean: (C, 3) float32 average head, world units, mouth closed, eyes open.
        identity: (K, C, 3) float32 principal components, scaled so that a coefficient of 1 is one standard deviation.
        units: expression unit names; unit_offsets: (E, C, 3) float32 at full strength.
        shapes: slider names with their own offsets; shape_positive, shape_negative: (S, C, 3) float32 at +1 and -1.
        subdivision: (V, C) sparse, fine = subdivision @ coarse.
        faces: (F, 3) int32 on fine vertices; faces_uv: (F, 3) int32 into uv (U, 2) float32.
        part: (V,) uint8, one of SKIN, EYES, TEETH, TONGUE.
        canonical: (V, 3) float32 positions in the canonical pose.
        mirror: (V,) int32, the vertex on the other side.
        scalp: (V,) float32 in [0, 1], where short hair grows.
        mantle: (V,) float32 in [0, 1], sides and back of the neck and the ears: what long hair hides.
        ears: (V,) float32 in [0, 1].
        interior: (V,) float32, 1 in the mouth, 0.5 behind the lids, 0 elsewhere: never painted from outside.
        landmark_vertices: (478, 3) int32 coarse vertices, landmark_weights (478, 3) float32: MediaPipe's points.
    """

    mean: NDArray[np.float32]
    identity: NDArray[np.float32]
    units: tuple[str, ...]
    unit_offsets: NDArray[np.float32]
    shapes: tuple[str, ...]
    shape_positive: NDArray[np.float32]
    shape_negative: NDArray[np.float32]
    subdivision: sparse.csr_matrix
    faces: NDArray[np.int32]
    uv: NDArray[np.float32]
    faces_uv: NDArray[np.int32]
    part: NDArray[np.uint8]
    canonical: NDArray[np.float32]
    mirror: NDArray[np.int32]
    scalp: NDArray[np.float32]
    mantle: NDArray[np.float32]
    ears: NDArray[np.float32]
    interior: NDArray[np.float32]
    landmark_vertices: NDArray[np.int32]
    landmark_weights: NDArray[np.float32]

    def coarse(self, identity, expression, shape) -> NDArray[np.float32]:
        """(C, 3) deformed coarse vertices.

        Args:
            identity: (K,) in standard deviations; expression: (E,) unit strengths; shape: (S,) in [-1, 1].
        """
        result = self.mean.reshape(-1).copy()
        for code, basis in (
            (identity, self.identity),
            (expression, self.unit_offsets),
            (np.maximum(shape, 0), self.shape_positive),
            (np.maximum(-np.asarray(shape), 0), self.shape_negative),
        ):
            code = np.asarray(code, np.float32)
            used, rows = np.flatnonzero(code), basis.reshape(len(basis), -1)
            if used.size == len(code):
                result += code @ rows
            elif used.size:
                result += code[used] @ rows[used]
        return result.reshape(-1, 3)

    def fine(self, coarse: NDArray[np.float32]) -> NDArray[np.float32]:
        """(V, 3) subdivided vertices."""
        return np.asarray(self.subdivision @ coarse, np.float32)

    def landmarks(self, coarse: NDArray[np.float32]) -> NDArray[np.float32]:
        """(…, 478, 3) positions of MediaPipe's points on (…, C, 3) vertices."""
        corners = coarse[..., self.landmark_vertices, :]
        return (corners * self.landmark_weights[..., None]).sum(-2)

    @cached_property
    def adjacency(self) -> sparse.csr_matrix:
        """(V, V) 0/1 matrix of edges."""
        a = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        n = len(self.part)
        matrix = sparse.coo_matrix((np.ones(len(a), np.float32), (a[:, 0], a[:, 1])), (n, n)).tocsr()
        matrix = matrix + matrix.T
        matrix.data[:] = 1
        return matrix

    @cached_property
    def spreading(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """(V, V) 0/1 matrix of the edges that do not lead from face to scalp, and its Laplacian in float64."""
        edges = self.adjacency.tocoo()
        scalp = self.scalp > 0.5
        same = scalp[edges.row] == scalp[edges.col]
        adjacency = sparse.csr_matrix((edges.data[same], (edges.row[same], edges.col[same])), edges.shape)
        degree = np.asarray(adjacency.sum(1)).ravel()
        return adjacency, (sparse.diags(degree + 1e-6) - adjacency).tocsr().astype(np.float64)

    @cached_property
    def coarse_part(self) -> NDArray[np.uint8]:
        """(C,) part numbers of the coarse vertices."""
        result = np.zeros(len(self.mean), np.uint8)
        matrix = self.subdivision.tocoo()
        result[matrix.col] = self.part[matrix.row]
        return result

    @cached_property
    def lids(self) -> NDArray[np.float32]:
        """(2, 2, V) for either eye (the head's left, right): how far a vertex belongs to the closing lid, and to
        its margin, where the lashes sit; both in [0, 1]."""
        result = []
        for unit in ("eye-left-closure", "eye-right-closure"):
            offsets = self.fine(self.unit_offsets[self.units.index(unit)])
            travel = np.linalg.norm(offsets, axis=1)
            share = travel / travel.max() * (self.part == SKIN)
            # The margin is the closed lid's lower edge, from one corner of the eye to the other.
            closed = self.fine(self.mean) + offsets
            moving = np.flatnonzero((self.part == SKIN) & (-offsets[:, 1] > 0.08 * travel.max()))
            x, y = closed[moving, 0], closed[moving, 1]
            edges = np.linspace(x.min(), x.max() + 1e-6, 17)
            column = np.digitize(x, edges) - 1
            lowest = np.full(16, np.inf)
            np.minimum.at(lowest, column, y)
            known = np.isfinite(lowest)
            lowest = np.interp(x, ((edges[1:] + edges[:-1]) / 2)[known], lowest[known])
            margin = np.zeros(len(self.part), np.float32)
            margin[moving] = np.clip(1.15 - (y - lowest) / 0.0042, 0, 1)
            result.append(np.stack([np.clip((share - 0.02) / 0.12, 0, 1), margin]))
        return np.stack(result).astype(np.float32)

    @cached_property
    def behind(self) -> NDArray[np.float32]:
        """(V,) how much farther away than it is each vertex is drawn: wide mouths must not push teeth, tongue or
        the mouth's lining through lips and cheeks."""
        inner = (self.part == TEETH) | (self.part == TONGUE)
        return np.select([inner, self.interior > 0.75], [0.016, 0.034], 0).astype(np.float32)

    @cached_property
    def tooth(self) -> NDArray[np.intp]:
        """(T,) for the vertices of TEETH the number of their tooth, from 1 on; gums and palate, in one piece, are 0."""
        teeth = np.flatnonzero(self.part == TEETH)
        piece = connected_components(self.adjacency[teeth][:, teeth], directed=False)[1]
        largest_first = np.argsort(-np.bincount(piece, minlength=1), kind="stable")
        return np.argsort(largest_first)[piece]

    @cached_property
    def lower_teeth(self) -> NDArray[np.bool_]:
        """(T,) for the vertices of TEETH whether they belong to the lower jaw."""
        drop = np.linalg.norm(self.unit_offsets[self.units.index("mouth-open")], axis=1)
        moved = self.subdivision @ np.column_stack([drop, self.mean[:, 1]]).astype(np.float32)
        return ((moved[:, 0] > LOWER_JAW) & (moved[:, 1] < BELOW))[self.part == TEETH]

    @cached_property
    def crowns(self) -> NDArray[np.bool_]:
        """(V,) whether a vertex is of a tooth."""
        result = self.part == TEETH
        result[result] = self.tooth > 0
        return result

    @cached_property
    def lips(self) -> NDArray[np.float32]:
        """(V,) in [0, 1], how far a vertex is of the lips' red."""
        points, fine = self.landmarks(self.mean), self.fine(self.mean)
        middle = points[[13, 14]].mean(0)
        ring = points[list(OUTER_LIPS), :2] - middle[:2]
        away = fine[:, :2] - middle[:2]
        turn = np.arctan2(ring[:, 1], ring[:, 0])
        order = np.argsort(turn)
        reach = np.interp(
            np.arctan2(away[:, 1], away[:, 0]),
            turn[order],
            np.linalg.norm(ring, axis=1)[order],
            period=2 * np.pi,
        )
        share = np.clip((reach - np.linalg.norm(away, axis=1)) / 0.004 + 0.5, 0, 1)
        front = (np.abs(fine[:, 2] - middle[2]) < 0.05) & (self.part == SKIN) & (self.interior < 0.25)
        return (share * front).astype(np.float32)

    @cached_property
    def mouth_inside(self) -> NDArray[np.intp]:
        """(N,) vertices of teeth, gums, tongue and the mouth's lining."""
        return np.flatnonzero((self.part == TEETH) | (self.part == TONGUE) | (self.interior > 0.75))

    @property
    def skin_faces(self) -> NDArray[np.bool_]:
        """(F,) whether a face belongs to the skin."""
        return self.part[self.faces[:, 0]] == SKIN


def vertex_normals(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    """(V, 3) area-weighted unit normals."""
    normals = np.zeros((len(vertices), 3))
    add_face_normals(
        np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32), normals
    )
    _to_unit_length(normals)
    return normals.astype(np.float32)


@serial
def add_face_normals(vertices, faces, normals):
    """Add each face's normal, as long as twice its area, to ``normals`` (V, 3) at its corners."""
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = (
            vertices[j, 0] - vertices[i, 0],
            vertices[j, 1] - vertices[i, 1],
            vertices[j, 2] - vertices[i, 2],
        )
        vx, vy, vz = (
            vertices[k, 0] - vertices[i, 0],
            vertices[k, 1] - vertices[i, 1],
            vertices[k, 2] - vertices[i, 2],
        )
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (i, j, k):
            normals[corner, 0] += x
            normals[corner, 1] += y
            normals[corner, 2] += z


@serial
def _to_unit_length(normals):
    for i in range(len(normals)):
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2)
        for axis in range(3):
            normals[i, axis] /= max(length, 1e-20)


def save_template(template: HeadTemplate, path: Path) -> None:
    """Write the template as safetensors; offsets are rounded to int16 steps of :data:`QUANTUM`."""

    def packed(offsets: NDArray[np.float32]) -> NDArray[np.int16]:
        return np.clip(np.round(offsets / QUANTUM), -32767, 32767).astype(np.int16)

    matrix = template.subdivision.tocsr()
    arrays = {
        "mean": template.mean.astype(np.float32),
        "identity": packed(template.identity),
        "unit_offsets": packed(template.unit_offsets),
        "shape_positive": packed(template.shape_positive),
        "shape_negative": packed(template.shape_negative),
        "subdivision.data": matrix.data.astype(np.float32),
        "subdivision.indices": matrix.indices.astype(np.int32),
        "subdivision.indptr": matrix.indptr.astype(np.int32),
    }
    for name in (
        "faces",
        "uv",
        "faces_uv",
        "part",
        "canonical",
        "mirror",
        "scalp",
        "mantle",
        "ears",
        "interior",
    ):
        arrays[name] = np.ascontiguousarray(getattr(template, name))
    arrays["landmark_vertices"] = template.landmark_vertices
    arrays["landmark_weights"] = template.landmark_weights
    metadata = {"units": "\n".join(template.units), "shapes": "\n".join(template.shapes)}
    # Views that are not contiguous would be written in their memory order, not their logical one.
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, str(path), metadata=metadata)


def load_template(path: Path) -> HeadTemplate:
    """The template in a file of :func:`save_template`.

    Raises:
        MissingResource: the file is not there.
    """
    from safetensors import safe_open

    if not path.is_file():
        raise MissingResource(
            f"The bundled model's geometry ({path.name}) is missing.",
            "Install Facet again, or train it: facet train.",
        )
    arrays = load_file(str(path))
    with safe_open(str(path), framework="numpy") as handle:
        metadata = handle.metadata()

    def unpacked(name: str) -> NDArray[np.float32]:
        return arrays[name].astype(np.float32) * np.float32(QUANTUM)

    matrix = sparse.csr_matrix(
        (arrays["subdivision.data"], arrays["subdivision.indices"], arrays["subdivision.indptr"]),
        (len(arrays["part"]), len(arrays["mean"])),
    )
    return HeadTemplate(
        mean=arrays["mean"],
        identity=unpacked("identity"),
        units=tuple(metadata["units"].split("\n")),
        unit_offsets=unpacked("unit_offsets"),
        shapes=tuple(metadata["shapes"].split("\n")),
        shape_positive=unpacked("shape_positive"),
        shape_negative=unpacked("shape_negative"),
        subdivision=matrix,
        **{
            name: arrays[name]
            for name in (
                "faces",
                "uv",
                "faces_uv",
                "part",
                "canonical",
                "mirror",
                "scalp",
                "mantle",
                "ears",
                "interior",
                "landmark_vertices",
                "landmark_weights",
            )
        },
    )
