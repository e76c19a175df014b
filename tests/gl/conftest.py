"""A context without a window; Mesa's software rasteriser will do."""

import pytest


@pytest.fixture(scope="session")
def context():
    """A standalone OpenGL 3.3 context."""
    pytest.importorskip("moderngl", reason="moderngl is not installed")
    from inversion_core.gl.context import NoOpenGL, standalone_context

    try:
        made = standalone_context()
    except NoOpenGL as error:
        pytest.skip(f"no OpenGL without a window here: {error}")
    yield made
    made.release()
