"""numba as a built program knows it: the loops that were compiled with the bundle, and no compiler.

:func:`stand_in` puts a module in numba's place, before anything imports it, whose ``njit`` finds the machine code that
``compile_loops.py`` wrote, for the kind of processor at hand. numba's own libraries still share out the work.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle  # noqa: TID251 (reads what stands in the compiled loops)
import sys
import threading
import types
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path
from typing import Any

INDEX = "index.json"
PROCESSORS = {"x86-64-v3": frozenset({"avx2", "bmi2", "fma", "f16c", "movbe"}), "x86-64": frozenset()}
"""LLVM's names of kinds of processors, the better first, and the features, as Linux names them, that loops use there."""
LIBRARIES = ("_dynfunc", "_helperlib", "core/runtime/_nrt_python", "np/ufunc/omppool")
"""numba's libraries that compiled loops call."""


def stand_in(inside: Path) -> None:
    """Let ``import numba`` find the loops of the bundle whose modules lie in the folder ``inside``."""
    loops = _Loops(inside, processor_flags())
    numba = types.ModuleType("numba")
    numba.njit, numba.prange, numba.get_num_threads = loops.njit, range, loops.get_num_threads
    numba.config = types.SimpleNamespace(THREADING_LAYER="omp")
    made = {"numba": numba}
    for name in (
        "numba.np",
        "numba.np.ufunc",
        "numba.np.ufunc.omppool",
        "numba.core",
        "numba.core.serialize",
    ):
        made[name] = types.ModuleType(name)
    for module in made.values():
        module.__path__ = []
    # numba's libraries ask for this when a loop raises.
    made["numba.core.serialize"]._numba_unpickle = lambda address, content, digest: pickle.loads(content)
    sys.modules.update(made)


def processor_flags() -> set[str]:
    """The processor's features as Linux names them; none where they cannot be read."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


class _Loops:
    """Every compiled loop of the bundle, brought into memory when it is first called."""

    def __init__(self, inside: Path, flags: set[str]) -> None:
        self._numba = inside / "numba"
        processor = next(name for name, needed in PROCESSORS.items() if flags >= needed)
        self._folder = inside / "loops" / processor
        self._entries: dict[str, list[dict[str, Any]]] = {}
        for entry in json.loads((self._folder / INDEX).read_text(encoding="ascii")):
            self._entries.setdefault(entry["loop"], []).append(entry)
        self._lock = threading.Lock()
        self._runtime: _Runtime | None = None

    def njit(self, function: Callable | None = None, **options: Any) -> Any:
        """numba's decorator; options have been obeyed when the bundle was made."""
        if function is None:
            return self.njit
        return _Loop(self, function, self._entries.get(f"{function.__module__}:{function.__name__}", []))

    def get_num_threads(self) -> int:
        """Threads that share a loop."""
        with self._lock:
            return self._started().threads

    def loaded(self, entry: dict[str, Any], function: Callable) -> Callable:
        """A compiled loop as a function of Python."""
        from facet_objects import Code

        with self._lock:
            runtime = self._started()
            code = Code((self._folder / entry["object"]).read_bytes(), runtime.address_of)
            return runtime.function(code, entry, function)

    def _started(self) -> _Runtime:
        if self._runtime is None:
            self._runtime = _Runtime(self._numba)
        return self._runtime


class _Loop:
    """One loop, in as many versions as there were kinds of arguments."""

    def __init__(self, loops: _Loops, function: Callable, entries: list[dict[str, Any]]) -> None:
        self.__name__, self.__doc__, self.__module__ = (
            function.__name__,
            function.__doc__,
            function.__module__,
        )
        self.py_func = function
        self._loops, self._entries = loops, entries
        self._functions: dict[int, Callable] = {}
        self._chosen: dict[tuple, tuple[Callable, list | None]] = {}

    def __call__(self, *arguments: Any) -> Any:
        kinds = tuple(map(_kind, arguments))
        found = self._chosen.get(kinds)
        if found is None:
            found = self._chosen[kinds] = self._choose(kinds)
        function, wanted = found
        return function(*arguments) if wanted is None else _converted(function, wanted, arguments)

    def _choose(self, kinds: tuple) -> tuple[Callable, list | None]:
        """The version for these arguments, and what they have to become where none is made for them as they are."""
        close = None
        for number, entry in enumerate(self._entries):
            wanted = entry["arguments"]
            if len(wanted) != len(kinds):
                continue
            if all(_taken_as_it_is(kind, want) for kind, want in zip(kinds, wanted, strict=True)):
                return self._function(number), None
            if close is None and all(_near(kind, want) for kind, want in zip(kinds, wanted, strict=True)):
                close = number
        if close is None:
            # Python itself can run what was not foreseen, only slowly.
            return self.py_func, None
        return self._function(close), self._entries[close]["arguments"]

    def _function(self, number: int) -> Callable:
        if number not in self._functions:
            self._functions[number] = self._loops.loaded(self._entries[number], self.py_func)
        return self._functions[number]


