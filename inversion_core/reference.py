"""The same picture as :func:`inversion_core.render.render`, in plain PyTorch: what the fast renderer is held against.

Each row of pixels is tested against every triangle that reaches it; nothing is skipped and nothing compiled.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.camera import Camera
from inversion_core.generators.head import HAIR_LEAD, Head
from inversion_core.generators.template import vertex_normals
from inversion_core.rasterise import Fragments, interpolate
from inversion_core.refine.hair import DOME_ROWS, ROWS
from inversion_core.refine.layer import MIRROR_UV
from inversion_core.render import HAIR, INNER_SHARE, OPAQUE, PERSON, closeness
from inversion_core.rendering import Rendering
from inversion_core.shading import CLOSING, SOFT

FAR = 1e9


def rasterise_rows(points: Tensor, faces: Tensor, size: int) -> Fragments:
    """The nearest triangle in each pixel of a (size, size) picture.

    Args:
        points: (V, 3) pixel coordinates and depth; faces: (F, 3) int64.
    """
    corners = points[faces]
    corners = corners[(corners[:, :, 2] > 0.05).all(1)]
    number = torch.arange(len(faces))[(points[faces][:, :, 2] > 0.05).all(1)]
    low, high = corners[:, :, 1].amin(1), corners[:, :, 1].amax(1)
    face = torch.full((size, size), -1, dtype=torch.int32)
    weights, depth = torch.zeros(size, size, 2), torch.full((size, size), FAR)
    px = torch.arange(size) + 0.5
    for y in range(size):
        reached = torch.nonzero((low <= y + 0.5) & (high >= y + 0.5))[:, 0]
        if not len(reached):
            continue
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners[reached].permute(1, 2, 0)[:, :, :, None]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        py = y + 0.5
        w1 = ((px - ax) * (cy - ay) - (py - ay) * (cx - ax)) / area
        w2 = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)) / area
        w0 = 1 - w1 - w2
        inside = (w0 >= -1e-6) & (w1 >= -1e-6) & (w2 >= -1e-6) & (area.abs() >= 1e-12)
        z = torch.where(inside, 1 / (w0 / az + w1 / bz + w2 / cz), FAR)
        nearest, which = z.min(0)
        hit = nearest < FAR
        column = torch.arange(size)
        depth[y] = nearest
        face[y] = torch.where(hit, number[reached[which]].int(), -1)
        second = w1[which, column] / bz[which, 0] * nearest
        third = w2[which, column] / cz[which, 0] * nearest
        weights[y] = torch.where(hit[:, None], torch.stack([second, third], 1), torch.zeros(()))
    return Fragments(face.numpy(), weights.numpy(), depth.numpy())


def _picture(image: NDArray, uv: Tensor) -> Tensor:
    """(H, W, C) bilinear samples at (H, W, 2) positions in picture widths, edges repeated."""
    tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)[None]
    grid = (uv * 2 - 1)[None]
    found = F.grid_sample(tensor, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found[0].permute(1, 2, 0)


def shade_rows(
    fragments: Fragments, faces, attributes, light, photo, other, masks, channel, straight, under, tones
) -> NDArray[np.float32]:
    """(H, W, 4), by the formula of :mod:`inversion_core.shading` written with whole pictures."""
    hit = torch.from_numpy(fragments.face >= 0)
    corners = torch.from_numpy(faces.astype(np.int64))[torch.from_numpy(fragments.face).long().clamp(min=0)]
    second, third = torch.from_numpy(fragments.weights).unbind(-1)
    share = torch.stack([1 - second - third, second, third], -1)[..., None]

    def carried(values: NDArray) -> Tensor:
        return (torch.from_numpy(np.ascontiguousarray(values, np.float32))[corners] * share).sum(2)

    v, lit = carried(attributes), carried(light)
    w = (v[..., 2] + (v[..., 14] - v[..., 2]) * straight).clamp(0, 1)[..., None]
    m = v[..., 5].clamp(0, 1)[..., None]
    opacity, own = v[..., 12], torch.ones_like(v[..., 12])
    if channel >= 0:
        past = (-v[..., 1]).clamp(min=0)
        aside = past * (CLOSING[0] + CLOSING[1] * past) * torch.where(v[..., 0] > 0.5, 1.0, -1.0)
        mask = _picture(masks, torch.stack([v[..., 0] + aside, v[..., 1]], -1))[..., channel]
        trusted = (1 - ((1 - straight) * (1 + SOFT) + mask.clamp(max=0)) / SOFT).clamp(0, 1)
        seen = v[..., 13] + (1 - v[..., 13]) * trusted
        opacity = opacity + seen * (mask.clamp(min=0) - opacity)
    opacity = opacity.clamp(0, 1)
    colour = v[..., 9:12]
    mirrored = _picture(other, v[..., 3:5]) * v[..., 6:9]
    colour = torch.where(m > 0.003, colour + m * (mirrored - colour), colour)
    colour = torch.where(w > 0.003, colour + w * (_picture(photo, v[..., 0:2]) - colour), colour)
    if channel >= 0:
        own = ((opacity - 0.5) / 0.48).clamp(0, 1)
        own = own * own * (3 - 2 * own)
        first, between = torch.from_numpy(tones[0]), torch.from_numpy(tones[1] - tones[0])
        apart = float((between**2).sum())
        if apart > 0.02:
            own = own * (((colour - first) * between).sum(-1) / apart * 1.6).clamp(0, 1)
    own = own[..., None]
    factor = (1 + (lit - 1) * own) * (1 + (torch.from_numpy(under) - 1) * (1 - own))
    result = torch.cat([(colour * factor).clamp(0, 1), opacity[..., None]], -1)
    return torch.where(hit[..., None], result, torch.zeros(())).numpy()


def render_reference(head: Head, camera: Camera, size: int) -> Rendering:
    """The head through ``camera``, (size, size), one sample a pixel; slow."""
    detail, straight = head.detail, closeness(head, camera)
    plain, none = np.ones(3, np.float32), np.zeros((2, 3), np.float32)
    tones = np.stack([detail.skin_colour, detail.hair_colour]).astype(np.float32)
    skin = np.asarray(head.skin_light, np.float32)
    buffers: list = []
    for layer, light, other, mask, behind, under, own_tones in (
        (head.head, head.light, detail.other, OPAQUE, head.behind, plain, none),
        (head.shell, head.shell_light, detail.photo, PERSON, 0.0, plain, none),
        (head.hair, head.hair_light, detail.hair_texture, HAIR, -HAIR_LEAD, skin, tones),
    ):
        if not len(layer.faces):
            continue
        points = camera.project(layer.vertices)
        points[:, :2] *= size
        points[:, 2] += behind
        above = rasterise_rows(torch.from_numpy(points), torch.from_numpy(layer.faces.astype(np.int64)), size)
        shaded = shade_rows(
            above,
            layer.faces,
            layer.attributes,
            light,
            detail.photo,
            other,
            detail.trims,
            mask,
            straight,
            under,
            own_tones,
        )
        if mask == OPAQUE:
            normals = interpolate(above, layer.faces, head.normals)
            buffers = [shaded[..., :3], np.where(above.hit, above.depth, 0), shaded[..., 3], normals]
            continue
        normals = interpolate(above, layer.faces, vertex_normals(layer.vertices, layer.faces))
        away = (normals @ camera.cam2world[:3, 2]) > 0.15
        if mask == HAIR:
            row = interpolate(above, layer.faces, layer.attributes[:, MIRROR_UV])[..., 1]
            shaded[..., 3] *= ~(away & (row < DOME_ROWS / ROWS))
        shaded[..., :3] *= np.where(away, INNER_SHARE, 1.0)[..., None]
        normals *= np.where(away, -1.0, 1.0)[..., None]
        _over(buffers, above, shaded, normals)
    rgb, depth, opacity, normals = buffers
    return Rendering(
        np.clip(rgb, 0, 1).astype(np.float32),
        depth.astype(np.float32),
        np.clip(opacity, 0, 1).astype(np.float32),
        normals,
    )


def _over(buffers: list, above: Fragments, shaded: NDArray, normals: NDArray) -> None:
    """Composite a layer's fragments with what is there, nearer over farther."""
    rgb, depth, opacity, below = buffers
    present = above.hit & (shaded[..., 3] > 0.004)
    front = present & ((above.depth < depth) | (depth == 0))
    alpha = shaded[..., 3]
    own = np.where(present, np.where(front, alpha, alpha * (1 - opacity)), 0)
    rest = np.where(front, opacity * (1 - alpha), opacity)
    total = own + rest
    mixed = shaded[..., :3] * own[..., None] + rgb * rest[..., None]
    solid = front & (alpha > 0.5)
    buffers[0] = np.where(present[..., None], mixed / np.maximum(total, 1e-6)[..., None], rgb)
    buffers[1] = np.where(solid, above.depth, depth)
    buffers[2] = total
    buffers[3] = np.where(solid[..., None], normals, below)
