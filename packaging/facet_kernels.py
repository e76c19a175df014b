"""Where a built program keeps compiled loops.

The bundle brings loops compiled for every processor with AVX2; elsewhere they are compiled at the first start.
"""

from __future__ import annotations

import atexit
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

PORTABLE = "x86-64-v3"
"""LLVM's name of the processors that the bundle's own loops are for."""
_NEEDED = {"avx2", "bmi2", "fma", "f16c", "movbe"}


def build_name() -> str:
    """The digest of the sources that the bundle was built from."""
    return (_inside() / "build.txt").read_text(encoding="ascii").strip()


def portable(flags: set[str], machine: str) -> bool:
    """Whether a processor with these flags runs the bundle's own loops."""
    return machine.lower() in ("x86_64", "amd64") and flags >= _NEEDED


def keep_kernels(cache: Path) -> None:
    """Give numba a folder for this build below the user's cache, with the bundle's loops in it where they fit."""
    own, fits = _inside() / "kernels", portable(processor_flags(), platform.machine())
    if fits:
        os.environ.setdefault("NUMBA_CPU_NAME", PORTABLE)
        # Left out, numba would add what this one processor has, and look for loops made with exactly that.
        os.environ.setdefault("NUMBA_CPU_FEATURES", ",".join(f"+{name}" for name in sorted(_NEEDED)))
    os.environ.setdefault("NUMBA_CACHE_LOCATOR_CLASSES", "facet_locator.BundleLocator")
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    place = cache / build_name()
    try:
        if not place.is_dir():
            _fill(place, own if fits and own.is_dir() else None)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        # A home that cannot be written: the same for this one start.
        place = Path(tempfile.mkdtemp(prefix="facet-kernels-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        if fits and own.is_dir():
            shutil.copytree(own, place, dirs_exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = str(place)


def _fill(place: Path, own: Path | None) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    # Loops of earlier builds are never read again.
    for old in place.parent.iterdir():
        if not old.name.startswith("new-"):
            shutil.rmtree(old, ignore_errors=True)
    # Two programs that start together must not see half a folder.
    new = Path(tempfile.mkdtemp(dir=place.parent, prefix="new-"))
    if own is not None:
        shutil.copytree(own, new, dirs_exist_ok=True)
    try:
        new.rename(place)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if not place.is_dir():
            raise


def processor_flags() -> set[str]:
    """The processor's features as Linux names them; none where they cannot be read."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def _inside() -> Path:
    return Path(getattr(sys, "_MEIPASS", Path(__file__).parent))
