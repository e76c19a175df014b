"""The model's own topology as a mesh: texture baked, hair and clothes trimmed, expressions as morph targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from inversion_core.generators.head import Head
from inversion_core.generators.template import SKIN, HeadTemplate, vertex_normals
from inversion_core.geometry.lids import unfolding, with_closing_lids
from inversion_core.geometry.tangents import normal_picture, relief
from inversion_core.geometry.texture import filled, texel_fragments
from inversion_core.geometry.trim import trimmed
from inversion_core.image import to_uint8
from inversion_core.mesh import Mesh
from inversion_core.rasterise import interpolate
from inversion_core.refine.bust import rounded
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.hair import ROWS, WIDTH
from inversion_core.refine.layer import MIRROR_UV, OPACITY, SEEN, UV, sampled
from inversion_core.render import HAIR, OPAQUE, PERSON
from inversion_core.shading import shade
from inversion_core.task import Progress, Task

HEIGHT_SHARE = 1.5
"""Texture height over its width: the template's square atlas above, hair and clothes in the strip below."""
STRIP = 1 - 1 / HEIGHT_SHARE
HAIR_BOX = (0.004, 0.004, 0.615, STRIP - 0.008)
SHELL_BOXES = ((0.63, STRIP / 2 + 0.004, 0.366, STRIP / 2 - 0.008), (0.63, 0.004, 0.366, STRIP / 2 - 0.008))
"""Left, bottom, width and height, v up; front sheet and back sheet."""
EDGE_PULL = 0.02
"""World units by which the hair's edge is laid towards the skin at most."""
EDGE_CELLS = 7
"""Fine cells from the hair's edge over which it rises to its own place."""
SPECK = 60
"""Fine cells below which a piece of hair is left out."""
SIDE_BLEND = 0.012
"""World units over which one side's movement passes into the other's."""
NOSE_BRIDGE = 195
"""MediaPipe's point that parts brows from mouth."""

ARKIT: dict[str, tuple[tuple[str, str, str], ...]] = {
    "smile": (("mouthSmileLeft", "left", "all"), ("mouthSmileRight", "right", "all")),
    "mouth_open": (("jawOpen", "both", "all"),),
    "blink": (("eyeBlinkLeft", "left", "all"), ("eyeBlinkRight", "right", "all")),
    "brow_raise": (("browOuterUpLeft", "left", "all"), ("browOuterUpRight", "right", "all")),
    "frown": (
        ("browDownLeft", "left", "upper"),
        ("browDownRight", "right", "upper"),
        ("mouthFrownLeft", "left", "lower"),
        ("mouthFrownRight", "right", "lower"),
    ),
    "pucker": (("mouthPucker", "both", "all"),),
}
"""Expression slider -> ARKit's blend shapes, each a side and a height of the slider's movement. All of a slider's
shapes together are the slider at its maximum; ARKit's left is the head's own left, +x."""


