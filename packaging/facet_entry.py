"""Where the built program starts: `facet` is the command, `Facet` the window."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from pathlib import Path

import platformdirs
from facet_kernels import keep_kernels
from facet_loops import stand_in


def main() -> int:
    """The exit code of the command, the window, or a module that Facet starts as a process of its own."""
    multiprocessing.freeze_support()
    free_children()
    if getattr(sys, "frozen", False):
        inside = Path(sys._MEIPASS)
        if (inside / "loops").is_dir():
            stand_in(inside)
        else:
            keep_kernels(platformdirs.user_cache_path("facet") / "kernels")
    words = sys.argv[1:]
    # Facet starts parts of itself as `sys.executable -m MODULE`, which a built program has to answer itself.
    if len(words) > 1 and words[0] == "-m" and words[1].startswith("inversion_core."):
        sys.argv = [words[1], *words[2:]]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return 0
    if Path(sys.argv[0]).stem == "Facet":
        from app.__main__ import main as window

        return window(words)
    from inversion_core.cli import main as command

    command()
    return 0


def free_children() -> None:
    """Hide the bundle's libraries from the system's programs that Facet starts: file managers, dialogs."""
    # The loader has read the variable; this process itself no longer needs it.
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)


if __name__ == "__main__":
    sys.exit(main())
