"""What the bench and the choice of a renderer go by."""

import pytest

pytest.importorskip("moderngl", reason="moderngl is not installed")

from inversion_core.gl.context import NoOpenGL, described, found_gl
from inversion_core.pipeline import edit, turntable_camera


@pytest.fixture(scope="module")
def head(inversion, model):
    return edit(inversion, {}, model)


def test_a_swing_is_timed_and_held_against_the_renderer(context, head, inversion):
    from inversion_core.gl.measure import measured_swing

    cameras = [turntable_camera(inversion, yaw, 0.0) for yaw in (-0.4, 0.3)]
    swing = measured_swing(head, cameras, (64, 128), 1)
    assert swing.psnr > 40 and swing.driver == str(described(context)) == str(found_gl())
    assert set(swing.seconds) == {64, 128} and min(swing.seconds.values()) > 0


def test_both_renderers_are_timed(context, head):
    from inversion_core.gl.measure import compared

    ours, theirs = compared(head, head.detail.camera, 64)
    assert ours > 0 and theirs > 0
    assert compared(object(), head.detail.camera) is None


def test_other_heads_are_refused_in_a_sentence(context, head):
    from inversion_core.gl.measure import measured_swing

    with pytest.raises(NoOpenGL, match="not drawn with OpenGL"):
        measured_swing(object(), [head.detail.camera], (64,), 1)


def test_the_bench_says_why_there_is_no_figure(monkeypatch, head):
    from inversion_core import bench
    from inversion_core.gl import measure

    def none():
        raise NoOpenGL("No OpenGL 3.3 context could be made.")

    monkeypatch.setattr(measure, "standalone_context", none)
    notes = {}
    figures = bench._with_gl(head, [head.detail.camera], 1, notes)
    assert set(figures) >= {"gl_vs_reference_psnr", "gl_orbit_fps_256"} and not any(figures.values())
    assert "No OpenGL 3.3" in notes["gl_vs_reference_psnr"]


def test_the_doctor_names_the_driver(monkeypatch, context):
    from inversion_core import doctor

    assert doctor.diagnose().facts["opengl"] == str(described(context))

    def none():
        raise NoOpenGL("The package moderngl is not installed.")

    monkeypatch.setattr(doctor, "found_gl", none)
    found = doctor.diagnose()
    assert found.facts["opengl"] == "none: The package moderngl is not installed."
    assert not any("moderngl" in problem for problem in found.problems)
