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
    ("code distance", "distance", "{:.2f}"),
    ("edit agreement", "edit", "{:.2f}"),
    ("seconds", "seconds", "{:.2f}"),
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
            f"{other['seconds'] / own['seconds']:.0f} times less time, of 100",
            other["seconds"] >= 100 * own["seconds"],
        ),
    )
    words = "; ".join(f"{text}: {'met' if met else 'not met'}" for text, met in checks)
    return f"{FACET} against {rival}: {words}."


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
    """(560, 860, 3) uint8: PSNR across, edit agreement up, area of a dot for the logarithm of its seconds.

    Methods without codes (the bundled path) stand at the upper edge: their sliders move the same head by construction.
    """
    chart = np.full((560, 860, 3), 255, np.uint8)
    medians = median_figures(comparison)
    left, right, top, bottom = 80, 830, 50, 490
    ink, font = (60, 60, 60), cv2.FONT_HERSHEY_SIMPLEX
    psnrs = [row["psnr"] for row in medians.values()]
    edits = [row["edit"] for row in medians.values() if np.isfinite(row["edit"])] or [0.0, 1.0]
    across = _scale(min(psnrs), max(psnrs), left + 20, right - 90)
    up = _scale(min(edits), max(edits), bottom - 20, top + 30)
    cv2.rectangle(chart, (left, top), (right, bottom), (220, 220, 220), 1)
    for value in np.linspace(min(psnrs), max(psnrs), 5):
        cv2.putText(chart, f"{value:.1f}", (across(value) - 16, bottom + 22), font, 0.45, ink, 1, cv2.LINE_AA)
    for value in np.linspace(min(edits), max(edits), 5):
        cv2.putText(chart, f"{value:.2f}", (24, up(value) + 5), font, 0.45, ink, 1, cv2.LINE_AA)
    for method, row in medians.items():
        x, y = across(row["psnr"]), up(row["edit"]) if np.isfinite(row["edit"]) else top + 12
        radius = int(np.clip(5 + 4 * np.log10(max(row["seconds"], 0.1) * 10), 4, 24))
        colour = (200, 60, 40) if method == FACET else (30, 90, 200)
        cv2.circle(chart, (x, y), radius, colour, 2, cv2.LINE_AA)
        cv2.putText(chart, method, (x + radius + 3, y + 4), font, 0.42, ink, 1, cv2.LINE_AA)
    cv2.putText(chart, "edit agreement; dots grow with time", (20, 28), font, 0.55, ink, 1, cv2.LINE_AA)
    cv2.putText(chart, "PSNR of the front, dB", (340, 545), font, 0.55, ink, 1, cv2.LINE_AA)
    return chart


def _scale(low: float, high: float, first: int, last: int):
    span = max(high - low, 1e-6)
    return lambda value: round(first + (last - first) * (value - low) / span)


def _median(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.median(known)) if known else float("nan")
