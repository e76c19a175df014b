"""The measured figures as a page for people."""

from __future__ import annotations

from collections.abc import Mapping

from inversion_core.bench import BenchReport

ROWS = (
    ("orbit_fps_128", "orbit, 128 × 128", "frames/s", 60.0),
    ("orbit_fps_256", "orbit, 256 × 256", "frames/s", 20.0),
    ("orbit_speedup_vs_reference", "orbit against the plain PyTorch renderer", "times", 20.0),
    ("psnr_vs_reference", "likeness to the plain renderer", "dB", 45.0),
    ("edit_preview_ms", "slider to first picture", "ms", -50.0),
    ("edit_full_ms", "slider to 256 × 256", "ms", -200.0),
    ("invert_s", "photo to head", "s", None),
    ("isosurface_256_s", "marching cubes, 256³", "s", -1.0),
    ("isosurface_512_s", "marching cubes, 512³", "s", -4.0),
    ("gl_vs_reference_psnr", "OpenGL against the core's renderer", "dB", 40.0),
    ("gl_orbit_fps_128", "OpenGL orbit, 128 × 128", "frames/s", None),
    ("gl_orbit_fps_256", "OpenGL orbit, 256 × 256", "frames/s", None),
    ("gl_orbit_fps_512", "OpenGL orbit, 512 × 512", "frames/s", None),
    ("peak_memory_mb", "largest memory", "MB", None),
    ("eg3d_plain_s", "EG3D frame, plain", "s", None),
    ("eg3d_frame_s", "EG3D frame", "s", None),
    ("eg3d_speedup", "EG3D against plain", "times", 2.2),
    ("eg3d_psnr", "likeness to plain", "dB", 60.0),
    ("eg3d_half_frame_s", "EG3D frame, bfloat16 super-resolution", "s", None),
    ("eg3d_half_speedup", "EG3D with bfloat16 against plain", "times", 3.5),
    ("eg3d_half_psnr", "likeness to plain", "dB", 45.0),
    ("eg3d_dense_density_s", "EG3D, all 256³ densities", "s", None),
    ("eg3d_sculpt_s", "EG3D, surface on 256³", "s", None),
    ("eg3d_sculpt_speedup", "EG3D surface against all densities", "times", 10.0),
    ("sdf_network_s", "StyleSDF's 64 × 64 thumb by its network", "s", None),
    ("sdf_decoder_s", "StyleSDF's 1024 × 1024 picture from that", "s", None),
    ("sdf_first_s", "StyleSDF, first cached distances", "s", None),
    ("sdf_cache_s", "StyleSDF, all cached distances", "s", None),
    ("sdf_asked_share", "share of the grid that was asked for", "", None),
    ("sdf_orbit_fps_128", "StyleSDF orbit, cached, 128 × 128", "frames/s", None),
    ("sdf_orbit_fps_256", "StyleSDF orbit, cached, 256 × 256", "frames/s", None),
    ("sdf_orbit_speedup", "a cached 256 × 256 frame against the network's picture", "times", None),
    ("sdf_first_psnr", "first cached distances against the thumb", "dB", None),
    ("sdf_psnr", "cached distances against the thumb", "dB", None),
    ("sdf_gl_psnr", "cached distances, OpenGL against the processor", "dB", 40.0),
    ("sdf_gl_orbit_fps_128", "StyleSDF orbit, cached, OpenGL, 128 × 128", "frames/s", None),
    ("sdf_gl_orbit_fps_256", "StyleSDF orbit, cached, OpenGL, 256 × 256", "frames/s", None),
    ("sdf_dense_s", "StyleSDF, all 128³ distances", "s", None),
    ("sdf_sculpt_s", "StyleSDF, surface on 128³", "s", None),
    ("sdf_sculpt_speedup", "StyleSDF surface against all distances", "times", None),
)
"""Key, words, unit and what is aimed at (negative: at most)."""


def written(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def benchmarks_page(report: BenchReport) -> str:
    """Markdown with every figure, its aim, the cost curves and the machine."""
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items() if value is not None)
    lines = [
        "# Benchmarks",
        "",
        "Written by `facet bench -o` (`--eg3d` and `--sdf` add their rows). Times are medians over warm",
        "repeats; ratios are of times taken in the same run. `load` is the one-minute load average at the end:",
        "where it is above the number of cores, other programs slowed every time below, and moved the ratios.",
        "",
        f"Machine: {machine}.",
        "",
        "| | measured | aim |",
        "| --- | ---: | ---: |",
    ]
    for key, words, unit, aim in ROWS:
        if key in report.figures:
            lines.append(f"| {words} (`{key}`) | {_cell(report.figures[key], unit)} | {_aim(aim, unit)} |")
    lines += ["", "## Frame time", "", *_curve("side", report.curve)]
    if report.samples_curve:
        lines += ["", "Samples a side in each pixel, at 256 × 256:", ""]
        lines += _curve("samples", report.samples_curve)
    if report.planes_curve:
        lines += ["", "32 × 32 rays of full-size EG3D, by the side of its planes:", ""]
        lines += _curve("planes", report.planes_curve)
    notes = [f"- `{name}`: {text}" for name, text in report.notes.items()]
    return "\n".join([*lines, *(["", "## Notes", "", *notes] if notes else []), ""])


def _cell(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{written(value)} {unit}".strip()


def _aim(aim: float | None, unit: str) -> str:
    return "" if aim is None else f"{'≤' if aim < 0 else '≥'} {abs(aim):g} {unit}"


def _curve(name: str, curve: Mapping[int, float]) -> list[str]:
    return [
        "| " + " | ".join([name, *(str(key) for key in curve)]) + " |",
        "| " + " | ".join(["---"] * (len(curve) + 1)) + " |",
        "| " + " | ".join(["ms", *(written(value) for value in curve.values())]) + " |",
    ]
