"""Distilling the head template: one topology, identity components, expression units and shape sliders.

``facet train geometry --assets DIR`` runs :func:`build_template`; it takes about a minute.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from inversion_core.generators.template import EYES, SKIN, TEETH, TONGUE, HeadTemplate
from inversion_core.landmark_tables import OVAL as FACE_OVAL
from inversion_core.task import Progress, Task
from inversion_core.training.assets import HeadAssets, ObjMesh
from inversion_core.training.head_model import (
    Recipe,
    expression_recipe,
    eye_centre,
    macro_recipe,
    morphed,
    random_identity,
)
from inversion_core.training.subdivide import subdivided
from inversion_core.training.width_sliders import jaw_offsets, nose_offsets, outer_skin

WORLD_SCALE = 0.25245
WORLD_TILT = np.radians(-4.9035)
WORLD_OFFSET = np.array([0.0, -1.78135, 0.01535])
"""Decimetres to EG3D's world: scale, turn about x, shift. Found by least squares between the mean landmarks and
the camera labels that EG3D's preprocessing gives for real photos (see docs/quality.md)."""

LOWEST, WIDEST = 4.9, 3.2
"""Faces of the body below / beside these decimetres are dropped."""

IDENTITY_MODES = 80

TONGUE_REST = np.array([0.0, -0.07, -0.05], np.float32)
"""Decimetres by which the tongue is laid lower and farther back than the pack has it, clear of the teeth."""

UNITS = (
    "mouth-open",
    "mouth-corner-puller",
    "mouth-parling",
    "mouth-part-later",
    "mouth-compression",
    "mouth-depression",
    "mouth-depression-retraction",
    "mouth-elevation",
    "mouth-eversion",
    "mouth-protusion",
    "mouth-pursing",
    "mouth-retraction",
    "mouth-upward-retraction",
    "nose-compression",
    "nose-depression",
    "eye-left-closure",
    "eye-right-closure",
    "eye-left-opened-up",
    "eye-right-opened-up",
    "eye-left-slit",
    "eye-right-slit",
    "eyebrows-left-down",
    "eyebrows-right-down",
    "eyebrows-left-up",
    "eyebrows-right-up",
    "eyebrows-left-inner-up",
    "eyebrows-right-inner-up",
    "eyebrows-left-extern-up",
    "eyebrows-right-extern-up",
)

CANONICAL_UNITS = {"mouth-open": 0.6, "eye-left-opened-up": 0.7, "eye-right-opened-up": 0.7}
"""The canonical pose; see docs/architecture.md for why the mouth is open so wide."""

SHAPES: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    # slider: targets at +1, targets at -1
    "face_width": ({"head/head-scale-horiz-incr": 0.9}, {"head/head-scale-horiz-decr": 0.9}),
    "chin_length": (
        {"chin/chin-height-incr": 1.0, "chin/chin-jaw-drop-incr": 0.3},
        {"chin/chin-height-decr": 1.0, "chin/chin-jaw-drop-decr": 0.3},
    ),
    "cheek_fullness": (
        {f"cheek/{s}-cheek-{k}-incr": w for s in "lr" for k, w in (("volume", 1.0), ("inner", 0.6))},
        {f"cheek/{s}-cheek-{k}-decr": w for s in "lr" for k, w in (("volume", 1.0), ("inner", 0.6))},
    ),
    "nose_length": (
        {"nose/nose-scale-vert-incr": 1.0, "nose/nose-trans-down": 0.2},
        {"nose/nose-scale-vert-decr": 1.0, "nose/nose-trans-up": 0.2},
    ),
    "eye_size": (
        {f"eyes/{s}-eye-{k}-incr": w for s in "lr" for k, w in (("scale", 0.9), ("height2", 0.4))},
        {f"eyes/{s}-eye-{k}-decr": w for s in "lr" for k, w in (("scale", 0.9), ("height2", 0.4))},
    ),
    "lip_fullness": (
        {
            f"mouth/mouth-{k}-incr": 0.9
            for k in ("upperlip-volume", "lowerlip-volume", "upperlip-height", "lowerlip-height")
        },
        {
            f"mouth/mouth-{k}-decr": 0.9
            for k in ("upperlip-volume", "lowerlip-volume", "upperlip-height", "lowerlip-height")
        },
    ),
    "ear_size": (
        {f"ears/{s}-ear-scale-incr": 1.0 for s in "lr"},
        {f"ears/{s}-ear-scale-decr": 1.0 for s in "lr"},
    ),
}
"""Shape sliders that MakeHuman's targets express; ``jaw_width``, ``nose_width`` and the characters are made below."""


