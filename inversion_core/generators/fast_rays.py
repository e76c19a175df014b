"""A triplane's rays on processors: the sums of :func:`inversion_core.generators.triplane.render_rays`, in less time.

A ray is taken from its first sample to its colour by one thread, so that what passes between the steps stays in the
nearest cache; rays that are neighbours in the picture follow each other, as they read the same parts of the planes.
Colours are decoded only where they count. Only for pictures without gradients; the exact functions stay where they are.
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
from inversion_core.generators.vectors import PANEL, ROWS, blend, product
from inversion_core.volume import box_limits, stratified_depths

NEIGHBOURS = 8
"""Side of the squares of rays that a thread takes one after the other."""
NEGLIGIBLE = 2e-6
"""Samples that count less than this in their ray's colour are not decoded."""
CORNERS = 12
"""Values of the planes that a sample is blended from."""

_blended, _wide, _narrow = blend(CORNERS), product(PANEL), product(16)


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


@nb.njit(inline="always", fastmath=True)
def _log_1_plus(t):
    """log(1 + t) for t in [0, 1]: 2 artanh(t / (2 + t)), whose series is short."""
    s = t / (np.float32(2) + t)
    q = s * s
    series = np.float32(2 / 11) * q + np.float32(2 / 9)
    series = ((series * q + np.float32(2 / 7)) * q + np.float32(2 / 5)) * q + np.float32(2 / 3)
    return s * (np.float32(2) + q * series)


@nb.njit(inline="always", fastmath=True)
def _places(x, y, size, plane, places, shares):
    """The four corners round (x, y) of one plane; what lies outside counts nothing."""
    height, width, channels = size
    left, top = math.floor(x), math.floor(y)
    a, b = np.float32(x - left), np.float32(y - top)
    for corner in range(4):
        i, j = left + (corner & 1), top + (corner >> 1)
        share = (a if corner & 1 else 1 - a) * (b if corner >> 1 else 1 - b)
        inside = 0 <= i < width and 0 <= j < height
        shares[4 * plane + corner] = share if inside else np.float32(0)
        place = ((plane * height + j) * width + i) * channels
        places[4 * plane + corner] = place if inside else 0


@nb.njit(inline="always", fastmath=True)
def _weigh(depths, sigmas, powers, whole, weights):
    """How much each interval between neighbouring samples counts; ``powers`` and ``whole`` are for scratch."""
    count = len(depths) - 1
    scratch, number = powers[:count], whole[:count]
    for n in range(count):
        scratch[n] = -abs((sigmas[n] + sigmas[n + 1]) * np.float32(0.5) - np.float32(1))
    _exponentials(scratch, number, number.view(np.float32))
    for n in range(count):
        middle = (sigmas[n] + sigmas[n + 1]) * np.float32(0.5) - np.float32(1)
        density = max(middle, np.float32(0)) + _log_1_plus(scratch[n])
        scratch[n] = -density * (depths[n + 1] - depths[n])
    _exponentials(scratch, number, number.view(np.float32))
    light = 1.0
    for n in range(count):
        # In float32, as the plain code's: what is emptier than it can tell is exactly empty.
        alpha = float(np.float32(1) - scratch[n])
        weights[n] = alpha * light
        light *= 1 - alpha + 1e-10


@nb.njit(inline="always", fastmath=True)
def _draw(depths, weights, u, cdf, out):
    """Where the fine samples lie; see :func:`inversion_core.volume.importance_depths`."""
    count, total = len(depths), 0.0
    cdf[0] = 0.0
    for i in range(1, count - 2):
        before = weights[i - 1]
        first, second = max(before, weights[i]), max(weights[i], weights[i + 1])
        total += 0.5 * (first + second) + 0.01 + 1e-5
        cdf[i] = total
    index = 0
    for k in range(len(u)):
        while index < count - 2 and cdf[index] <= u[k] * total:
            index += 1
        below, above = max(index - 1, 0), min(index, count - 3)
        low = 0.5 * (depths[below] + depths[below + 1])
        high = 0.5 * (depths[above] + depths[above + 1])
        width = (cdf[above] - cdf[below]) / total
        if width < 1e-5:
            width = 1.0
        out[k] = low + (u[k] - cdf[below] / total) / width * (high - low)


@nb.njit(inline="always")
def _merge(depths, coarse, order):
    """Which sample comes first, second …: both passes ascend already, but for rounding."""
    i, j, count = 0, coarse, len(depths)
    for n in range(count):
        if j >= count or (i < coarse and depths[i] <= depths[j]):
            order[n], i = i, i + 1
        else:
            order[n], j = j, j + 1
    for n in range(1, count):
        m = n
        while m > 0 and depths[order[m - 1]] > depths[order[m]]:
            order[m - 1], order[m] = order[m], order[m - 1]
            m -= 1


