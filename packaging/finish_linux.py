"""What a build on Linux still needs: no symbol tables, smaller libraries, the window's name, and the desktop's files.

``finish_linux.py BUNDLE WORK``
"""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path

from slim_linux import slim
from trim import STRIPPED

LINUX = Path(__file__).resolve().parent / "linux"


def strip(bundle: Path) -> None:
    """Take symbol tables off the libraries where they are large, if there is a tool for it."""
    if shutil.which("strip") is None:
        print("There is no `strip` here, so the bundle keeps 150 MB of symbol tables.", file=sys.stderr)
        return
    for pattern in STRIPPED:
        for library in (bundle / "_internal").rglob(pattern):
            if library.is_symlink():
                continue
            less = library.with_name(f"{library.name}.less")
            subprocess.run(["strip", "--strip-unneeded", "-o", str(less), str(library)], check=True)
            if loadable(less.read_bytes()):
                less.replace(library)
            else:
                less.unlink()


def loadable(library: bytes) -> bool:
    """Whether the parts of a 64-bit library lie on pages; ``strip`` misplaces them where wheels' tools moved them."""
    start, size, count = *struct.unpack_from("<Q", library, 32), *struct.unpack_from("<HH", library, 54)
    for place in range(start, start + size * count, size):
        kind, offset, address = struct.unpack_from("<I4xQQ", library, place)
        if kind == 1 and (offset - address) % 4096:
            return False
    return True


def finish(bundle: Path, work: Path) -> None:
    """Turn PyInstaller's folder into what is handed out."""
    strip(bundle)
    if platform.machine() != "x86_64":
        print("Libraries stay as they are: what makes them smaller is for x86-64.", file=sys.stderr)
    elif not all(map(shutil.which, ("as", "ld", "readelf"))):
        print("There are no binutils here, so the bundle keeps 150 MB that nobody calls.", file=sys.stderr)
    else:
        slim(bundle)
    # The same program; its name tells it to open the window.
    (bundle / "Facet").unlink(missing_ok=True)
    (bundle / "Facet").symlink_to("facet")
    share = bundle / "share"
    share.mkdir(exist_ok=True)
    for name in ("facet.desktop", "facet-mime.xml"):
        shutil.copy(LINUX / name, share / name)
    shutil.copy(work / "icons" / "facet-256.png", share / "facet.png")
    shutil.copy(LINUX / "install.sh", bundle / "install.sh")
    for name in ("THIRD-PARTY.txt", "LICENSE"):
        shutil.move(bundle / "_internal" / name, bundle / name)


if __name__ == "__main__":
    finish(Path(sys.argv[1]), Path(sys.argv[2]))
