"""3x3 convolutions with a quarter of the products: Winograd's F(4 x 4, 3 x 3), and what follows each of them.

Tiles of 6 x 6 samples are transformed, multiplied with the transformed kernel sample by sample, and transformed back
to 4 x 4 results: 36 products where 144 would be. A convolution that enlarges is four such convolutions of the small
picture, one for each place in a 2 x 2 block of the large one, with the low-pass filter in their kernels. Bias, leaky
ReLU and the picture's 1 x 1 convolution happen while a tile is at hand.

Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.compiled import parallel
from inversion_core.generators.vectors import PANEL, ROWS, combination, product

TILE, WINDOW, PLACES = 4, 6, 36
"""Sides of a tile's results and of what they come from, and products for each pair of channels."""
TILES_AT_ONCE = 48
"""Tiles multiplied with a kernel together: enough to use what is read of it, few enough to stay near the processor."""
TO_WINDOW = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
FROM_WINDOW = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
OF_KERNEL = np.array(
    (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    )
)
LOW_PASS = (0.25, 0.75, 0.75, 0.25)
"""The low-pass filter along one axis, with the gain of 2 that the zeros between samples ask for."""

_into, _out_of = combination(TO_WINDOW), combination(FROM_WINDOW)
_wide, _narrow = product(PANEL), product(16)
_wide_halves, _narrow_halves = product(PANEL, halves=True), product(16, halves=True)


@dataclass(frozen=True)
class Kernel:
    """A kernel ready for :func:`convolve`.

    Attributes:
        products: flat (phases², 36, out / panel, in, panel) float32, or empty for bfloat16.
        pairs: flat (phases², 36, out / panel, in / 2, panel) uint32, two of bfloat16 in each, or empty for float32.
        channels, given: how many come out and go in; ``given`` is a multiple of 16.
        panel: channels that are computed together.
        phases: 2 where the result is twice as large, else 1.
    """

    products: NDArray[np.float32]
    pairs: NDArray[np.uint32]
    channels: int
    given: int
    panel: int
    phases: int