@parallel
def _render(planes, size, scale, rays, place, depths, u, hidden_layer, sigma_layer, colour_layer, out):
    """Both passes of all rays; ``rays`` (tasks, rays) numbers, -1 for none."""
    height, width, channels = size
    origins, directions = place
    hidden_weight, hidden_bias = hidden_layer
    sigma_weight, sigma_bias = sigma_layer
    colour_weight, colour_bias, panel = colour_layer
    colours, ends = out
    coarse, fine, inner, outer = depths.shape[1], len(u), len(hidden_bias), len(colour_bias)
    # Products take ROWS rows at once: each pass has some to spare.
    second = (coarse + ROWS - 1) // ROWS * ROWS
    rows = second + (fine + ROWS - 1) // ROWS * ROWS
    count = coarse + fine
    for task in nb.prange(len(rays)):
        features = np.zeros(max(second, rows - second) * channels, np.float32)
        hidden = np.empty(rows * inner, np.float32)
        places, shares = np.empty(CORNERS, np.int64), np.empty(CORNERS, np.float32)
        whole, powers = (
            np.empty(max(inner, count, ROWS * outer), np.int32),
            np.empty(max(inner, count, ROWS * outer), np.float32),
        )
        at, raw = np.empty(count, np.float32), np.empty(count, np.float32)
        ordered_at, ordered_raw = np.empty(count, np.float32), np.empty(count, np.float32)
        weights, cdf, order = np.empty(count), np.empty(count), np.empty(count, np.int64)
        counted, point = np.empty(rows, np.float32), np.empty(3, np.float32)
        for ray in rays[task]:
            if ray < 0:
                continue
            for n in range(coarse):
                at[n] = depths[ray, n]
            for part in range(2 if fine else 1):
                start, row = (coarse, second) if part else (0, 0)
                many = fine if part else coarse
                if part:
                    _weigh(at[:coarse], raw[:coarse], powers, whole, weights)
                    _draw(at[:coarse], weights, u, cdf, at[coarse:])
                for n in range(many):
                    for axis in range(3):
                        distance = at[start + n]
                        point[axis] = (origins[ray, axis] + distance * directions[ray, axis]) * scale
                    for plane in range(3):
                        across = point[2] if plane == 2 else point[0]
                        down = point[1] if plane == 0 else (point[2] if plane == 1 else point[0])
                        # Far outside is as empty as just outside.
                        x = min(max(((across + 1) * width - 1) * np.float32(0.5), -2.0), width + 1.0)
                        y = min(max(((down + 1) * height - 1) * np.float32(0.5), -2.0), height + 1.0)
                        _places(x, y, size, plane, places, shares)
                    _blended(planes, places, shares, features, n * channels, channels)
                for n in range(0, many, ROWS):
                    for part_of in range(inner // panel[0]):
                        a, c = n * channels, (row + n) * inner + part_of * panel[0]
                        b = part_of * channels * panel[0]
                        if panel[0] == PANEL:
                            _wide(features, a, channels, hidden_weight, b, hidden, c, inner, channels)
                        else:
                            _narrow(features, a, channels, hidden_weight, b, hidden, c, inner, channels)
                for n in range(many):
                    value = hidden[(row + n) * inner : (row + n + 1) * inner]
                    small, number = powers[:inner], whole[:inner]
                    for m in range(inner):
                        value[m] += hidden_bias[m]
                        small[m] = -abs(value[m])
                    _exponentials(small, number, number.view(np.float32))
                    total = sigma_bias
                    for m in range(inner):
                        value[m] = max(value[m], np.float32(0)) + _log_1_plus(small[m])
                        total += value[m] * sigma_weight[m]
                    raw[start + n] = total
            _merge(at, coarse, order)
            for n in range(count):
                ordered_at[n], ordered_raw[n] = at[order[n]], raw[order[n]]
            _weigh(ordered_at, ordered_raw, powers, whole, weights)
            total, far = 0.0, 0.0
            for n in range(rows):
                counted[n] = 0
            for n in range(count - 1):
                total += weights[n]
                far += weights[n] * 0.5 * (ordered_at[n] + ordered_at[n + 1])
                for m in range(2):
                    sample = order[n + m]
                    counted[sample if sample < coarse else sample - coarse + second] += 0.5 * weights[n]
            ends[ray, 0] = far / total if total > 0 else np.inf
            ends[ray, 1] = total
            ends[ray, 2], ends[ray, 3] = ordered_at[0], ordered_at[count - 1]
            colour = colours[ray]
            value, number = powers[: ROWS * outer], whole[: ROWS * outer]
            for n in range(0, rows, ROWS):
                most = np.float32(0)
                for m in range(ROWS):
                    most = max(most, counted[n + m])
                if most <= NEGLIGIBLE:
                    continue
                for c in range(0, outer, 16):
                    _narrow(hidden, n * inner, inner, colour_weight, c * inner, value, c, outer, inner)
                for m in range(ROWS):
                    for c in range(outer):
                        value[m * outer + c] = -(value[m * outer + c] + colour_bias[c])
                _exponentials(value, number, number.view(np.float32))
                for m in range(ROWS):
                    for c in range(outer):
                        colour[c] += counted[n + m] / (np.float32(1) + value[m * outer + c])


class FastRays:
    """Planes and decoder of one head, arranged for :meth:`render`."""

    def __init__(self, planes: Tensor, decoder: OSGDecoder, settings: VolumeSettings) -> None:
        """Take planes (1, 3, C, H, W) on the processor."""
        _, _, channels, *size = planes.shape
        self.settings, self.colours = settings, decoder.net[2].weight.shape[0] - 1
        padded = planes[0].new_zeros(3, *size, _full(channels))
        padded[..., :channels] = planes[0].permute(0, 2, 3, 1)
        self.planes, self.size = padded.numpy().reshape(-1), (*size, padded.shape[-1])
        first, last = decoder.net[0], decoder.net[2]
        weight, bias = last.weight * last.weight_gain, last.bias * last.bias_gain
        inner = _full(len(first.weight))
        panel = PANEL if inner % PANEL == 0 else 16
        # The mean of the planes is their sum with a third of the weights.
        into = _panels(first.weight * (first.weight_gain / 3), padded.shape[-1], inner, panel)
        self.hidden = into, _row(first.bias * first.bias_gain, inner)
        self.sigma = _row(weight[0], inner), np.float32(bias[0].item())
        outer = _full(self.colours)
        self.colour = _panels(weight[1:], inner, outer, 16), _row(bias[1:], outer), (panel,)

    def render(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Colours (M, C) in [-1, 1], depths (M,) and opacities (M,) of rays (M, 3), in the middle of strata."""
        settings, many = self.settings, len(origins)
        near, far = settings.ray_start, settings.ray_end
        if near is None or far is None:
            near, far = box_limits(origins[None], directions[None], settings.box_warp)
        fine = settings.depth_resolution_importance
        jitter = torch.full((1, many, settings.depth_resolution, 1), 0.5)
        depths = stratified_depths(near, far, jitter, settings.disparity_space_sampling)[0, ..., 0]
        out = np.zeros((many, len(self.colour[1])), np.float32), np.empty((many, 4), np.float32)
        _render(
            self.planes,
            self.size,
            np.float32(2 / settings.box_warp),
            _neighbours(many),
            (origins.contiguous().numpy(), directions.contiguous().numpy()),
            depths.contiguous().numpy(),
            (np.arange(fine, dtype=np.float32) + np.float32(0.5)) / max(fine, 1),
            self.hidden,
            self.sigma,
            self.colour,
            out,
        )
        depth, opacity, nearest, farthest = out[1].T
        # sigmoid * 1.002 - 0.001, then from [0, 1] to [-1, 1].
        total = opacity[:, None]
        colours = (out[0][:, : self.colours] * np.float32(1.002) - np.float32(0.001) * total) * 2 - 1
        if settings.white_back:
            colours += 2 * (1 - total)
        depth = depth.clip(nearest.min(), farthest.max())
        return torch.from_numpy(colours), torch.from_numpy(depth), torch.from_numpy(opacity.copy())


def _neighbours(many: int) -> NDArray[np.int64]:
    """Numbers of rays of a square picture in small squares (tasks, rays), -1 for none; of others in rows."""
    side, square = math.isqrt(many), NEIGHBOURS**2
    if side * side != many:
        rays = np.full(-(-many // square) * square, -1)
        rays[:many] = np.arange(many)
        return rays.reshape(-1, square)
    across = -(-side // NEIGHBOURS)
    rays = np.full((across * NEIGHBOURS, across * NEIGHBOURS), -1)
    rays[:side, :side] = np.arange(many).reshape(side, side)
    split = rays.reshape(across, NEIGHBOURS, across, NEIGHBOURS).swapaxes(1, 2)
    return np.ascontiguousarray(split).reshape(-1, square)


def _full(count: int) -> int:
    return -(-count // 16) * 16


def _panels(weight: Tensor, given: int, channels: int, panel: int) -> NDArray[np.float32]:
    """Weights (out, in) as flat (channels / panel, given, panel), zeros where there are none."""
    full = np.zeros((given, channels), np.float32)
    full[: weight.shape[1], : weight.shape[0]] = weight.t().numpy()
    return np.ascontiguousarray(full.reshape(given, -1, panel).swapaxes(0, 1)).ravel()


def _row(values: Tensor, count: int) -> NDArray[np.float32]:
    full = np.zeros(count, np.float32)
    full[: len(values)] = values.numpy()
    return full
