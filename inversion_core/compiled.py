"""How loops are compiled: on all cores, and without Python's lock where two threads may run them at once."""

from __future__ import annotations

from importlib import import_module

import numba as nb


def _threads_may_meet() -> bool:
    """Whether numba has a threading layer that several threads may enter; its own "workqueue" aborts then."""
    for layer in ("tbbpool", "omppool"):
        try:
            import_module(f"numba.np.ufunc.{layer}")
        except ImportError:
            continue
        return True
    return False


FREE = _threads_may_meet()
"""Whether compiled loops let other Python threads run; where not, the lock keeps them apart."""
if FREE:
    nb.config.THREADING_LAYER = "threadsafe"

parallel = nb.njit(cache=True, fastmath=True, parallel=True, nogil=FREE)
"""Decorator of loops over ``numba.prange``."""
serial = nb.njit(cache=True, fastmath=True, nogil=FREE)
"""Decorator of loops whose rounds write to the same places."""
