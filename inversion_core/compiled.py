"""How loops are compiled: on all cores, and without Python's lock where two threads may run them at once."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numba as nb

KEPT = 7 * 24 * 3600
"""Seconds that the loops of a former state of the sources are kept at least."""


def _threads_may_meet() -> bool:
    """Whether numba has a threading layer that several threads may enter; its own "workqueue" aborts then."""
    for layer in ("tbbpool", "omppool"):
        try:
            import_module(f"numba.np.ufunc.{layer}")
        except ImportError:
            continue
        return True
    return False


def sources_state(folder: Path) -> str:
    """A name for the present contents of a folder's modules that hold compiled loops."""
    contents = (path.read_bytes() for path in sorted(folder.rglob("*.py")))
    return hashlib.sha256(b"".join(text for text in contents if b"import numba" in text)).hexdigest()[:16]


def clear_former(folder: Path) -> None:
    """Remove from ``folder`` the loops of former states, but those of the last days: a program that has been running
    since before an update still writes its own."""
    for former in folder.glob("loops-*"):
        with suppress(OSError):
            if time.time() - former.stat().st_mtime > KEPT:
                shutil.rmtree(former, ignore_errors=True)


def _keep_states_apart() -> None:
    """Let each state of the sources have its compiled loops to itself.

    numba asks only whether a loop's own file has changed; what it takes in from other files may have changed as well.
    """
    # A built program brings its loops along, and who names a place knows better.
    if getattr(sys, "frozen", False) or getattr(nb.config, "CACHE_DIR", None) != "":
        return
    package = Path(__file__).parent
    place = package / "__pycache__" / f"loops-{sources_state(package)}"
    if not place.exists():
        clear_former(place.parent)
    nb.config.CACHE_DIR = str(place)


_keep_states_apart()

FREE = _threads_may_meet()
"""Whether compiled loops let other Python threads run; where not, the lock keeps them apart."""
if FREE:
    nb.config.THREADING_LAYER = "threadsafe"

parallel = nb.njit(cache=True, fastmath=True, parallel=True, nogil=FREE)
"""Decorator of loops over ``numba.prange``."""
serial = nb.njit(cache=True, fastmath=True, nogil=FREE)
"""Decorator of loops whose rounds write to the same places."""