def to_world(vertices: NDArray[np.float32], centre: NDArray[np.float32], reference: NDArray[np.float32]):
    """(…, 3) decimetres to world units, with this head's eye centre put where the average head's is."""
    cos, sin = np.cos(WORLD_TILT), np.sin(WORLD_TILT)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return ((vertices - centre + reference) @ turn.T * WORLD_SCALE + WORLD_OFFSET).astype(np.float32)


class TemplateBuilder:
    """The chosen part of the base mesh and its proxies, and where a recipe puts their vertices."""

    def __init__(self, assets: HeadAssets) -> None:
        self.assets = assets
        base = assets.base
        middle = base.vertices[base.faces].mean(1)
        self.kept = (base.groups == "body") & (middle[:, 1] > LOWEST) & (np.abs(middle[:, 0]) < WIDEST)
        self.body = np.unique(base.faces[self.kept])
        self.proxies = [assets.proxy(n) for n in ("eyes/high-poly", "teeth/teeth_base", "tongue/tongue01")]
        self.average: Recipe = macro_recipe(0.5, 0.52, (1 / 3, 1 / 3, 1 / 3))
        self.reference = eye_centre(morphed(assets, self.average))

    def place(self, recipe: Recipe, expression: Recipe | None = None) -> NDArray[np.float32]:
        """(C, 3) coarse vertices in world units; expressions do not move the head's origin."""
        still = morphed(self.assets, recipe)
        centre = eye_centre(still)
        base = morphed(self.assets, {**recipe, **expression}) if expression else still
        eyes, teeth, tongue = (proxy.fitted(base) for proxy in self.proxies)
        tongue = tongue + TONGUE_REST
        if expression:
            # The pack's tongue stays behind when the jaw drops: it is carried by the lower teeth.
            resting = self.proxies[1].fitted(still)
            lower = resting[:, 1] < np.median(resting[:, 1])
            tongue = tongue + 0.9 * (teeth - resting)[lower].mean(0)
        parts = [base[self.body], eyes, teeth, tongue]
        return to_world(np.concatenate(parts), centre, self.reference)


def _component_analysis(samples: NDArray[np.float32], modes: int):
    """Mean and the leading components (modes, C, 3), each of one standard deviation."""
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    mean = flat.mean(0)
    flat -= mean
    values, vectors = np.linalg.eigh(flat @ flat.T)
    order = np.argsort(values)[::-1][:modes]
    # Columns of flatᵀu/√n have the standard deviation of their component as length.
    components = (flat.T @ vectors[:, order]) / np.sqrt(len(samples))
    shape = samples.shape[1:]
    return mean.reshape(shape).astype(np.float32), components.T.reshape(-1, *shape).astype(np.float32)