def _kind(value: Any) -> tuple:
    if hasattr(value, "__array_interface__") and hasattr(value, "flags") and hasattr(value, "strides"):
        if value.shape or type(value).__name__ == "ndarray":
            flags = value.flags
            layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
            return ("array", value.dtype.str, value.ndim, layout, flags.writeable)
        return ("scalar", value.dtype.kind)
    if isinstance(value, tuple):
        return ("tuple", *map(_kind, value))
    if isinstance(value, bool):
        return ("scalar", "b")
    return ("scalar", "i" if isinstance(value, int) else "f")


def _taken_as_it_is(kind: tuple, wanted: list) -> bool:
    if kind[0] != wanted[0] or len(kind) != len(wanted):
        return False
    if kind[0] == "array":
        _, dtype, axes, layout, writable = wanted
        return kind[1:3] == (dtype, axes) and layout in (kind[3], "A") and (kind[4] or not writable)
    if kind[0] == "tuple":
        return all(_taken_as_it_is(part, want) for part, want in zip(kind[1:], wanted[1:], strict=True))
    return kind[1] == wanted[1]


def _near(kind: tuple, wanted: list) -> bool:
    """Whether an argument becomes what is wanted by copying, or by Python's own conversion of numbers."""
    if kind[0] != wanted[0] or len(kind) != len(wanted):
        return False
    if kind[0] == "array":
        return kind[2] == wanted[2] and _rank(kind[1][1]) <= _rank(wanted[1][1])
    if kind[0] == "tuple":
        return all(_near(part, want) for part, want in zip(kind[1:], wanted[1:], strict=True))
    return _rank(kind[1]) <= _rank(wanted[1])


def _rank(kind: str) -> int:
    return "biuf".find(kind) if kind != "u" else 1


def _converted(function: Callable, wanted: list, arguments: tuple) -> Any:
    """The loop on copies of the right kind; what it writes comes back into the arguments."""
    import numpy as np

    given, copies = list(arguments), []
    for n, (value, want) in enumerate(zip(arguments, wanted, strict=True)):
        if want[0] == "array" and not _taken_as_it_is(_kind(value), want):
            given[n] = np.require(value, want[1], [want[3], "W"] if want[3] in "CF" else ["W"])
            if want[4] and value.flags.writeable and not np.shares_memory(given[n], value):
                copies.append((value, given[n]))
    result = function(*given)
    for value, copy in copies:
        np.copyto(value, copy, casting="same_kind")
    return result


class _Runtime:
    """numba's libraries without numba: addresses of what compiled loops call, and the threads."""

    def __init__(self, folder: Path) -> None:
        import ctypes

        self._ctypes = ctypes
        self._dynfunc, helpers, memory, pool = (_library(folder, name) for name in LIBRARIES)
        self._places = {f"numba_{name}": place for name, place in helpers.c_helpers.items()}
        self._places |= {f"numba_{name}": place for name, place in self._dynfunc.c_helpers.items()}
        for name, place in memory.c_helpers.items():
            self._places[name if name.startswith("_") else f"NRT_{name}"] = place
        self._places |= {name: place for name, place in vars(pool).items() if isinstance(place, int)}
        self._places["numba_parallel_for"] = pool.parallel_for
        self._places["_Py_NoneStruct"] = id(None)
        self._python, self._system = ctypes.pythonapi, ctypes.CDLL("libm.so.6")
        self._kept: list[Any] = []
        self.threads = int(os.environ.get("NUMBA_NUM_THREADS") or len(os.sched_getaffinity(0)))
        for name in ("launch_threads", "set_num_threads"):
            ctypes.CFUNCTYPE(None, ctypes.c_int)(getattr(pool, name))(self.threads)

    def address_of(self, name: str) -> int:
        """Where something lies that compiled loops mention.

        Raises:
            AttributeError: neither numba, Python nor the C library has it.
        """
        if name not in self._places:
            if name.startswith("PyExc_"):
                # numba means the class itself, not the variable that holds it.
                self._places[name] = id(getattr(__import__("builtins"), name[6:]))
            else:
                owner = self._python if name.startswith(("Py", "_Py")) else self._system
                self._places[name] = self._ctypes.cast(getattr(owner, name), self._ctypes.c_void_p).value
        return self._places[name]

    def function(self, code: Any, entry: dict[str, Any], function: Callable) -> Callable:
        """An object's entry as a function of Python."""
        # Where loops keep objects of Python; Facet's hold none.
        environment = self._dynfunc.Environment(function.__globals__)
        self._kept.append(environment)
        for name in entry["environments"]:
            self._ctypes.c_void_p.from_address(code.address(name)).value = id(environment)
        return self._dynfunc.make_function(
            sys.modules[function.__module__],
            function.__name__,
            function.__doc__ or "",
            code.address(entry["entry"]),
            environment,
            (code,),
        )


def _library(folder: Path, name: str) -> types.ModuleType:
    path = next(path for suffix in EXTENSION_SUFFIXES if (path := folder / f"{name}{suffix}").is_file())
    full = f"numba.{name.replace('/', '.')}"
    spec = importlib.util.spec_from_file_location(full, path, loader=ExtensionFileLoader(full, str(path)))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
