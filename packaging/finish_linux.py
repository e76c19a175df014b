"""What a build on Linux still needs: no symbol tables, compiled loops, the window's name, and the desktop's files.

``finish_linux.py BUNDLE WORK``
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from facet_kernels import portable, processor_flags
from trim import STRIPPED

LINUX = Path(__file__).resolve().parent / "linux"


def strip(bundle: Path) -> None:
    """Take symbol tables off the libraries where they are large, if there is a tool for it."""
    if shutil.which("strip") is None:
        print("There is no `strip` here, so the bundle keeps 150 MB of symbol tables.", file=sys.stderr)
        return
    for pattern in STRIPPED:
        for library in (bundle / "_internal").rglob(pattern):
            if not library.is_symlink():
                subprocess.run(["strip", "--strip-unneeded", str(library)], check=True)


def compile_loops(bundle: Path, work: Path) -> None:
    """Run the program once, so that it brings its loops compiled; a machine that cannot run them leaves them out."""
    kernels, place = bundle / "_internal" / "kernels", work / "kernels"
    shutil.rmtree(place, ignore_errors=True)
    # Everything that a person does in the first minutes.
    sample = next(bundle.rglob("astronaut.png"))
    jobs = (
        ["invert", str(sample), "-o", str(place / "made"), "--views"],
        ["render", str(place / "made/astronaut.facet"), "--size", "256", "-o", str(place / "made/a.png")],
        ["export", str(place / "made/astronaut.facet"), "--watertight", "-o", str(place / "made/a.glb")],
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(place / "loops")}
    for words in jobs:
        subprocess.run(
            [str(bundle / "facet"), *words], env=environment, check=True, stdout=subprocess.DEVNULL
        )
    if portable(processor_flags(), platform.machine()):
        shutil.copytree(place / "loops", kernels)
    shutil.rmtree(place)


def finish(bundle: Path, work: Path) -> None:
    """Turn PyInstaller's folder into what is handed out."""
    strip(bundle)
    compile_loops(bundle, work)
    # The same program; its name tells it to open the window.
    (bundle / "Facet").unlink(missing_ok=True)
    (bundle / "Facet").symlink_to("facet")
    share = bundle / "share"
    share.mkdir(exist_ok=True)
    for name in ("facet.desktop", "facet-mime.xml"):
        shutil.copy(LINUX / name, share / name)
    shutil.copy(work / "icons" / "facet-256.png", share / "facet.png")
    shutil.copy(LINUX / "install.sh", bundle / "install.sh")
    shutil.copy(bundle / "_internal" / "THIRD-PARTY.txt", bundle / "THIRD-PARTY.txt")
    shutil.copy(bundle / "_internal" / "LICENSE", bundle / "LICENSE")


if __name__ == "__main__":
    finish(Path(sys.argv[1]), Path(sys.argv[2]))
