"""Where a built program keeps the loops that numba compiles, where the bundle brings none: outside Linux on x86-64."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path


def build_name() -> str:
    """The digest of the sources that the bundle was built from."""
    return (_inside() / "build.txt").read_text(encoding="ascii").strip()


def keep_kernels(cache: Path) -> None:
    """Give numba a folder for this build below the user's cache."""
    os.environ.setdefault("NUMBA_CACHE_LOCATOR_CLASSES", "facet_locator.BundleLocator")
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    place = cache / build_name()
    try:
        if not place.is_dir():
            cache.mkdir(parents=True, exist_ok=True)
            # Loops of earlier builds are never read again.
            for old in cache.iterdir():
                shutil.rmtree(old, ignore_errors=True)
            place.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        # A home that cannot be written: the same for this one start.
        place = Path(tempfile.mkdtemp(prefix="facet-kernels-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(place)


def _inside() -> Path:
    return Path(getattr(sys, "_MEIPASS", Path(__file__).parent))
