"""What `facet bench` reports, on a tiny model; no figure here depends on the machine's speed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from inversion_core import bench
from inversion_core.bench import BenchReport, draw_chart, median_ratio, median_seconds, run_bench
from inversion_core.bench_eg3d import likeness, measure_eg3d
from inversion_core.bench_report import ROWS, benchmarks_page
from inversion_core.camera import Camera
from inversion_core.edit import Slider
from inversion_core.generators.eg3d import EG3DSettings
from inversion_core.generators.triplane import VolumeSettings
from inversion_core.rendering import Rendering
from inversion_core.task import Progress, finish

KEYS = [
    "orbit_fps_128",
    "orbit_fps_256",
    "orbit_speedup_vs_reference",
    "psnr_vs_reference",
    "edit_preview_ms",
    "edit_full_ms",
    "invert_s",
    "isosurface_256_s",
    "isosurface_512_s",
    "gl_vs_reference_psnr",
    "peak_memory_mb",
    "machine",
]


class Flat:
    """A model whose head is one grey square."""

    def __init__(self):
        self.card = SimpleNamespace(sliders=(Slider("age", "Age", "character", "Years.", -1.0, 1.0),))
        self.drawn, self.sculpted, self.moves = [], [], []

    def invert(self, portrait):
        yield Progress(0, 1)
        return SimpleNamespace(portrait=portrait)

    def edit(self, inversion, moves):
        self.moves.append(dict(moves))
        return self

    def view(self, camera, size, samples=1):
        self.drawn.append((size, samples))
        return Rendering(
            np.full((size, size, 3), 0.5, np.float32), np.ones((size, size)), np.ones((size, size))
        )

    def sculpt(self, resolution=None):
        self.sculpted.append(resolution)
        yield Progress(0, 1)


@pytest.fixture
def clock(monkeypatch):
    """A clock that jobs move on."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock.now)
    return clock


def test_medians_leave_the_first_run_out(clock):
    lengths = iter([100.0, 3.0, 1.0, 2.0])

    def job():
        clock.now += next(lengths)

    assert median_seconds(job, 3) == 2.0


def test_ratios_are_of_times_in_the_same_repeat(clock):
    # A machine that becomes ten times slower between repeats.
    slow, fast = iter([0, 8.0, 80.0, 8.0]), iter([0, *[2.0] * 8, *[20.0] * 8, *[2.0] * 8])

    def job(lengths):
        clock.now += next(lengths)

    assert median_ratio(lambda: job(slow), lambda: job(fast), 3) == pytest.approx(4.0)


def test_every_figure_is_reported():
    model = Flat()
    report = finish(run_bench(model, SimpleNamespace(camera=Camera.orbit(0.1, 0.0), marks=None), repeats=1))
    record = json.loads(json.dumps(report.as_record()))
    assert set(KEYS) <= set(record)
    assert record["orbit_fps_256"] == pytest.approx(1e3 / record["frame_ms_by_size"]["256"])
    assert record["orbit_speedup_vs_reference"] is None and "plain" in record["notes"]["psnr_vs_reference"]
    assert set(record["frame_ms_by_samples"]) == {"1", "2", "3"}
    assert set(record["frame_ms_by_planes"]) == {"64", "128", "256", "512"}
    assert all(value > 0 for value in record["frame_ms_by_planes"].values())
    assert set(model.sculpted) == {256, 512} and (256, 3) in model.drawn
    assert all(moves == {} or -1 <= moves["age"] <= 1 for moves in model.moves)
    assert len({str(moves) for moves in model.moves}) > 2
    assert "node" not in record["machine"] and record["machine"]["cores"] >= 1


def made_report(**figures):
    curve = {64: 1.0, 128: 2.5, 256: 9.0}
    return BenchReport(figures, {"cpu": "X", "cores": 2, "load": 0.5}, curve, {"gl": "none here"}, {1: 9.0})


def test_the_page_holds_figures_and_aims():
    page = benchmarks_page(
        made_report(orbit_fps_128=123.456, isosurface_256_s=0.81234, gl_vs_reference_psnr=None)
    )
    assert "| orbit, 128 × 128 (`orbit_fps_128`) | 123 frames/s | ≥ 60 frames/s |" in page
    assert "| marching cubes, 256³ (`isosurface_256_s`) | 0.812 s | ≤ 1 s |" in page
    assert "not measured" in page and "cpu X, cores 2" in page and "| ms | 1 | 2.5 | 9 |" in page
    assert "none here" in page and "invert_s" not in page
    assert len({key for key, *_ in ROWS}) == len(ROWS)


def test_the_chart_shows_the_curve():
    chart = draw_chart(made_report())
    assert chart.shape == (480, 720, 3) and chart.dtype == np.uint8
    blue = (chart == (30, 90, 200)).all(-1)
    ys, xs = np.nonzero(blue)
    assert xs.min() < 90 and xs.max() > 680
    # Larger pictures take longer: the curve rises to the right.
    assert ys[xs < 90].min() > ys[xs > 680].max()


def test_likeness_is_psnr_over_the_range_of_two():
    assert likeness(torch.zeros(1, 3, 4, 4) + 0.2, torch.zeros(1, 3, 4, 4)) == pytest.approx(20.0, abs=1e-4)


def test_eg3d_figures_are_ratios_of_one_run():
    settings = EG3DSettings(
        z_dim=8,
        w_dim=8,
        plane_resolution=16,
        plane_channels=4,
        channel_base=64,
        channel_max=4,
        superresolution="FacetSuperresolution2X",
        neural_rendering_resolution=32,
        volume=VolumeSettings(depth_resolution=6, depth_resolution_importance=6),
    )
    state = torch.random.get_rng_state()
    figures = finish(measure_eg3d(settings, repeats=1, resolution=40))
    assert torch.equal(state, torch.random.get_rng_state())
    assert figures["eg3d_psnr"] > 60 and figures["eg3d_half_psnr"] > 35
    assert figures["eg3d_speedup"] == pytest.approx(figures["eg3d_plain_s"] / figures["eg3d_frame_s"])
    ratio = figures["eg3d_dense_density_s"] / figures["eg3d_sculpt_s"]
    assert figures["eg3d_sculpt_speedup"] == pytest.approx(ratio)
    assert set(figures) <= {key for key, *_ in ROWS}
