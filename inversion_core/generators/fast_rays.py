"""A triplane's rays on processors: the sums of :func:`inversion_core.generators.triplane.render_rays`, in less time.

Plane features are gathered with channels side by side, colours are decoded only where they count, and a ray's
colour is one weighted sum. Only for pictures without gradients; the exact functions stay where they are.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.compiled import parallel
from inversion_core.generators.triplane import OSGDecoder, VolumeSettings
from inversion_core.volume import box_limits, stratified_depths

RAYS_AT_ONCE = 512
"""Rays whose samples pass through the decoder together: few enough to stay near the processor."""
NEGLIGIBLE = 2e-6
"""Samples that count less than this in their ray's colour are not decoded."""
WORTH_PICKING = 0.7
"""Samples are picked out for decoding when no more than this share of them counts."""


@parallel
def _gather(planes, origins, directions, depths, scale, out):
    """Sums of the three planes' features at each sample; ``planes`` (3, H, W, C), zeros beyond."""
    height, width, channels = planes.shape[1:]
    for ray in nb.prange(depths.shape[0]):
        at = np.empty(3, np.float32)
        for sample in range(depths.shape[1]):
            row = ray * depths.shape[1] + sample
            for n in range(3):
                at[n] = (origins[ray, n] + depths[ray, sample] * directions[ray, n]) * scale
            for c in range(channels):
                out[row, c] = 0
            for plane in range(3):
                across = at[2] if plane == 2 else at[0]
                down = at[1] if plane == 0 else (at[2] if plane == 1 else at[0])
                x = ((across + 1) * width - 1) * np.float32(0.5)
                y = ((down + 1) * height - 1) * np.float32(0.5)
                if not (-1 < x < width and -1 < y < height):
                    continue
                left, top = math.floor(x), math.floor(y)
                a, b = np.float32(x - left), np.float32(y - top)
                if 0 <= left < width - 1 and 0 <= top < height - 1:
                    s00, s01, s10, s11 = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
                    for c in range(channels):
                        above = s00 * planes[plane, top, left, c] + s01 * planes[plane, top, left + 1, c]
                        low = (
                            s10 * planes[plane, top + 1, left, c] + s11 * planes[plane, top + 1, left + 1, c]
                        )
                        out[row, c] += above + low
                    continue
                for dy in range(2):
                    j = top + dy
                    if j < 0 or j >= height:
                        continue
                    share_y = b if dy else 1 - b
                    for dx in range(2):
                        i = left + dx
                        if i < 0 or i >= width:
                            continue
                        share = share_y * (a if dx else 1 - a)
                        for c in range(channels):
                            out[row, c] += share * planes[plane, j, i, c]


@nb.njit(inline="always", fastmath=True)
def _exponentials(values, whole, powers):
    """exp of each value in place, to float32's rounding; ``whole`` int32 and ``powers`` are the same memory."""
    for n in range(len(values)):
        value = min(max(values[n], np.float32(-87)), np.float32(87))
        scaled = value * np.float32(1.44269504) + np.float32(0.5)
        step = np.floor(scaled)
        rest = value - step * np.float32(0.693359375) + step * np.float32(2.12194440e-4)
        total = np.float32(1.9875691500e-4)
        total = total * rest + np.float32(1.3981999507e-3)
        total = total * rest + np.float32(8.3334519073e-3)
        total = total * rest + np.float32(4.1665795894e-2)
        total = total * rest + np.float32(1.6666665459e-1)
        total = total * rest + np.float32(5.0000001201e-1)
        values[n] = total * rest * rest + rest + np.float32(1)
        whole[n] = (np.int32(step) + np.int32(127)) << np.int32(23)
    for n in range(len(values)):
        values[n] *= powers[n]


@parallel
def _softplus(hidden, bias, weight, first, out):
    """Softplus of ``hidden + bias`` in place, and its products with ``weight`` plus ``first``."""
    width = hidden.shape[1]
    for row in nb.prange(hidden.shape[0]):
        small, whole = np.empty(width, np.float32), np.empty(width, np.int32)
        for n in range(width):
            hidden[row, n] += bias[n]
            small[n] = -abs(hidden[row, n])
        _exponentials(small, whole, whole.view(np.float32))
        total = first
        for n in range(width):
            # log(1 + t) = 2 artanh(t / (2 + t)), whose series is short for t up to 1.
            s = small[n] / (np.float32(2) + small[n])
            q = s * s
            series = np.float32(2 / 11) * q + np.float32(2 / 9)
            series = ((series * q + np.float32(2 / 7)) * q + np.float32(2 / 5)) * q + np.float32(2 / 3)
            value = max(hidden[row, n], np.float32(0)) + s * (np.float32(2) + q * series)
            hidden[row, n] = value
            total += value * weight[n]
        out[row] = total