def build_template(assets: HeadAssets, samples: int = 900, seed: int = 0) -> Task[HeadTemplate]:
    """The bundled model's geometry, distilled from the assets."""
    builder = TemplateBuilder(assets)
    rng = np.random.default_rng(seed)
    heads = np.empty((samples, *builder.place(builder.average).shape), np.float32)
    for i in range(samples):
        heads[i] = builder.place(random_identity(assets, rng))
        if i % 50 == 0:
            yield Progress(i, samples, "random heads")
    # Mirror every head once more, so that the mean is symmetric and asymmetry has no preferred side.
    mean, identity = _component_analysis(heads, IDENTITY_MODES)
    yield Progress(samples, samples, "basis")

    neutral = builder.place(builder.average)
    units = np.stack([builder.place(builder.average, expression_recipe(u, 1.0)) - neutral for u in UNITS])

    body_to_compact = np.full(len(assets.base.vertices), -1, np.int64)
    body_to_compact[builder.body] = np.arange(len(builder.body))
    triangles, weights = assets.landmarks
    landmark_vertices, landmark_weights = _bound_landmarks(builder, body_to_compact, triangles, weights)

    def direction(recipe: Recipe) -> NDArray[np.float32]:
        total = dict(builder.average)
        for name, value in recipe.items():
            total[name] = total.get(name, 0.0) + value
        return builder.place(total) - neutral

    def macro(**changes) -> NDArray[np.float32]:
        settings = {
            "gender": 0.5,
            "age": 0.52,
            "ethnicity": (1 / 3, 1 / 3, 1 / 3),
            "muscle": 0.5,
            "weight": 0.5,
        }
        return builder.place(macro_recipe(**{**settings, **changes})) - neutral

    positive = {name: direction(high) for name, (high, _) in SHAPES.items()}
    negative = {name: direction(low) for name, (_, low) in SHAPES.items()}
    for name in ("jaw_width", "nose_width"):
        # Made below, where it is known what is outer skin; they keep their places among the others.
        positive[name] = negative[name] = np.zeros_like(neutral)
    positive["age"] = macro(age=0.98) + 0.5 * direction({"head/head-age-incr": 1.0})
    negative["age"] = 0.6 * macro(age=0.26)
    positive["weight"] = macro(weight=1.0) + 0.4 * direction({"head/head-fat-incr": 1.0})
    negative["weight"] = macro(weight=0.0) + 0.4 * direction({"head/head-fat-decr": 1.0})
    positive["masculinity"] = 1.2 * macro(gender=1.0)
    negative["masculinity"] = 1.2 * macro(gender=0.0)
    shapes = tuple(positive)

    kept_faces = body_to_compact[assets.base.faces[builder.kept]]
    topology = _topology(builder, kept_faces, len(builder.body))
    matrix, faces, uv, faces_uv, part, interior_islands = topology
    canonical_expression: dict[str, float] = {}
    for unit, strength in CANONICAL_UNITS.items():
        canonical_expression.update(expression_recipe(unit, strength))
    canonical = np.asarray(matrix @ builder.place(builder.average, canonical_expression), np.float32)
    yield Progress(samples, samples, "maps")
    outer = outer_skin(matrix, part, interior_islands)
    mean_landmarks = (mean[landmark_vertices] * landmark_weights[..., None]).sum(1)
    positive["jaw_width"], negative["jaw_width"] = jaw_offsets(mean, mean_landmarks, outer)
    positive["nose_width"], negative["nose_width"] = nose_offsets(mean, mean_landmarks, outer)
    ear_shift = direction({f"ears/{side}-ear-trans-up": 1.0 for side in "lr"})
    scalp, mantle, ears = _regions(
        mean_landmarks, np.asarray(matrix @ mean, np.float32), matrix @ ear_shift, part, faces
    )
    return HeadTemplate(
        mean=mean,
        identity=identity,
        units=UNITS,
        unit_offsets=units.astype(np.float32),
        shapes=shapes,
        shape_positive=np.stack([positive[n] for n in shapes]).astype(np.float32),
        shape_negative=np.stack([negative[n] for n in shapes]).astype(np.float32),
        subdivision=matrix,
        faces=faces,
        uv=uv,
        faces_uv=faces_uv,
        part=part,
        canonical=canonical,
        mirror=_mirror(np.asarray(matrix @ neutral), part),
        scalp=scalp,
        mantle=mantle,
        ears=ears,
        interior=interior_islands,
        landmark_vertices=landmark_vertices,
        landmark_weights=landmark_weights,
    )


