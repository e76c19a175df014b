"""What many tests share: the bundled model and one inversion of the sample portrait, made once a session."""

import os

# Small problems on many threads only wait for each other; the variables must stand before the libraries load.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import logging

import pytest

from inversion_core import pipeline
from inversion_core.model import load_model
from inversion_core.sample import NAME, sample_portrait
from inversion_core.task import finish

logging.getLogger("numba").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def model():
    """The bundled model."""
    return load_model()


@pytest.fixture(scope="session")
def astronaut():
    """The sample portrait, aligned."""
    return pipeline.open_portrait(sample_portrait(), NAME)


@pytest.fixture(scope="session")
def inversion(astronaut, model):
    """The sample portrait's head."""
    return finish(pipeline.invert(astronaut, model))


@pytest.fixture(scope="session")
def project_file(inversion, model, tmp_path_factory):
    """A saved project of that head; tests copy it before they change anything."""
    from inversion_core.project import Project, save_project

    path = tmp_path_factory.mktemp("project") / "astronaut.facet"
    save_project(Project(inversion), path, model)
    return path
