"""The window with the engine of this installation, on the sample portrait, from start to exported mesh."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt

from app.pictures import pixels
from app.window import MainWindow

PATIENCE = 180_000
"""Milliseconds; compiling kernels on a busy machine takes its time."""


def shown(window) -> np.ndarray:
    return pixels(window.viewport.frame.image.scaled(256, 256)).astype(int)


@pytest.mark.slow
def test_portrait_slider_orbit_export_and_project(qtbot, settings, tmp_path):
    import trimesh

    window = MainWindow(settings=settings)
    window.resize(900, 640)
    window.show()
    try:
        window.open("sample:astronaut")

        def ready() -> bool:
            frame = window.viewport.frame
            return frame is not None and frame.final

        qtbot.waitUntil(lambda: bool(window.dialogs) or ready(), timeout=PATIENCE)
        assert not window.dialogs
        front = shown(window)
        assert (front[..., 3] > 200).mean() > 0.25

        row = window.attributes.rows["mouth_open"]
        left, width = row.track._span()
        qtbot.mouseClick(row.track, Qt.MouseButton.LeftButton, pos=QPoint(round(left + width), 12))
        assert window.session.moves["mouth_open"] == 1.0
        qtbot.waitUntil(
            lambda: ready() and "mouth_open" in window.viewport.frame.request.moves, timeout=PATIENCE
        )
        opened = shown(window)
        changed = np.abs(opened - front)[..., :3].max(2) > 25
        assert changed[128:].mean() > 0.01
        assert changed[128:].sum() > 3 * changed[:100].sum()

        qtbot.mousePress(window.viewport, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
        qtbot.mouseMove(window.viewport, QPoint(260, 200))
        qtbot.mouseRelease(window.viewport, Qt.MouseButton.LeftButton, pos=QPoint(260, 200))
        turned = window.controller.camera().cam2world
        qtbot.waitUntil(
            lambda: (
                ready() and np.allclose(window.viewport.frame.request.camera.cam2world, turned, atol=1e-5)
            ),
            timeout=PATIENCE,
        )
        assert (np.abs(shown(window) - opened)[..., :3].max(2) > 25).mean() > 0.05

        mesh = tmp_path / "head.glb"
        window.controller.export_mesh(mesh)
        qtbot.waitUntil(lambda: bool(window.dialogs) or not window.controller.batch.busy, timeout=PATIENCE)
        assert not window.dialogs and mesh.is_file()
        height = np.ptp(trimesh.load(mesh, force="mesh").vertices[:, 1])
        assert 0.15 < height < 0.6

        project = tmp_path / "head.facet"
        window.controller.save(project)
        qtbot.waitUntil(lambda: bool(window.dialogs) or not window.session.dirty, timeout=PATIENCE)
        view = window.session.view
        window.session.open_nothing()
        window.open(str(project))
        qtbot.waitUntil(lambda: window.session.inversion is not None, timeout=PATIENCE)
        assert dict(window.session.moves) == {"mouth_open": 1.0}
        assert window.session.view.yaw == pytest.approx(view.yaw, abs=1e-3)
    finally:
        window.session.open_nothing()
        window.close()
