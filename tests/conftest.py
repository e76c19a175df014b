"""What many tests share: the bundled model and one inversion of the sample portrait, made once a session."""

import logging
import os

import pytest

# Small problems on many threads only wait for each other; the variables must stand before the libraries load.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
logging.getLogger("numba").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def model():
    """The bundled model."""
    from inversion_core.model import load_model

    return load_model()


@pytest.fixture(scope="session")
def astronaut():
    """The sample portrait, aligned."""
    from inversion_core.pipeline import open_portrait
    from inversion_core.sample import NAME, sample_portrait

    return open_portrait(sample_portrait(), NAME)


@pytest.fixture(scope="session")
def inversion(astronaut, model):
    """The sample portrait's head."""
    from inversion_core.pipeline import invert
    from inversion_core.task import finish

    return finish(invert(astronaut, model))


@pytest.fixture(scope="session")
def project_file(inversion, model, tmp_path_factory):
    """A saved project of that head; tests copy it before they change anything."""
    from inversion_core.project import Project, save_project

    path = tmp_path_factory.mktemp("project") / "astronaut.facet"
    save_project(Project(inversion), path, model)
    return path