@nb.njit(inline="always", fastmath=True)
def _alpha(sigma, delta):
    middle = sigma - 1
    density = middle + math.log1p(math.exp(-middle)) if middle > 0 else math.log1p(math.exp(middle))
    # Rounded as the plain code's: what is emptier than float32 can tell is exactly empty.
    return 1 - float(np.float32(math.exp(-density * delta)))


@parallel
def _draw(depths, sigmas, u, out):
    """Where the fine samples of each ray lie; see :func:`inversion_core.volume.importance_depths`."""
    count, fine = depths.shape[1], u.shape[1]
    for ray in nb.prange(depths.shape[0]):
        weights, cdf = np.empty(count + 1), np.empty(count - 2)
        light = 1.0
        weights[0] = weights[count] = -1.0
        for i in range(count - 1):
            delta = depths[ray, i + 1] - depths[ray, i]
            alpha = _alpha((sigmas[ray, i] + sigmas[ray, i + 1]) * 0.5, delta)
            weights[i + 1] = alpha * light
            light *= 1 - alpha + 1e-10
        total = 0.0
        cdf[0] = 0.0
        for i in range(1, count - 2):
            first = max(weights[i], weights[i + 1])
            second = max(weights[i + 1], weights[i + 2])
            total += 0.5 * (first + second) + 0.01 + 1e-5
            cdf[i] = total
        for i in range(count - 2):
            cdf[i] /= total
        for k in range(fine):
            index = np.searchsorted(cdf, u[ray, k], side="right")
            below, above = max(index - 1, 0), min(index, count - 3)
            low = 0.5 * (depths[ray, below] + depths[ray, below + 1])
            high = 0.5 * (depths[ray, above] + depths[ray, above + 1])
            width = cdf[above] - cdf[below]
            if width < 1e-5:
                width = 1.0
            out[ray, k] = low + (u[ray, k] - cdf[below]) / width * (high - low)


@parallel
def _shares(depths, sigmas, shares, depth, opacity):
    """How much each sample counts in its ray's colour: half of each interval that it bounds."""
    count = depths.shape[1]
    for ray in nb.prange(depths.shape[0]):
        order = np.argsort(depths[ray])
        light, total, far = 1.0, 0.0, 0.0
        for n in range(count):
            shares[ray, n] = 0
        for n in range(count - 1):
            i, j = order[n], order[n + 1]
            delta = depths[ray, j] - depths[ray, i]
            alpha = _alpha((sigmas[ray, i] + sigmas[ray, j]) * 0.5, delta)
            weight = alpha * light
            light *= 1 - alpha + 1e-10
            shares[ray, i] += 0.5 * weight
            shares[ray, j] += 0.5 * weight
            total += weight
            far += weight * 0.5 * (depths[ray, i] + depths[ray, j])
        opacity[ray] = total
        depth[ray] = far / total if total > 0 else np.inf


@parallel
def _summed(colours, bias, shares, places, out):
    """Add sigmoids of samples times their shares to (R, C); ``places`` (R, S) rows of colours, -1 for none."""
    width = out.shape[1]
    for ray in nb.prange(shares.shape[0]):
        value, whole = np.empty(width, np.float32), np.empty(width, np.int32)
        powers = whole.view(np.float32)
        for sample in range(shares.shape[1]):
            row, share = places[ray, sample], shares[ray, sample]
            if row >= 0:
                for c in range(width):
                    value[c] = -(colours[row, c] + bias[c])
                _exponentials(value, whole, powers)
                for c in range(width):
                    out[ray, c] += share / (np.float32(1) + value[c])


