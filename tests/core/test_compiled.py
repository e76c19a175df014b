"""Compiled loops: from several threads at once, and where they are kept."""

import os
import threading
from pathlib import Path

import numba as nb
import numpy as np
import pytest

from inversion_core import compiled
from inversion_core.camera import Camera
from inversion_core.compiled import FREE
from inversion_core.rasterise import rasterise


def ball(count=60):
    """A sphere of triangles."""
    across, down = np.meshgrid(np.linspace(0, 2 * np.pi, count), np.linspace(0, np.pi, count))
    vertices = np.stack([np.cos(across) * np.sin(down), np.cos(down), np.sin(across) * np.sin(down)], -1)
    a = np.arange(count * (count - 1)).reshape(-1, count)[:, :-1].ravel()
    faces = np.concatenate(
        [np.stack([a, a + 1, a + count], 1), np.stack([a + 1, a + count + 1, a + count], 1)]
    )
    return 0.3 * vertices.reshape(-1, 3).astype(np.float32), faces.astype(np.int32)


def test_two_threads_may_draw_at_once():
    vertices, faces = ball()
    cameras = [Camera.orbit(yaw, 0.0) for yaw in (0.0, 0.8)]
    expected = [rasterise(vertices, faces, camera, 96).depth for camera in cameras]
    wrong = []

    def draw(which):
        for _ in range(20):
            if not np.array_equal(rasterise(vertices, faces, cameras[which], 96).depth, expected[which]):
                wrong.append(which)

    threads = [threading.Thread(target=draw, args=(i % 2,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_loops_leave_the_lock_only_where_threads_may_meet():
    rasterise(*ball(4), Camera.orbit(0.0, 0.0), 16)
    assert not FREE or nb.threading_layer() in ("omp", "tbb")


def test_a_change_in_any_module_with_loops_makes_another_state(tmp_path):
    (tmp_path / "inner").mkdir()
    loops, plain = tmp_path / "inner" / "loops.py", tmp_path / "plain.py"
    loops.write_text("import numba as nb\n")
    plain.write_text("x = 1\n")
    first = compiled.sources_state(tmp_path)
    plain.write_text("x = 2\n")
    assert compiled.sources_state(tmp_path) == first
    loops.write_text("import numba as nb\n\n")
    assert compiled.sources_state(tmp_path) != first


def test_only_long_unused_loops_of_former_states_are_removed(tmp_path):
    old, recent, other = (tmp_path / name for name in ("loops-old", "loops-recent", "else"))
    for folder in (old, recent, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (0, 0))
    compiled.clear_former(tmp_path)
    assert not old.exists() and recent.exists() and other.exists()


@pytest.mark.skipif("NUMBA_CACHE_DIR" in os.environ, reason="another place for compiled loops is named")
def test_loops_are_kept_under_the_state_of_their_sources():
    package = Path(compiled.__file__).parent
    assert nb.config.CACHE_DIR and compiled.sources_state(package) in nb.config.CACHE_DIR
