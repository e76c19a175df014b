"""What this installation is made of: versions, devices, weights, system libraries."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata

from inversion_core.errors import FacetError
from inversion_core.gl.context import NoOpenGL, found_gl
from inversion_core.model import load_model
from inversion_core.system_check import missing_packages

PACKAGES = (
    *("torch", "numpy", "scipy", "numba", "opencv-contrib-python", "mediapipe", "pillow", "scikit-image"),
    *("safetensors", "trimesh", "av", "PySide6-Essentials"),
)
HEADLESS = {"opencv-contrib-python": "opencv-contrib-python-headless"}
"""Builds of the same package that the bundle holds instead: without windows of their own."""


@dataclass(frozen=True)
class Diagnosis:
    """Facts, and problems each with its remedy.

    Attributes:
        facts: name -> value; problems: sentences, empty when all is well.
    """

    facts: dict[str, str]
    problems: tuple[str, ...]


def diagnose() -> Diagnosis:
    """Look at everything that has made installations fail."""
    facts = {
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }
    problems = []
    # A built program has no environment to mend.
    built = getattr(sys, "frozen", False)
    remedy = "unpack Facet again" if built else "run ./run again to install it"
    for package in PACKAGES:
        facts[package] = _version(package)
        if facts[package] == "not installed" and package != "PySide6-Essentials":
            problems.append(f"The package {package} is missing; {remedy}.")
    if facts["torch"] != "not installed":
        import torch

        facts["cuda"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
        facts["mps"] = "yes" if torch.backends.mps.is_available() else "no"
    try:
        facts["opengl"] = str(found_gl())
    except NoOpenGL as error:
        # No problem: the processor draws then.
        facts["opengl"] = f"none: {error.what}"
    missing = missing_packages(window=True)
    if missing:
        problems.append(f"System libraries are missing; run: sudo apt-get install {' '.join(missing)}")
    try:
        model = load_model()
        facts["model"] = f"{model.card.title} ({model.card.digest})"
    except FacetError as error:
        facts["model"] = "missing"
        problems.append(str(error))
    return Diagnosis(facts, tuple(problems))


def _version(package: str) -> str:
    for name in (package, HEADLESS.get(package)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            if name is not None:
                return metadata.version(name)
    return "not installed"
