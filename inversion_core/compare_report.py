"""A comparison for people: a table, a sheet of pictures, and the plot of distortion, editability and time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.compare import FACET, Comparison
from inversion_core.contact_sheet import sheet

COLUMNS = (
    ("PSNR", "psnr", "{:.1f}"),
    ("SSIM", "ssim", "{:.3f}"),
    ("landmarks", "landmarks", "{:.1%}"),
    ("likeness ±25°", "novel", "{:.3f}"),
    ("PSNR ±30°, truth", "turned_psnr", "{:.1f}"),
    ("depth, truth", "depth", "{:.1%}"),
    ("likeness ±25°, truth", "turned_novel", "{:.3f}"),
    ("code distance", "distance", "{:.2f}"),
    ("edit agreement", "edit", "{:.2f}"),
    ("round trip", "round_trip", "{:.2f}"),
    ("seconds", "seconds", "{:.2f}"),
    ("processor s", "processor", "{:.2f}"),
    ("MB", "megabytes", "{:.0f}"),
)
"""Heading, field of ``MethodFigures``, and how it is written."""


def median_figures(comparison: Comparison) -> dict[str, dict[str, float]]:
    """Method -> field -> median over the photos; a method that lost a face keeps its infinity."""
    result: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(row.method for row in comparison.figures):
        rows = [row for row in comparison.figures if row.method == method]
        result[method] = {name: _median([getattr(row, name) for row in rows]) for _, name, _ in COLUMNS}
    return result


def comparison_table(comparison: Comparison) -> str:
    """Medians over the photos as a markdown table, one row a method."""
    medians = median_figures(comparison)
    shown = [c for c in COLUMNS if any(np.isfinite(row[c[1]]) for row in medians.values())]
    lines = ["| method | " + " | ".join(c[0] for c in shown) + " |", "| --- |" + " --- |" * len(shown)]
    for method, row in medians.items():
        cells = [pattern.format(row[name]) if np.isfinite(row[name]) else "–" for _, name, pattern in shown]
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def target_sentence(comparison: Comparison, rival: str = "pti") -> str:
    """How the bundled path stands against a descent: front, other views, time; empty when either is missing."""
    medians = median_figures(comparison)
    if FACET not in medians or rival not in medians:
        return ""
    own, other = medians[FACET], medians[rival]
    checks = (
        (
            f"front PSNR {own['psnr']:.1f} dB against {other['psnr']:.1f} dB − 1",
            own["psnr"] >= other["psnr"] - 1,
        ),
        (
            f"likeness in other views {own['novel']:.3f} against {other['novel']:.3f}",
            own["novel"] > other["novel"],
        ),
        (
            f"{other['seconds'] / own['seconds']:.0f} times less time{_less_work(own, other)}, of 100",
            other["seconds"] >= 100 * own["seconds"],
        ),
    )
    words = "; ".join(f"{text}: {'met' if met else 'not met'}" for text, met in checks)
    return f"{FACET} against {rival}: {words}."


def _less_work(own: dict[str, float], other: dict[str, float]) -> str:
    """How much less processor time, in brackets; empty where it is not known."""
    ratio = other["processor"] / own["processor"]
    return f" ({ratio:.0f} times less processor time)" if np.isfinite(ratio) else ""


def comparison_sheet(comparison: Comparison) -> NDArray[np.uint8]:
    """For each photo a row of fronts and a row of views from the side, one column a method."""
    methods = list(dict.fromkeys(method for _, method in comparison.pictures))
    photos = list(dict.fromkeys(photo for photo, _ in comparison.pictures))
    cells: list[tuple[str, NDArray[np.uint8]]] = []
    for photo in photos:
        row = [comparison.pictures.get((photo, method)) for method in methods]
        blank = np.full((256, 256, 3), 255, np.uint8)
        cells += [(m, blank if p is None else p.front) for m, p in zip(methods, row, strict=True)]
        cells += [
            ("" if m == "photo" else "+25", p.turned[-1] if p is not None and p.turned else blank)
            for m, p in zip(methods, row, strict=True)
        ]
    return sheet(cells, len(methods))


def comparison_plot(comparison: Comparison) -> NDArray[np.uint8]:
    """(620, 960, 3) uint8: PSNR across, edit agreement up, area of a dot for the logarithm of its seconds.

    Methods without codes (the bundled path) stand in a strip of their own above: their sliders move the same head by
    construction.
    """
    chart = np.full((620, 960, 3), 255, np.uint8)
    medians = median_figures(comparison)
    left, right, top, bottom = 80, 930, 110, 550
    psnrs = [row["psnr"] for row in medians.values()]
    edits = [row["edit"] for row in medians.values() if np.isfinite(row["edit"])] or [0.0, 1.0]
    columns, rows = _ticks(min(psnrs), max(psnrs)), _ticks(min(edits), max(edits))
    across = _scale(columns[0], columns[-1], left + 30, right - 130)
    up = _scale(rows[0], rows[-1], bottom - 25, top + 25)
    for value in columns:
        cv2.line(chart, (across(value), top), (across(value), bottom), GRID, 1)
        _write(chart, f"{value:g}", (across(value) - 8, bottom + 24), 0.45)
    for value in rows:
        cv2.line(chart, (left, up(value)), (right, up(value)), GRID, 1)
        _write(chart, f"{value:g}", (34, up(value) + 5), 0.45)
    cv2.rectangle(chart, (left, top), (right, bottom), (170, 170, 170), 1)
    taken: list[tuple[int, int, int, int]] = []
    for method, row in sorted(medians.items(), key=lambda item: item[1]["psnr"]):
        known = np.isfinite(row["edit"])
        x, y = across(row["psnr"]), up(row["edit"]) if known else top - 28
        radius = int(np.clip(4 + 4 * np.log10(max(row["seconds"], 0.1) * 10), 4, 24))
        cv2.circle(chart, (x, y), radius, PALE[known], -1, cv2.LINE_AA)
        cv2.circle(chart, (x, y), radius, STRONG[known], 2, cv2.LINE_AA)
        seconds = row["seconds"]
        text = f"{method}, {seconds:.0f} s" if seconds >= 1 else f"{method}, {seconds:.1f} s"
        _write(chart, text, _free(text, x + radius + 4, y + 4, taken), 0.42)
    _write(chart, "Edit agreement", (20, 32), 0.55)
    _write(chart, "dots grow with seconds", (690, 32), 0.45)
    if any(not np.isfinite(row["edit"]) for row in medians.values()):
        _write(chart, "no codes:", (20, top - 23), 0.42)
    _write(chart, "PSNR of the front, dB", (400, 606), 0.55)
    return chart


GRID = (232, 232, 232)
STRONG = {True: (30, 90, 200), False: (200, 60, 40)}
PALE = {True: (205, 222, 248), False: (250, 214, 205)}
"""Colours of dots with and without codes."""


def _write(chart: NDArray[np.uint8], text: str, at: tuple[int, int], scale: float) -> None:
    cv2.putText(chart, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (60, 60, 60), 1, cv2.LINE_AA)


def _free(text: str, x: int, y: int, taken: list[tuple[int, int, int, int]]) -> tuple[int, int]:
    """Where the text covers none before it: beside its dot, or as little above or below as will do."""
    wide = 8 * len(text)
    for step in (0, 14, -14, 28, -28, 42, -42, 56):
        box = (x, y + step - 11, x + wide, y + step + 3)
        if all(box[2] < b[0] or box[0] > b[2] or box[3] < b[1] or box[1] > b[3] for b in taken):
            break
    taken.append(box)
    return x, box[3] - 3


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose the range, about five."""
    span = max(high - low, 1e-3)
    step = 10.0 ** np.floor(np.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 5)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [round(float(k * step), 10) for k in np.arange(first, max(last, first + 1) + 1)]


def _scale(low: float, high: float, first: int, last: int):
    span = max(high - low, 1e-6)
    return lambda value: round(first + (last - first) * (value - low) / span)


def _median(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.median(known)) if known else float("nan")
