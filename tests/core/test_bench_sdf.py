"""What `facet bench --sdf` reports, on a small network; no figure here depends on the machine's speed."""

import numpy as np
import pytest
import torch

from inversion_core import bench_sdf
from inversion_core.bench_report import ROWS
from inversion_core.bench_sdf import BALL, ball_like, measure_sdf
from inversion_core.generators.stylesdf import StyleSDFSettings
from inversion_core.generators.stylesdf_decoder import DecoderSettings
from inversion_core.generators.stylesdf_renderer import RendererSettings
from inversion_core.task import finish

SETTINGS = StyleSDFSettings(
    renderer=RendererSettings(style_dim=8, width=48, depth=3, resolution=24),
    decoder=DecoderSettings(24, 48, (8, 8), style_dim=8, w_dim=16, mapping_layers=1),
)


def test_the_fitted_network_is_about_a_ball():
    state = torch.random.get_rng_state()
    generator, codes = ball_like(SETTINGS)
    assert torch.equal(state, torch.random.get_rng_state())
    points = (torch.rand(1, 2000, 3, generator=torch.Generator().manual_seed(3)) - 0.5) * 0.2
    apart = generator.renderer.sdf(points, codes.renderer)[0, :, 0] - (points[0].norm(dim=-1) - BALL)
    assert float(apart.abs().mean()) < 0.1 * BALL


def test_stylesdf_figures_are_those_of_one_run(monkeypatch):
    # The last of the sizes is also the one at which OpenGL is compared.
    monkeypatch.setattr(bench_sdf, "SIZES", (32, 64))
    notes = {}
    figures = finish(measure_sdf(notes, SETTINGS, repeats=1, resolution=48))
    assert figures["sdf_psnr"] > 35 and figures["sdf_psnr"] >= figures["sdf_first_psnr"] - 0.5
    assert 0 < figures["sdf_asked_share"] < 1 and 0 < figures["sdf_first_s"] < figures["sdf_cache_s"]
    whole = figures["sdf_network_s"] + figures["sdf_decoder_s"]
    assert figures["sdf_orbit_speedup"] == pytest.approx(whole * figures["sdf_orbit_fps_64"])
    assert figures["sdf_sculpt_speedup"] == pytest.approx(figures["sdf_dense_s"] / figures["sdf_sculpt_s"])
    if figures["sdf_gl_psnr"] is None:
        assert notes["sdf_gl_psnr"]
    else:
        assert figures["sdf_gl_psnr"] > 40 and notes["sdf_gl"]
    told = {key.replace("_64", "_256").replace("_32", "_128") for key in figures}
    assert told <= {key for key, *_ in ROWS} and np.isfinite(list(figures.values())).all()
