"""A coloured mesh as a picture that has gradients: by its colours, its vertices and its camera.

Source: Laine et al. 2020 (nvdiffrast), section 3: what covers a pixel is found without gradients, barycentric
coordinates are computed again with them. Outlines get theirs by how they move, as in Loper and Black 2014 (OpenDR).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inversion_core.rasterise import Fragments, rasterise_screen

JUMP = 0.015
"""World units between neighbouring pixels' depths from which one hides the other."""


def projected(vertices: Tensor, label: Tensor, size: int) -> Tensor:
    """(V, 3): pixels across and down, and depth along the camera's axis, of (V, 3) seen by a camera (25,)."""
    pose, intrinsics = label[:16].reshape(4, 4), label[16:].reshape(3, 3)
    local = (vertices - pose[:3, 3]) @ pose[:3, :3]
    across = local @ intrinsics.T
    return torch.cat([across[:, :2] / across[:, 2:] * size, local[:, 2:]], 1)


def draw_mesh(
    vertices: Tensor,
    colours: Tensor,
    faces: Tensor,
    label: Tensor,
    size: int,
    background: float,
    behind: Tensor,
) -> Tensor:
    """(3, size, size) picture in the colours' range over an even background.

    Args:
        vertices: (V, 3) world units; colours: (V, 3); faces: (F, 3) int64; label: (25,) camera.
        behind: (V,) world units by which vertices count as farther away than they are.
    """
    screen = projected(vertices, label, size)
    sorted_by = screen.detach().clone()
    sorted_by[:, 2] += behind
    fragments = rasterise_screen(sorted_by.numpy(), faces.numpy().astype(np.int32), size, size)
    shown = torch.from_numpy(np.flatnonzero(fragments.hit))
    picture = torch.full((size * size, 3), background)
    if not len(shown):
        return picture.T.reshape(3, size, size)
    corners = faces[torch.from_numpy(fragments.face.ravel()).long()[shown]]
    values = torch.cat([screen, colours], 1).index_select(0, corners.ravel()).reshape(-1, 3, 6)
    centre = torch.stack([shown % size, shown // size], 1) + 0.5
    weights = _barycentric(values[:, :, :2], values[:, :, 2], centre)
    picture = picture.index_copy(0, shown, (weights[:, :, None] * values[:, :, 3:]).sum(1))
    if vertices.requires_grad or label.requires_grad:
        moved = (weights.detach()[:, :, None] * values[:, :, :2]).sum(1)
        motion = torch.zeros(size * size, 2).index_copy(0, shown, moved - moved.detach())
        picture = _with_outlines(picture, motion, fragments, size)
    return picture.T.reshape(3, size, size)


def _barycentric(corners: Tensor, depth: Tensor, at: Tensor) -> Tensor:
    """(P, 3) perspective-correct weights of corners (P, 3, 2) with depths (P, 3) at pixels (P, 2)."""
    a, b, c = corners.unbind(1)
    area = _cross(b - a, c - a)
    # A sliver that the rasteriser drew must not blow up gradients.
    area = torch.where(area.abs() < 1e-4, torch.full_like(area, 1e-4).copysign(area.detach()), area)
    second, third = _cross(at - a, c - a) / area, _cross(b - a, at - a) / area
    flat = torch.stack([1 - second - third, second, third], 1).clamp(-0.5, 1.5) / depth
    return flat / flat.sum(1, keepdim=True)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _with_outlines(picture: Tensor, motion: Tensor, fragments: Fragments, size: int) -> Tensor:
    """The same picture, whose gradient knows that an outline moves with the surface in front.

    Where the surface gains a share of a pixel on its neighbour, both mix by it; the share is 0, its gradient is not.
    """
    depth = fragments.depth
    index = np.arange(size * size).reshape(size, size)
    for axis, (first, second, near, far) in enumerate(
        (
            (index[:, :-1], index[:, 1:], depth[:, :-1], depth[:, 1:]),
            (index[:-1], index[1:], depth[:-1], depth[1:]),
        )
    ):
        edge = np.abs(near - far) > JUMP
        front = np.where(near < far, first, second)[edge]
        back = np.where(near < far, second, first)[edge]
        towards = np.where(near < far, 1.0, -1.0)[edge].astype(np.float32)
        front, back = torch.from_numpy(front), torch.from_numpy(back)
        gained = 0.5 * motion[front, axis] * torch.from_numpy(towards)
        contrast = (picture[front] - picture[back]).detach() * gained[:, None]
        picture = picture.index_add(0, front, contrast).index_add(0, back, contrast)
    return picture