class FastRays:
    """Planes and decoder of one head, arranged for :meth:`render`."""

    def __init__(self, planes: Tensor, decoder: OSGDecoder, settings: VolumeSettings) -> None:
        """Take planes (1, 3, C, H, W) on the processor."""
        self.planes = planes[0].permute(0, 2, 3, 1).contiguous().numpy()
        self.settings = settings
        first, last = decoder.net[0], decoder.net[2]
        weight, bias = last.weight * last.weight_gain, last.bias * last.bias_gain
        # The mean of the planes is their sum with a third of the weights.
        self.hidden = _columns(first.weight * (first.weight_gain / 3)), (first.bias * first.bias_gain).numpy()
        self.sigma = weight[0].numpy().copy(), np.float32(bias[0].item())
        self.colour = _columns(weight[1:]), bias[1:].numpy().copy()

    def render(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Colours (M, C) in [-1, 1], depths (M,) and opacities (M,) of rays (M, 3), in the middle of strata."""
        settings = self.settings
        near, far = settings.ray_start, settings.ray_end
        if near is None or far is None:
            near, far = box_limits(origins[None], directions[None], settings.box_warp)
        coarse, fine = settings.depth_resolution, settings.depth_resolution_importance
        u = np.ascontiguousarray(
            np.broadcast_to((np.arange(fine, dtype=np.float32) + 0.5) / max(fine, 1), (RAYS_AT_ONCE, fine))
        )
        parts, nearest, farthest = [], np.inf, -np.inf
        for start in range(0, len(origins), RAYS_AT_ONCE):
            rays = slice(start, start + RAYS_AT_ONCE)
            limits = (near[:, rays], far[:, rays]) if isinstance(near, Tensor) else (near, far)
            count = len(origins[rays])
            jitter = torch.full((1, count, coarse, 1), 0.5)
            depths = stratified_depths(*limits, jitter, settings.disparity_space_sampling)[0, ..., 0]
            depths = np.ascontiguousarray(depths.numpy())
            place = (origins[rays].numpy(), directions[rays].numpy())
            part, span = self._chunk(place, depths, u[:count])
            parts.append(part)
            nearest, farthest = min(nearest, span[0]), max(farthest, span[1])
        colours, depth, opacity = (np.concatenate(list(column)) for column in zip(*parts, strict=True))
        depth = np.nan_to_num(depth, posinf=farthest).clip(nearest, farthest)
        return torch.from_numpy(colours), torch.from_numpy(depth), torch.from_numpy(opacity)

    def _decoded(self, place, depths: NDArray) -> tuple[NDArray, NDArray]:
        """The decoder's hidden values (R·S, hidden) and raw densities (R, S)."""
        features = np.empty((depths.size, self.planes.shape[-1]), np.float32)
        _gather(self.planes, *place, depths, np.float32(2 / self.settings.box_warp), features)
        weight, bias = self.hidden
        hidden, sigmas = features @ weight, np.empty(depths.size, np.float32)
        _softplus(hidden, bias, *self.sigma, sigmas)
        return hidden, sigmas.reshape(depths.shape)

    def _chunk(self, place, depths: NDArray, u: NDArray):
        passes = [self._decoded(place, depths)]
        both, sigmas = depths, passes[0][1]
        if u.shape[1]:
            drawn = np.empty(u.shape, np.float32)
            _draw(depths, sigmas, u, drawn)
            passes.append(self._decoded(place, drawn))
            both, sigmas = np.concatenate([depths, drawn], 1), np.concatenate([sigmas, passes[1][1]], 1)
        shares = np.empty_like(both)
        depth, opacity = np.empty(len(depths), np.float32), np.empty(len(depths), np.float32)
        _shares(both, sigmas, shares, depth, opacity)
        weight, bias = self.colour
        colours = np.zeros((len(depths), weight.shape[1]), np.float32)
        for (rows, _), own in zip(passes, np.split(shares, [depths.shape[1]], axis=1), strict=False):
            counted = own > NEGLIGIBLE
            places = np.arange(own.size).reshape(own.shape)
            if counted.mean() < WORTH_PICKING:
                rows = rows[counted.ravel()]
                places = np.where(counted, np.cumsum(counted).reshape(own.shape) - 1, -1)
            if len(rows):
                _summed(rows @ weight, bias, np.ascontiguousarray(own), places, colours)
        # sigmoid * 1.002 - 0.001, then from [0, 1] to [-1, 1].
        total = opacity[:, None]
        colours = (colours * np.float32(1.002) - np.float32(0.001) * total) * 2 - 1
        if self.settings.white_back:
            colours += 2 * (1 - total)
        return (colours, depth, opacity), (both.min(), both.max())


def _columns(weight: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(weight.t().numpy())
