"""The doctor lists facts and gives every problem a remedy."""

from importlib import metadata

import pytest

from inversion_core import doctor
from inversion_core.errors import MissingResource


@pytest.fixture
def healthy(monkeypatch, model):
    monkeypatch.setattr(doctor, "missing_packages", lambda window: [])
    monkeypatch.setattr(doctor, "load_model", lambda: model)
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "1.0")


def test_a_healthy_installation_has_no_problems(healthy, model):
    found = doctor.diagnose()
    assert found.problems == ()
    assert set(doctor.PACKAGES) <= set(found.facts)
    assert found.facts["model"] == f"Facet heads ({model.card.digest})"
    assert found.facts["torch"] == "1.0" and found.facts["cuda"]


def test_missing_packages_libraries_and_weights_are_problems(healthy, monkeypatch):
    def version(name):
        if name in ("scipy", "PySide6-Essentials"):
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    def no_model():
        raise MissingResource("The weights are missing.", "Install Facet again.")

    monkeypatch.setattr(doctor.metadata, "version", version)
    monkeypatch.setattr(doctor, "missing_packages", lambda window: ["libgl1"])
    monkeypatch.setattr(doctor, "load_model", no_model)
    found = doctor.diagnose()
    # Without a window Facet still works, so PySide6 is a fact and no problem.
    assert found.facts["scipy"] == found.facts["PySide6-Essentials"] == "not installed"
    assert len(found.problems) == 3
    scipy, libraries, weights = found.problems
    assert "scipy" in scipy
    assert "sudo apt-get install libgl1" in libraries
    assert weights == "The weights are missing. Install Facet again."
    assert found.facts["model"] == "missing"
