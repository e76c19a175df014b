"""Occlusion-aware fusion: refined planes where the photo sees the head, the code's own planes elsewhere.

Source: GOAE (Yuan et al. 2023), section 3.4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from inversion_core.volume import camera_rays

BLUR_SIZE = 9
THRESHOLD = 0.35
SIGMA_RANGE = (1.0, 2.0)
"""Pixels; what the official code draws each blur's width from."""


def gaussian_blurred(image: Tensor, sigma: float, size: int = BLUR_SIZE) -> Tensor:
    """(…, H, W), blurred with a ``size``² kernel of ``sigma`` pixels; edges are reflected."""
    half = (size - 1) / 2
    x = torch.linspace(-half, half, size, device=image.device)
    taps = torch.exp(-0.5 * (x / sigma) ** 2)
    taps = taps / taps.sum()
    flat = image.reshape(-1, 1, *image.shape[-2:])
    padded = F.pad(flat, [size // 2] * 4, mode="reflect")
    return F.conv2d(padded, torch.outer(taps, taps)[None, None]).reshape(image.shape)


def drawn_sigmas(blur_sigma: float | None, n: int) -> list[tuple[float, float]]:
    """The widths of both blurs for each of n pictures: the given one, or drawn as the official code does."""
    if blur_sigma is not None:
        return [(blur_sigma, blur_sigma)] * n
    low, high = SIGMA_RANGE
    return [
        (torch.empty(1).uniform_(low, high).item(), torch.empty(1).uniform_(low, high).item())
        for _ in range(n)
    ]


def seen_mask(
    depth: Tensor, c: Tensor, resolution: int, blur_sigma: float | None = 1.5, box_warp: float = 1.0
) -> Tensor:
    """(N, 1, R, R) in [0, 1]: which of the xy plane's pixels carry a surface point that the camera sees.

    Args:
        depth: (N, 1, r, r), along unit rays, of the view that the photo was taken from.
        c: (N, 25) that camera.
        resolution: side of the planes.
        blur_sigma: width of both blurs in plane pixels; None draws them anew, as the official code does.
    """
    n, _, side, _ = depth.shape
    origins, directions = camera_rays(c[:, :16].reshape(-1, 4, 4), c[:, 16:25].reshape(-1, 3, 3), side)
    points = origins + depth.reshape(n, -1, 1) * directions
    pixels = ((points[..., :2] / box_warp + 0.5) * resolution).clamp(0, resolution - 1).long()
    hit = torch.zeros(n, resolution * resolution, device=depth.device)
    hit.scatter_(1, pixels[..., 1] * resolution + pixels[..., 0], 1.0)
    hit = hit.reshape(n, 1, resolution, resolution)
    masks = []
    for picture, (first, second) in zip(hit, drawn_sigmas(blur_sigma, n), strict=True):
        filled = (gaussian_blurred(picture, first) > THRESHOLD).float()
        masks.append(gaussian_blurred(filled, second))
    return torch.stack(masks)


def fused_planes(refined: Tensor, plain: Tensor, mask: Tensor) -> Tensor:
    """(N, 3, C, R, R): the xy plane blended by the mask (N, 1, R, R), the other two refined."""
    front = mask * refined[:, 0] + (1 - mask) * plain[:, 0]
    return torch.cat([front[:, None], refined[:, 1:]], dim=1)