def kernel_of(weight: NDArray, enlarges: bool, half: bool = False) -> Kernel:
    """The kernel of weights (out, in, 3, 3), ``out`` a multiple of 16.

    Args:
        enlarges: as a transposed convolution with stride 2, smoothed by the 4 x 4 low-pass filter.
        half: multiply in bfloat16; transforms and sums stay float32.
    """
    weight = weight.astype(np.float64)
    weight = _phases(weight) if enlarges else weight[None]
    count, channels, given = weight.shape[:3]
    padded = -(-given // 16) * 16
    weight = np.pad(weight, ((0, 0), (0, 0), (0, padded - given), (0, 0), (0, 0)))
    rows = np.tensordot(weight, OF_KERNEL, (3, 1))
    both = np.tensordot(rows, OF_KERNEL, (3, 1)).transpose(0, 3, 4, 2, 1)
    panel = PANEL if channels % PANEL == 0 else 16
    split = both.reshape(count, PLACES, padded, channels // panel, panel).swapaxes(2, 3)
    products, pairs = np.ascontiguousarray(split, np.float32), np.empty(0, np.uint32)
    if half:
        bits = products.view(np.uint32)
        bits = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        pairs = (bits[..., ::2, :] | (bits[..., 1::2, :] << np.uint32(16))).ravel()
        products = np.empty(0, np.float32)
    return Kernel(products.ravel(), pairs, channels, padded, panel, 2 if enlarges else 1)


def _phases(weight: NDArray) -> NDArray:
    """(4, out, in, 3, 3): what each place of a 2 x 2 block sees of the small picture's samples round it."""
    shares = np.zeros((2, 3, 3))
    for phase in range(2):
        for sample in range(3):
            # Sample i reaches the places 2i, 2i + 1, 2i + 2, and the filter those from one before to two behind.
            start = 2 * (1 - sample) + phase - 1
            for tap, share in enumerate(LOW_PASS):
                if 0 <= start + tap < 3:
                    shares[phase, sample, start + tap] += share
    spread = np.einsum("adk,oikl->aoidl", shares, weight)
    phases = np.einsum("bel,aoidl->aboide", shares, spread)
    return phases.reshape(4, *weight.shape)


def framed(side: int, channels: int) -> NDArray[np.float32]:
    """(side + 2, side + 2, channels) with zeros round the edge; the inside is not set."""
    page = np.empty((side + 2, side + 2, channels), np.float32)
    page[0] = page[-1] = 0
    page[:, 0] = page[:, -1] = 0
    return page


def convolve(
    page: NDArray[np.float32],
    kernel: Kernel,
    bias: NDArray[np.float32],
    limit: np.float32,
    to_rgb: NDArray[np.float32],
    keep: bool = True,
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
    """The activated result, framed like ``page``, and its picture (H, W, K) before any bias.

    Args:
        page: (H + 2, H + 2, in) of :func:`framed`, H a multiple of 4.
        bias: (out,), added before the leaky ReLU.
        limit: what the result is clamped to; infinity for nothing.
        to_rgb: (K, out), K may be 0.
        keep: whether anyone wants more than the picture; None else.
    """
    side = (len(page) - 2) * kernel.phases
    out = framed(side, kernel.channels) if keep else None
    rgb = np.empty((side, side, len(to_rgb)), np.float32)
    flat = np.empty(0, np.float32) if out is None else out.reshape(-1)
    shape = (len(page) - 2, kernel.given, kernel.channels, kernel.panel, kernel.phases)
    _convolve(page.reshape(-1), shape, kernel.products, kernel.pairs, bias, limit, flat, to_rgb, rgb)
    return out, rgb


@nb.njit(inline="always")
def _paired(bits, out):
    """Neighbours of float32 in uint32, rounded to bfloat16, the nearest or the even one of two."""
    for n in range(len(out)):
        low, high = bits[2 * n], bits[2 * n + 1]
        low += np.uint32(0x7FFF) + ((low >> np.uint32(16)) & np.uint32(1))
        high += np.uint32(0x7FFF) + ((high >> np.uint32(16)) & np.uint32(1))
        out[n] = (low >> np.uint32(16)) | (high & np.uint32(0xFFFF0000))


@parallel
def _convolve(page, shape, products, pairs, bias, limit, out, to_rgb, rgb):
    side, given, channels, panel, phases = shape
    across, line = side // TILE, (side + 2) * given
    tiles, panels, keep = across * across, channels // panel, len(out) > 0
    half_way, many = given // 2, PLACES * TILES_AT_ONCE * given
    for chunk in nb.prange((tiles + TILES_AT_ONCE - 1) // TILES_AT_ONCE):
        first = chunk * TILES_AT_ONCE
        count = min(TILES_AT_ONCE, tiles - first)
        # Rows up to the next multiple are multiplied too, and must hold numbers.
        windows = np.zeros(many, np.float32)
        sums = np.empty(PLACES * TILES_AT_ONCE * channels, np.float32)
        half = np.empty(PLACES * max(given, channels), np.float32)
        for n in range(count):
            down, right = divmod(first + n, across)
            start = TILE * (down * line + right * given)
            for j in range(WINDOW):
                _into(page, start + j * given, line, half, j * given, WINDOW * given, given)
            for i in range(WINDOW):
                place = (i * WINDOW * TILES_AT_ONCE + n) * given
                _into(half, i * WINDOW * given, given, windows, place, TILES_AT_ONCE * given, given)
        narrow = np.empty(many // 2 if len(pairs) else 0, np.uint32)
        _paired(windows.view(np.uint32), narrow)
        for phase in range(phases * phases):
            for place in range(PLACES):
                for part in range(panels):
                    factors = ((phase * PLACES + place) * panels + part) * given * panel
                    for n in range(0, count, ROWS):
                        row = place * TILES_AT_ONCE + n
                        a, c = row * given, row * channels + part * panel
                        if len(pairs):
                            a, b = a // 2, factors // 2
                            if panel == PANEL:
                                _wide_halves(narrow, a, half_way, pairs, b, sums, c, channels, half_way)
                            else:
                                _narrow_halves(narrow, a, half_way, pairs, b, sums, c, channels, half_way)
                        elif panel == PANEL:
                            _wide(windows, a, given, products, factors, sums, c, channels, given)
                        else:
                            _narrow(windows, a, given, products, factors, sums, c, channels, given)
            for n in range(count):
                down, right = divmod(first + n, across)
                for j in range(WINDOW):
                    place = (j * TILES_AT_ONCE + n) * channels
                    step = WINDOW * TILES_AT_ONCE * channels
                    _out_of(sums, place, step, half, j * channels, WINDOW * channels, channels)
                for i in range(TILE):
                    row = i * WINDOW * channels
                    _out_of(half, row, channels, half, row, channels, channels)
                    y = (TILE * down + i) * phases + phase // phases
                    for j in range(TILE):
                        x = (TILE * right + j) * phases + phase % phases
                        pixel = half[row + j * channels : row + (j + 1) * channels]
                        for c in range(channels):
                            value = pixel[c] + bias[c]
                            value = max(value, np.float32(0.2) * value)
                            pixel[c] = min(max(value, -limit), limit)
                        if keep:
                            place = ((y + 1) * (side * phases + 2) + x + 1) * channels
                            target = out[place : place + channels]
                            for c in range(channels):
                                target[c] = pixel[c]
                        for k in range(len(to_rgb)):
                            total = np.float32(0)
                            for c in range(channels):
                                total += pixel[c] * to_rgb[k, c]
                            rgb[y, x, k] = total
