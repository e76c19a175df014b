"""What the bundle says of itself: its version, the distributions inside, and the version resource of Windows."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

VERSION = metadata.version("facet")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def required(name: str, extra: str = "") -> set[str]:
    """Installed distributions that one needs, itself included, with an extra of its own."""
    found, waiting = set(), [(name, extra)]
    while waiting:
        current, wanted = waiting.pop()
        if current in found or not _installed(current):
            continue
        found.add(current)
        for line in metadata.requires(current) or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": wanted}):
                waiting.append((need.name.lower().replace("_", "-"), ""))
    return found


DISTRIBUTIONS = tuple(sorted(required("facet", "app") | {"opencv-contrib-python-headless"}))
"""What may be inside; the notice names what is."""


def source_digest(root: Path) -> str:
    """A name for what the bundle's loops are compiled from and with."""
    digest = hashlib.sha256(f"{metadata.version('numba')} {metadata.version('llvmlite')}".encode())
    for path in sorted((root / "inversion_core").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def version_file(folder: Path) -> Path:
    """The path of a version resource for Windows, written into the folder."""
    numbers = (*(int(part) for part in VERSION.split(".")[:3]), 0)
    strings = {
        "CompanyName": "Facet",
        "FileDescription": "Facet: edit faces in 3D",
        "FileVersion": VERSION,
        "InternalName": "facet",
        "LegalCopyright": "MIT licence; see LICENSE and THIRD-PARTY.txt",
        "OriginalFilename": "Facet.exe",
        "ProductName": "Facet",
        "ProductVersion": VERSION,
    }
    table = ", ".join(f"StringStruct({name!r}, {value!r})" for name, value in strings.items())
    path = folder / "version.txt"
    path.write_text(
        f"VSVersionInfo(ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3F, flags=0, OS=0x40004,"
        " fileType=1, subtype=0),\n"
        f"  kids=[StringFileInfo([StringTable('040904B0', [{table}])]),"
        " VarFileInfo([VarStruct('Translation', [1033, 1200])])])\n",
        encoding="utf-8",
    )
    return path