def _bound_landmarks(builder: TemplateBuilder, compact, triangles, weights):
    """Landmarks on compact vertices; the irises, bound to helpers in the pack, go to the nearest eyeball vertices."""
    base = morphed(builder.assets, builder.average)
    vertices = compact[triangles]
    weights = weights.copy()
    eyes = builder.proxies[0].fitted(base)
    tree = cKDTree(eyes)
    points = (base[triangles] * weights[..., None]).sum(1)
    for i in np.flatnonzero((vertices < 0).any(1)):
        distance, index = tree.query(points[i], k=3)
        near = 1 / (distance + 1e-3)
        vertices[i] = len(builder.body) + index
        weights[i] = near / near.sum()
    return vertices.astype(np.int32), weights.astype(np.float32)


def _topology(builder: TemplateBuilder, kept_faces: NDArray[np.int64], body_count: int):
    """Subdivision matrix, triangles, atlas UVs, parts and the interior mask of the fine mesh."""
    assets = builder.assets
    faces_uv = assets.base.faces_uv[builder.kept]
    skin = ObjMesh(
        np.zeros((body_count, 3), np.float32),
        assets.base.uv,
        kept_faces.astype(np.int32),
        faces_uv,
        np.array([]),
    )
    matrix, quads, quads_uv, uv = subdivided(skin)
    u, v = uv.T
    in_mouth = (u > 0.75) & (v < 0.14)
    in_socket = (u < 0.16) & (v > 0.5) & (v < 0.65)
    interior = np.zeros(matrix.shape[0], np.float32)
    inside = (in_mouth | in_socket)[quads_uv].all(1)
    interior[np.unique(quads[inside])] = 1
    interior[np.unique(quads[in_socket[quads_uv].all(1)])] = 0.5
    interior[np.unique(quads[~inside])] = 0
    all_uv, all_faces, all_faces_uv = [_skin_atlas(uv)], [_triangles(quads)], [_triangles(quads_uv)]
    blocks, parts = [matrix], [np.full(matrix.shape[0], SKIN, np.uint8)]
    vertex_base, uv_base = matrix.shape[0], len(uv)
    boxes = {EYES: (0.76, 0.24, 0.22), TEETH: (0.76, 0.01, 0.22), TONGUE: (0.62, 0.01, 0.13)}
    for part, proxy in zip((EYES, TEETH, TONGUE), builder.proxies, strict=True):
        count = len(proxy.refs)
        left, bottom, side = boxes[part]
        blocks.append(sparse.identity(count, np.float32, "csr"))
        parts.append(np.full(count, part, np.uint8))
        all_faces.append(_triangles(proxy.mesh.faces) + vertex_base)
        all_faces_uv.append(_triangles(proxy.mesh.faces_uv) + uv_base)
        all_uv.append(np.clip(proxy.mesh.uv, 0, 1) * side + [left, bottom])
        vertex_base, uv_base = vertex_base + count, uv_base + len(proxy.mesh.uv)
    faces, faces_uv = np.concatenate(all_faces), np.concatenate(all_faces_uv)
    real = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    parts = np.concatenate(parts)
    return (
        sparse.block_diag(blocks, "csr").astype(np.float32),
        faces[real].astype(np.int32),
        np.concatenate(all_uv).astype(np.float32),
        faces_uv[real].astype(np.int32),
        parts,
        np.concatenate([interior, np.zeros(len(parts) - len(interior), np.float32)]),
    )


