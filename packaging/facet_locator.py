"""How numba finds the compiled loops of a built program, which has no sources that it could look beside."""

from __future__ import annotations

import os
from pathlib import Path

from facet_kernels import build_name
from numba.core.caching import _CacheLocator


class BundleLocator(_CacheLocator):
    """Finds a loop by its module and line, and trusts it for as long as the bundle's sources are the same."""

    def __init__(self, py_func, py_file: str) -> None:
        self._line = str(py_func.__code__.co_firstlineno)
        self._folder = Path(os.environ["NUMBA_CACHE_DIR"]) / py_func.__module__

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return build_name()

    def get_disambiguator(self) -> str:
        return self._line

    @classmethod
    def from_function(cls, py_func, py_file: str):
        locator = cls(py_func, py_file)
        locator.ensure_cache_path()
        return locator
