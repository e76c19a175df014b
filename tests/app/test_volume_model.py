"""The window with a StyleSDF model and the engine of this installation: slider, orbit, further photo, mesh, project."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt

from app.pictures import pixels
from app.window import MainWindow
from inversion_core.checkpoints.stylesdf_folder import save_e3dge
from inversion_core.refine.boundaries import Boundary
from tests.core.stylesdf_cases import small_networks

PATIENCE = 120_000


@pytest.fixture
def folder(tmp_path):
    draws = np.random.default_rng(0)
    boundary = Boundary(3 * draws.normal(size=8).astype("f"), 3 * draws.normal(size=16).astype("f"))
    networks = small_networks()
    # Untrained colours are nearly grey.
    networks.generator.renderer.network.rgb_linear.weight.mul_(8)
    save_e3dge(networks, {"Smiling": boundary}, tmp_path / "small", "small")
    return tmp_path / "small"


@pytest.mark.slow
def test_a_stylesdf_model_behaves_as_any_other(qtbot, settings, folder, tmp_path):
    window = MainWindow(settings=settings)
    window.resize(900, 640)
    window.show()

    def ready() -> bool:
        frame = window.viewport.frame
        return frame is not None and frame.final

    def until(check) -> None:
        qtbot.waitUntil(lambda: bool(window.dialogs) or check(), timeout=PATIENCE)
        assert not window.dialogs

    def shown() -> np.ndarray:
        return pixels(window.viewport.frame.image.scaled(128, 128)).astype(int)[..., :3]

    try:
        window.controller.change_model(folder, "small")
        until(lambda: not window.controller.batch.busy)
        window.open("sample:astronaut")
        until(ready)
        assert window.controller.model.card.kind == "stylesdf"
        front = shown()
        row = window.attributes.rows["Smiling"]
        left, width = row.track._span()
        qtbot.mouseClick(row.track, Qt.MouseButton.LeftButton, pos=QPoint(round(left + width), 12))
        until(lambda: ready() and "Smiling" in window.viewport.frame.request.moves)
        smiling = shown()
        assert np.abs(smiling - front).max() > 10
        qtbot.mousePress(window.viewport, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
        qtbot.mouseMove(window.viewport, QPoint(260, 200))
        qtbot.mouseRelease(window.viewport, Qt.MouseButton.LeftButton, pos=QPoint(260, 200))
        turned = window.controller.camera().cam2world
        until(
            lambda: ready() and np.allclose(window.viewport.frame.request.camera.cam2world, turned, atol=1e-5)
        )
        assert np.abs(shown() - smiling).max() > 10
        mesh, project = tmp_path / "head.ply", tmp_path / "head.facet"
        window.controller.export_mesh(mesh)
        until(lambda: not window.controller.batch.busy)
        assert mesh.is_file()
        window.controller.save(project)
        until(lambda: not window.session.dirty)
        window.session.open_nothing()
        window.open(str(project))
        until(lambda: window.session.inversion is not None)
        assert set(window.session.moves) == {"Smiling"}
    finally:
        window.session.open_nothing()
        window.close()
