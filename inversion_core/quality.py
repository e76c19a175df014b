"""The figures of an evaluation against their goals, as the tables of ``docs/quality.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from inversion_core.evaluate import PROBES, STILL, EditResponse, PhotoReport, Report


@dataclass(frozen=True)
class Target:
    """One figure and its goal.

    Attributes:
        figure: what is measured.
        goal: what is asked for, in words.
        median, worst: over the photos, ready to print.
        met, count: photos that meet it, and photos that have it.
    """

    figure: str
    goal: str
    median: str
    worst: str
    met: int
    count: int


def targets(report: Report) -> tuple[Target, ...]:
    """Every goal for photos with the figures that were reached."""
    photos = report.inverted
    rows = [
        Target("photos inverted", "all", "", "", len(photos), len(report.photos)),
        _target(
            # Of photos aligned by hand no landmarks are known.
            [p for p in photos if not np.isnan(p.landmarks)],
            "landmarks found again, front",
            "≤ 2 % of the eye distance",
            _landmarks,
            "{:.2%}",
            -1,
            0.02,
        ),
        _target(photos, "silhouette IoU", "≥ 0.92", lambda p: p.iou, "{:.3f}", 1, 0.92),
        _target(photos, "PSNR in the face, 256²", "≥ 30 dB", lambda p: p.psnr, "{:.1f} dB", 1, 30),
        _target(photos, "SSIM in the face, 256²", "≥ 0.92", lambda p: p.ssim, "{:.3f}", 1, 0.92),
        _target(photos, "yaws at which the face is found", "all", _found_share, "{:.0%}", 1, 1.0),
        _target(photos, "inversion time", "≤ 3 s", lambda p: p.seconds, "{:.2f} s", -1, 3),
    ]
    for index, probe in enumerate(PROBES):
        responses = [edit for p in photos for edit in p.edits if _is(edit, index)]
        if not responses:
            continue
        sign = -1 if probe.kind == "remains" else 1
        effects = [r.effect for r in responses]
        word = {"change": "{:+.3f}", "ratio": "{:+.1%}", "remains": "{:.0%}"}[probe.kind]
        goal = ("≤ " if sign < 0 else "≥ ") + word.format(probe.goal)
        name = f"`{probe.slider}`: {probe.measure.replace('_', ' ')}"
        met = sum(r.reached for r in responses)
        rows.append(Target(name, goal, *_spread(effects, sign, word), met, len(responses)))
        steady = sum(r.monotone for r in responses)
        rows.append(Target(f"{name}, monotone", "always", "", "", steady, len(responses)))
        leaks = [r.leakage for r in responses]
        still = sum(leak <= STILL for leak in leaks)
        rows.append(
            Target(f"{name}, the rest", f"≤ {STILL:.0%}", *_spread(leaks, -1, "{:.1%}"), still, len(leaks))
        )
    return tuple(rows)


def markdown(report: Report) -> str:
    """The report as Markdown: goals first, then every photo, then every slider on every photo."""
    goals = [
        (t.figure, t.goal, t.median, t.worst, f"{t.met} of {t.count}" if t.count else "–")
        for t in targets(report)
    ]
    photos = [
        (p.name, p.failure, "", "", "", "", "")
        if p.failure
        else (
            p.name,
            _landmark_word(p.landmarks),
            f"{p.iou:.3f}",
            f"{p.psnr:.1f}",
            f"{p.ssim:.3f}",
            "all" if not p.lost else "lost at " + ", ".join(f"{yaw:+.0f}°" for yaw in p.lost),
            f"{p.seconds:.2f}",
        )
        for p in report.photos
    ]
    edits = [
        (
            p.name,
            f"`{e.slider}`",
            e.measure.replace("_", " "),
            ", ".join(f"{value:.3f}" for value in e.values),
            _effect(e),
            "yes" if e.reached else "**no**",
            "yes" if e.monotone else "**no**",
            f"{e.leakage:.1%} {e.leaked.replace('_', ' ')}".strip(),
        )
        for p in report.inverted
        for e in p.edits
    ]
    return "\n".join(
        [
            *_table(("figure", "goal", "median", "worst", "met"), goals),
            "",
            *_table(("photo", "landmarks", "IoU", "PSNR dB", "SSIM", "face found at", "seconds"), photos),
            "",
            *_table(
                (
                    "photo",
                    "slider",
                    "measure",
                    "values",
                    "effect",
                    "reached",
                    "monotone",
                    "most moved of the rest",
                ),
                edits,
            ),
            "",
        ]
    )


def _target(
    photos: Iterable[PhotoReport],
    figure: str,
    goal: str,
    value: Callable[[PhotoReport], float],
    word: str,
    sign: int,
    limit: float,
) -> Target:
    values = [value(photo) for photo in photos]
    met = sum(sign * v >= sign * limit for v in values)
    return Target(figure, goal, *_spread(values, sign, word), met, len(values))


def _spread(values: list[float], sign: int, word: str) -> tuple[str, str]:
    """Median and worst as text; ``sign`` is 1 where more is better. What was not measured is the worst."""
    if not values:
        return "", ""
    kept = [v if not np.isnan(v) else -sign * np.inf for v in values]
    worst = min(kept) if sign > 0 else max(kept)
    return word.format(float(np.median(kept))), word.format(worst) if np.isfinite(worst) else "not found"


def _landmarks(photo: PhotoReport) -> float:
    return photo.landmarks


def _landmark_word(error: float) -> str:
    if np.isnan(error):
        return "by hand"
    return f"{error:.2%}" if np.isfinite(error) else "no face"


def _found_share(photo: PhotoReport) -> float:
    return len(photo.yaws) / max(len(photo.yaws) + len(photo.lost), 1)


def _is(edit: EditResponse, index: int) -> bool:
    return (edit.slider, edit.measure) == (PROBES[index].slider, PROBES[index].measure)


def _effect(edit: EditResponse) -> str:
    if not np.isfinite(edit.effect):
        return "face lost"
    return {"change": "{:+.3f}", "ratio": "{:+.1%}", "remains": "{:.0%} left"}[edit.kind].format(edit.effect)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