@dataclass(frozen=True)
class _Part:
    """A piece of the mesh.

    Attributes:
        carry: (N, L) takes anything on the layer's vertices to its own; faces: (F, 3).
        uv: (N, 2) in the whole texture; welded: (N,) equal numbers are one vertex, split by a UV seam.
        lean: (N,) share by which a vertex lies on the skin instead; skin: (N, V) that place on the head, or None.
    """

    carry: sparse.csr_matrix
    faces: NDArray[np.int32]
    uv: NDArray[np.float32]
    welded: NDArray[np.int32]
    lean: NDArray[np.float32] | None = None
    skin: sparse.csr_matrix | None = None

    def vertices(self, layer: NDArray[np.float32], head: NDArray[np.float32]) -> NDArray[np.float32]:
        own = self.carry @ layer
        if self.lean is None or self.skin is None:
            return own
        return own + self.lean[:, None] * (self.skin @ head - own)

    def normals(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Smooth across UV seams: vertices with the same ``welded`` number share one."""
        _, first, number = np.unique(self.welded, return_index=True, return_inverse=True)
        joined = vertex_normals(np.ascontiguousarray(vertices[first]), number.reshape(-1)[self.faces])
        # Slivers along a cut have areas near 1e-12, below which the shared routine shortens normals.
        joined /= np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12)
        return joined[number.reshape(-1)]


def sculpt_template(
    head: Head,
    template: HeadTemplate,
    texture_size: int = 2048,
    morphs: Mapping[str, Head] | None = None,
    normal_map: bool = False,
) -> Task[Mesh]:
    """A task that makes the head's mesh in the template's topology, in world units, with a baked texture.

    The first vertices are the template's, split at UV seams: the same number in the same order for every head.
    Hair and clothes, cut where they end, follow. Below, the bust ends in an arc and is closed.

    Args:
        texture_size: texels across; the texture is half as high again.
        morphs: expression slider -> this head with that slider at its maximum; see :data:`ARKIT` for the names
            under which the targets are stored. Other sliders keep their own names.
        normal_map: also the relief that the texture's shading suggests on skin, hair and clothes.
    """
    detail = head.detail
    width, height = texture_size, int(texture_size * HEIGHT_SHARE)
    image, known = np.zeros((height, width, 3), np.float32), np.zeros((height, width), bool)
    rough = np.zeros((height, width), np.float32)
    parts = [_skin_part(template), _hair_part(detail), _shell_part(detail)]
    sources = (
        (head.head, head.light, detail.other, OPAQUE),
        (head.hair, head.hair_light, detail.hair_texture, HAIR),
        (head.shell, head.shell_light, detail.photo, PERSON),
    )
    places, normals, faces, base = [], [], [], 0
    for step, (part, (layer, light, other, mask)) in enumerate(zip(parts, sources, strict=True)):
        yield Progress(step, 4, "baking the texture")
        body = rounded(head.head.vertices)
        places.append(part.vertices(body if step == 0 else layer.vertices, body))
        normals.append(part.normals(places[-1]))
        faces.append(part.faces + base)
        base += len(part.uv)
        if not len(part.faces):
            continue
        fragments = texel_fragments(part.uv, part.faces, height, width)
        baked = shade(
            fragments,
            part.faces,
            np.ascontiguousarray(part.carry @ layer.attributes, np.float32),
            np.ascontiguousarray(part.carry @ light, np.float32),
            detail.photo,
            other,
            detail.masks,
            mask,
            0.0,
            head.skin_light if mask == HAIR else None,
            np.stack([detail.skin_colour, detail.hair_colour]) if mask == HAIR else None,
        )
        image[fragments.hit] = baked[fragments.hit][:, :3]
        known |= fragments.hit
        if step == 0:
            rough = interpolate(fragments, part.faces, np.float32(part.carry @ _skin(template))[:, None])[
                ..., 0
            ]
        else:
            rough[fragments.hit] = 1
        if step == 0 and "blink" in (morphs or {}):
            lid = unfolding(template, head.head.vertices, morphs["blink"].head.vertices)
            values = (part.carry @ v for v in (lid, template.lids[:, 1].max(0), _skin(template)))
            image = with_closing_lids(image, fragments, part.faces, *values)
    yield Progress(3, 4, "filling the seams")
    image = np.clip(filled(image, known), 0, 1)
    numbers = np.cumsum([0] + [int(part.welded.max(initial=-1)) + 1 for part in parts[:-1]])
    return Mesh(
        vertices=np.concatenate(places).astype(np.float32),
        faces=np.concatenate(faces).astype(np.int32),
        normals=np.concatenate(normals).astype(np.float32),
        uv=np.concatenate([part.uv for part in parts]).astype(np.float32),
        texture=to_uint8(image),
        morphs=_targets(head, template, parts, morphs or {}),
        welded=np.concatenate([part.welded + n for part, n in zip(parts, numbers, strict=True)]).astype(
            np.int32
        ),
        normal_map=normal_picture(relief(image, rough)) if normal_map else None,
    )


def _skin(template: HeadTemplate) -> NDArray[np.float32]:
    """(V,) 1 on outer skin, 0 on eyes, teeth and what lies inside."""
    return ((template.interior == 0) & (template.part == SKIN)).astype(np.float32)


def _skin_part(template: HeadTemplate) -> _Part:
    count = len(template.uv)
    keys = template.faces.astype(np.int64) * count + template.faces_uv
    unique, inverse = np.unique(keys, return_inverse=True)
    source, corner = unique // count, unique % count
    carry = sparse.csr_matrix(
        (np.ones(len(unique), np.float32), (np.arange(len(unique)), source)),
        (len(unique), len(template.part)),
    )
    uv = template.uv[corner] * [1, 1 / HEIGHT_SHARE] + [0, STRIP]
    return _Part(
        carry, inverse.reshape(-1, 3).astype(np.int32), uv.astype(np.float32), source.astype(np.int32)
    )


def _refined_grid() -> tuple[sparse.csr_matrix, NDArray[np.int32], int, int]:
    """The hair's grid with midpoints added: (fine, coarse) matrix, faces, and the fine rows and columns."""

    def halved(count: int) -> sparse.csr_matrix:
        fine = np.arange(2 * count - 1)
        half = np.full(2 * len(fine), 0.5, np.float32)
        ends = np.concatenate([fine // 2, (fine + 1) // 2])
        return sparse.coo_matrix((half, (np.concatenate([fine, fine]), ends)), (len(fine), count)).tocsr()

    rows, columns = 2 * ROWS - 1, 2 * WIDTH - 1
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, d, c = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    return sparse.kron(halved(ROWS), halved(WIDTH)).tocsr(), faces.astype(np.int32), rows, columns


def layer_opacity(attributes: NDArray[np.float32], detail: PhotoDetail, mask: int) -> NDArray[np.float32]:
    """(N,) opacity of a layer's vertices away from the photo's view; the same rule as in the shading."""
    shown = sampled(np.ascontiguousarray(detail.masks[..., mask : mask + 1]), attributes[:, UV])[:, 0]
    rest = attributes[:, OPACITY]
    return np.clip(rest + attributes[:, SEEN] * (shown - rest), 0, 1)


def _hair_part(detail: PhotoDetail) -> _Part:
    refine, faces, rows, columns = _refined_grid()
    fine = np.asarray(refine @ detail.hair.attributes, np.float32)
    opacity = layer_opacity(fine, detail, HAIR).reshape(rows, columns)
    pad = columns // 2
    wrapped = np.concatenate([opacity[:, -pad - 1 : -1], opacity, opacity[:, 1 : pad + 1]], 1)
    wrapped = cv2.GaussianBlur(wrapped, (0, 0), 0.8)
    # Specks of hair on the forehead would float there as flakes.
    solid = _without_specks((wrapped >= 0.5).astype(np.uint8))
    opacity = np.where(solid > 0, wrapped, np.minimum(wrapped, 0.45))[:, pad:-pad]
    carry, kept = trimmed(faces, opacity.reshape(-1).astype(np.float32))
    place = (carry @ refine).tocsr()
    inland = cv2.distanceTransform(solid, cv2.DIST_L2, 5)[:, pad:-pad]
    rise = smoothstep(np.asarray(carry @ inland.reshape(-1)), 0.0, EDGE_CELLS)
    owner = np.repeat(np.arange(len(detail.hair_anchors)), 4)
    anchors = sparse.csr_matrix(
        (detail.hair_weights.ravel(), (owner, detail.hair_anchors.ravel())),
        (len(detail.hair_anchors), len(detail.head.vertices)),
    )
    skin = (place @ anchors).tocsr()
    gap = np.linalg.norm(skin @ detail.head.vertices - place @ detail.hair.vertices, axis=1)
    lean = (1 - rise) * np.minimum(0.95, EDGE_PULL / np.maximum(gap, 1e-6))
    left, bottom, width, height = HAIR_BOX
    grid = np.clip(place @ detail.hair.attributes[:, MIRROR_UV], 0, 1) * [1, -1] + [0, 1]
    uv = grid * [width, height] + [left, bottom]
    welded = np.arange(rows * columns).reshape(rows, columns)
    welded[:, -1] = welded[:, 0]
    whole = np.diff(carry.indptr) == 1
    numbers = np.arange(carry.shape[0]) + rows * columns
    numbers[whole] = welded.reshape(-1)[carry.indices[carry.indptr[:-1][whole]]]
    return _Part(place, kept, uv.astype(np.float32), numbers.astype(np.int32), lean.astype(np.float32), skin)


def _without_specks(solid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pieces that have at least :data:`SPECK` cells."""
    _, labels, sizes, _ = cv2.connectedComponentsWithStats(solid, connectivity=4)
    large = sizes[:, cv2.CC_STAT_AREA] >= SPECK
    large[0] = False
    return large[labels].astype(np.uint8)


def _shell_part(detail: PhotoDetail) -> _Part:
    layer, count = detail.shell, len(detail.shell.vertices)
    if not count:
        nothing = sparse.csr_matrix((0, 0), dtype=np.float32)
        empty = np.zeros((0, 3), np.int32)
        return _Part(nothing, empty, np.zeros((0, 2), np.float32), empty[:, 0])
    carry, kept = trimmed(layer.faces, layer_opacity(layer.attributes, detail, PERSON))
    # The front sheet's vertices come first, then those of the back sheet, in the same order.
    back = (carry @ (np.arange(count) >= count // 2).astype(np.float32)) > 0.5
    place = detail.camera.project(np.asarray(carry @ detail.shell.vertices, np.float32))[:, :2]
    low, high = (place.min(0), place.max(0)) if len(place) else (0.0, 1.0)
    place = (place - low) / np.maximum(high - low, 1e-6) * [1, -1] + [0, 1]
    box = np.array(SHELL_BOXES)[back.astype(int)]
    uv = box[:, :2] + place * box[:, 2:]
    return _Part(carry, kept, uv.astype(np.float32), np.arange(len(uv), dtype=np.int32))


def _targets(
    head: Head, template: HeadTemplate, parts: list[_Part], morphs: Mapping[str, Head]
) -> dict[str, NDArray[np.float32]]:
    """Name -> (N, 3) offsets of the mesh's vertices."""

    def placed(who: Head) -> NDArray[np.float32]:
        body = rounded(who.head.vertices)
        pairs = zip(parts, (body, who.hair.vertices, who.shell.vertices), strict=True)
        return np.concatenate([part.vertices(own, body) for part, own in pairs])

    rest = placed(head)
    left = smoothstep(rest[:, 0], -SIDE_BLEND, SIDE_BLEND)
    bridge = template.landmarks(head.coarse)[NOSE_BRIDGE, 1]
    upper = smoothstep(rest[:, 1], bridge - SIDE_BLEND, bridge + SIDE_BLEND)
    sides = {"both": np.ones_like(left), "left": left, "right": 1 - left}
    heights = {"all": np.ones_like(upper), "upper": upper, "lower": 1 - upper}
    targets = {}
    for slider, other in morphs.items():
        moved = placed(other) - rest
        for name, side, height in ARKIT.get(slider, ((slider, "both", "all"),)):
            targets[name] = (moved * (sides[side] * heights[height])[:, None]).astype(np.float32)
    return targets