def _triangles(quads: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _skin_atlas(uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """MakeHuman's body UVs repacked for a head: the head island upright across the top, the rest below."""
    u, v = uv.T
    result = np.empty_like(uv)
    head = (u > 0.638) & (v > 0.145)
    mouth = (u > 0.75) & (v <= 0.145)
    socket = (u < 0.16) & (v > 0.5) & (v < 0.65)
    body = ~(head | mouth | socket)

    def put(mask, x, y, left, bottom, width, height) -> None:
        result[mask, 0] = left + np.clip(x[mask], 0, 1) * width
        result[mask, 1] = bottom + np.clip(y[mask], 0, 1) * height

    put(head, (v - 0.145) / 0.677, 1 - (u - 0.638) / 0.360, 0.005, 0.465, 0.99, 0.53)
    put(mouth, (u - 0.755) / 0.172, (v - 0.010) / 0.128, 0.62, 0.28, 0.13, 0.10)
    put(socket, (u - 0.010) / 0.143, (v - 0.545) / 0.090, 0.62, 0.16, 0.13, 0.08)
    put(body, (u - 0.18) / 0.40, (v - 0.77) / 0.21, 0.005, 0.01, 0.60, 0.44)
    return result


def _mirror(vertices: NDArray[np.float32], part: NDArray[np.uint8]) -> NDArray[np.int32]:
    """For every vertex the one nearest to its mirror image in the same part."""
    result = np.arange(len(vertices), dtype=np.int32)
    for kind in np.unique(part):
        index = np.flatnonzero(part == kind)
        flipped = vertices[index] * [-1, 1, 1]
        result[index] = index[cKDTree(vertices[index]).query(flipped)[1]]
    return result


def _regions(landmarks: NDArray[np.float32], fine: NDArray[np.float32], ear_offsets, part, faces):
    """(V,) scalp, mantle and ear weights in [0, 1] on the average head.

    The scalp lies outside the face's oval, above the nape; the mantle (sides and back of the neck) is what long
    hair hides; ears are whatever moves when ears are shifted.
    """
    _, y, z = fine.T.astype(np.float64)
    skin = part == SKIN
    oval = landmarks[list(FACE_OVAL), :2]
    # Where the hairline runs on a forehead, above MediaPipe's uppermost points.
    raised = oval + np.clip((oval[:, 1:] - landmarks[168, 1]) / 0.1, 0, 1) * [[0.0, 0.022]]
    polygon = (raised * 4096 + 4096).astype(np.float32).reshape(-1, 1, 2)
    outside = np.array(
        [-cv2.pointPolygonTest(polygon, (float(u), float(v)), True) for u, v in fine[:, :2] * 4096 + 4096]
    )
    outside /= 4096
    ear_hole = 0.5 * (landmarks[234] + landmarks[454])
    # On the side of the head hair begins before the ear, at the temple; below the ear's top, behind it.
    front = ear_hole[2] - 0.01 + 0.065 * np.clip((y - ear_hole[1] - 0.015) / 0.05, 0, 1)
    behind = np.clip((front - z) / 0.025, 0, 1)
    beyond_face = np.maximum(np.clip(outside / 0.02, 0, 1), behind)
    # The nape's hairline rises from the skull's base to the ears.
    lowest = np.where(z < ear_hole[2] - 0.06, ear_hole[1] - 0.075, ear_hole[1] + 0.01)
    lowest = lowest + np.clip((z - ear_hole[2] + 0.06) / 0.1, 0, 1) * 0.03
    above = np.clip((y - lowest) / 0.03, 0, 1)
    ears = np.linalg.norm(ear_offsets, axis=1)
    ears = np.clip((ears / ears.max() - 0.45) / 0.3, 0, 1) * skin
    scalp = beyond_face * above * (1 - ears) * skin
    neck_back = np.clip((ear_hole[2] + 0.005 - z) / 0.03, 0, 1)
    shoulder = landmarks[152, 1] - 0.075
    mantle = neck_back * np.clip((y - shoulder) / 0.05, 0, 1) * skin
    mantle = np.maximum(mantle, ears)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    n = len(fine)
    adjacency = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (n, n)).tocsr()
    adjacency = adjacency + adjacency.T
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    fields = np.stack([scalp, mantle, ears], 1)
    for _ in range(6):
        fields = 0.5 * fields + 0.5 * (adjacency @ fields) / degree[:, None]
    return (fields * skin[:, None]).astype(np.float32).T
