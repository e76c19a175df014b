"""How long everything takes on this machine, and how the fast renderer compares with the plain one."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core import pipeline
from inversion_core.camera import Camera
from inversion_core.gl.context import NoOpenGL
from inversion_core.metrics import psnr
from inversion_core.model import FaceModel
from inversion_core.portrait import Portrait
from inversion_core.task import Progress, Task

CURVE_SIZES = (64, 96, 128, 192, 256, 384, 512)
SWING = np.radians(30)
REFERENCE_SIZE = 128
SAMPLES = (1, 2, 3)
FRAMES = 8
"""Frames of one timed swing."""
GL_SIZES = (128, 256, 512)


@dataclass(frozen=True)
class BenchReport:
    """What was measured.

    Attributes:
        figures: by name, None where nothing could be measured; machine: what it was measured on.
        curve: milliseconds a frame by size; samples_curve: by samples a side in a pixel, at 256 x 256;
            planes_curve: by the side of a triplane, for 32 x 32 rays of full-size EG3D.
    """

    figures: Mapping[str, float | None]
    machine: Mapping[str, Any]
    curve: Mapping[int, float]
    notes: Mapping[str, str]
    samples_curve: Mapping[int, float] = field(default_factory=dict)
    planes_curve: Mapping[int, float] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """Everything under the names that ``facet bench --json`` documents."""
        curve = {str(size): value for size, value in self.curve.items()}
        return {
            **self.figures,
            "frame_ms_by_size": curve,
            "frame_ms_by_samples": {str(count): value for count, value in self.samples_curve.items()},
            "frame_ms_by_planes": {str(side): value for side, value in self.planes_curve.items()},
            "machine": dict(self.machine),
            "notes": dict(self.notes),
        }


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, versions and threads."""
    import numba
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _processor(),
        "cores": cores,
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba_threads": numba.get_num_threads(),
        "torch_threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def peak_memory_mb() -> float | None:
    """The most memory this process has held; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def median_seconds(job: Callable[[], object], repeats: int) -> float:
    """The median time of ``repeats`` runs after one that is not counted."""
    job()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        job()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def _finished(task: Task) -> Any:
    from inversion_core.task import finish

    return finish(task)


def run_bench(
    model: FaceModel, portrait: Portrait, repeats: int = 5, eg3d: bool = False, sdf: bool = False
) -> Task[BenchReport]:
    """A task that measures; every figure is a median of ``repeats`` warm runs.

    Args:
        portrait: what is inverted, edited and drawn.
        eg3d, sdf: also measure a full-size EG3D or StyleSDF network with random weights.
    """
    from inversion_core.bench_eg3d import measure_eg3d, seconds_by_plane_side

    total = 7
    figures: dict[str, float | None] = {}
    yield Progress(0, total, "inverting")
    figures["invert_s"] = median_seconds(lambda: _finished(pipeline.invert(portrait, model)), repeats)
    inversion = _finished(pipeline.invert(portrait, model))
    head = pipeline.edit(inversion, {}, model)
    cameras = [
        pipeline.turntable_camera(inversion, float(yaw), 0.0) for yaw in np.linspace(-SWING, SWING, FRAMES)
    ]

    def swing(size: int, samples: int = 1) -> None:
        for camera in cameras:
            pipeline.view(head, camera, size, samples)

    yield Progress(1, total, "orbiting")
    curve = {size: median_seconds(lambda size=size: swing(size), repeats) / FRAMES for size in CURVE_SIZES}
    by_samples = {
        count: median_seconds(lambda count=count: swing(256, count), repeats) / FRAMES for count in SAMPLES
    }
    by_planes = seconds_by_plane_side(repeats)
    figures["orbit_fps_128"], figures["orbit_fps_256"] = 1 / curve[128], 1 / curve[256]
    yield Progress(2, total, "editing")
    slider = model.card.sliders[0]
    values = iter(np.resize(np.linspace(0.3, 0.9, 7), 4 * repeats + 8) * slider.maximum)

    def moved(size: int) -> None:
        edited = pipeline.edit(inversion, {slider.name: float(next(values))}, model)
        pipeline.view(edited, portrait.camera, size)

    figures["edit_preview_ms"] = 1e3 * median_seconds(lambda: moved(128), repeats)
    figures["edit_full_ms"] = 1e3 * median_seconds(lambda: moved(256), repeats)
    yield Progress(3, total, "the plain renderer")
    notes: dict[str, str] = {}
    figures |= _against_reference(head, cameras[FRAMES // 3], repeats, notes)
    figures |= _with_gl(head, cameras, repeats, notes)
    for step, size in ((4, 256), (5, 512)):
        yield Progress(step, total, f"marching cubes at {size}")
        seconds = median_seconds(lambda size=size: _finished(pipeline.sculpt(head, size)), repeats)
        figures[f"isosurface_{size}_s"] = seconds
    figures["peak_memory_mb"] = peak_memory_mb()
    if eg3d:
        yield Progress(6, total, "EG3D")
        figures |= yield from measure_eg3d(repeats=repeats)
    if sdf:
        from inversion_core.bench_sdf import measure_sdf

        figures |= yield from measure_sdf(notes, repeats=repeats)
    curves = [{key: 1e3 * t for key, t in part.items()} for part in (curve, by_samples, by_planes)]
    return BenchReport(figures, describe_machine(), curves[0], notes, *curves[1:])


def median_ratio(slow: Callable[[], object], fast: Callable[[], object], repeats: int) -> float:
    """How many times faster the second job is: the median over repeats in which both ran one after the other."""
    slow(), fast()
    ratios = []
    for _ in range(repeats):
        started = time.perf_counter()
        slow()
        between = time.perf_counter()
        for _ in range(FRAMES):
            fast()
        ratios.append((between - started) * FRAMES / (time.perf_counter() - between))
    return float(np.median(ratios))


def _against_reference(
    head: Any, camera: Camera, repeats: int, notes: dict[str, str]
) -> dict[str, float | None]:
    from inversion_core.generators.head import Head
    from inversion_core.reference import render_reference

    if not isinstance(head, Head):
        notes["psnr_vs_reference"] = "Only the bundled model has a plain renderer."
        return {"orbit_speedup_vs_reference": None, "psnr_vs_reference": None}
    draws = [
        lambda draw=draw: draw(head, camera, REFERENCE_SIZE) for draw in (render_reference, pipeline.view)
    ]
    plain, fast = (draw().over() for draw in draws)
    return {
        "orbit_speedup_vs_reference": median_ratio(*draws, min(repeats, 3)),
        "psnr_vs_reference": psnr(fast, plain, np.ones(plain.shape[:2], np.float32)),
    }


def _with_gl(head: Any, cameras: list, repeats: int, notes: dict[str, str]) -> dict[str, float | None]:
    """Frames a second of the swing with OpenGL, and its likeness to the core's renderer in the worst frame."""
    names = ["gl_vs_reference_psnr", *(f"gl_orbit_fps_{size}" for size in GL_SIZES)]
    try:
        from inversion_core.gl.measure import measured_swing

        swing = measured_swing(head, cameras, GL_SIZES, repeats)
    except (ImportError, NoOpenGL) as error:
        notes["gl_vs_reference_psnr"] = str(error)
        return dict.fromkeys(names)
    notes["gl"] = swing.driver
    return dict(zip(names, (swing.psnr, *(1 / swing.seconds[size] for size in GL_SIZES)), strict=True))


def draw_chart(report: BenchReport) -> NDArray[np.uint8]:
    """(480, 720, 3) uint8: milliseconds a frame against the picture's side, both logarithmic."""
    chart = np.full((480, 720, 3), 255, np.uint8)
    sizes = np.array(sorted(report.curve), float)
    times = np.array([report.curve[int(size)] for size in sizes])
    left, right, top, bottom = 80, 690, 50, 420
    low, high = 10 ** np.floor(np.log10(times.min())), 10 ** np.ceil(np.log10(times.max() * 1.01))
    across = left + (right - left) * np.log(sizes / sizes[0]) / np.log(sizes[-1] / sizes[0])
    ink, font = (60, 60, 60), cv2.FONT_HERSHEY_SIMPLEX

    def height(value: float) -> int:
        return round(bottom - (bottom - top) * np.log(value / low) / np.log(high / low))

    for power in range(round(np.log10(low)), round(np.log10(high)) + 1):
        y = height(10.0**power)
        cv2.line(chart, (left, y), (right, y), (220, 220, 220), 1)
        cv2.putText(chart, f"{10.0**power:g}", (20, y + 5), font, 0.45, ink, 1, cv2.LINE_AA)
    for x, size in zip(across, sizes, strict=True):
        cv2.putText(chart, f"{size:g}", (int(x) - 14, bottom + 24), font, 0.45, ink, 1, cv2.LINE_AA)
    line = np.array([[round(x), height(t)] for x, t in zip(across, times, strict=True)], np.int32)
    cv2.polylines(chart, [line], False, (30, 90, 200), 2, cv2.LINE_AA)
    for x, y in line:
        cv2.circle(chart, (int(x), int(y)), 4, (30, 90, 200), -1, cv2.LINE_AA)
    cv2.putText(chart, "milliseconds per frame", (20, 28), font, 0.55, ink, 1, cv2.LINE_AA)
    cv2.putText(chart, "picture side in pixels", (300, 466), font, 0.55, ink, 1, cv2.LINE_AA)
    return chart
