"""The third-party notice: what lies in the bundle, whose it is, and under which terms."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

LICENCE_FILE = re.compile(r"(^|/)(LICEN[CS]ES?|COPYING|NOTICE|AUTHORS)[^/]*$|/licenses/", re.IGNORECASE)
HEAD = """Facet {version}: third-party notices

Facet itself is under the MIT licence (LICENSE). This folder also holds the programs listed here, unchanged but for
symbol tables and parts that were left out, each under its own terms.

Video is written by FFmpeg with x264 and x265, which come with the package av under the GNU General Public License,
version 2 or later; whoever passes this folder on passes them on under these terms. Qt and PySide6 are used under the GNU
Lesser General Public License, version 3: their libraries are separate files in PySide6/, and may be replaced. Source code:
from the addresses below.
"""
SEPARATOR = "\n" + "=" * 100 + "\n"


def distributions_of(modules: Iterable[str]) -> list[str]:
    """Names of the installed distributions that own these top-level modules, in order."""
    owners = metadata.packages_distributions()
    return sorted(
        {owner for module in modules for owner in owners.get(module, ())} - {"facet"}, key=str.lower
    )


def notice(version: str, distributions: Iterable[str], system_libraries: Iterable[Path]) -> str:
    """The whole text: a list, then every licence in full."""
    parts = [HEAD.format(version=version), *(_summary(name) for name in distributions)]
    parts.append(SEPARATOR + "Python\n\n" + _python_licence())
    parts += [SEPARATOR + text for name in distributions if (text := _full(name))]
    parts += [SEPARATOR + text for text in _system(system_libraries)]
    return "\n".join(parts)


def _summary(name: str) -> str:
    about = metadata.metadata(name)
    classifiers = [
        line.rpartition(":: ")[2] for line in about.get_all("Classifier") or () if "License ::" in line
    ]
    terms = (
        about.get("License-Expression")
        or ", ".join(classifiers)
        or (about.get("License") or "").split("\n")[0]
    )
    pages = [line.partition(", ")[2] for line in about.get_all("Project-URL") or ()]
    page = about.get("Home-page") or next(iter(pages), "")
    return f"{name} {about['Version']}: {terms or 'see its text below'}. {page}"


def _full(name: str) -> str:
    files = [file for file in metadata.files(name) or () if LICENCE_FILE.search(file.as_posix())]
    texts = [
        path.read_text(encoding="utf-8", errors="replace")
        for path in (Path(file.locate()) for file in files)
        if path.is_file() and path.suffix not in (".py", ".pyc", ".so")
    ]
    return f"{name}\n\n" + "\n\n".join(dict.fromkeys(texts)) if texts else ""


def _python_licence() -> str:
    for place in (
        Path(sysconfig.get_paths()["stdlib"]) / "LICENSE.txt",
        Path(sys.base_prefix) / "LICENSE.txt",
    ):
        if place.is_file():
            return place.read_text(encoding="utf-8", errors="replace")
    return "Python is under the PSF License Agreement, https://docs.python.org/3/license.html"


def _system(libraries: Iterable[Path]) -> Iterable[str]:
    """Texts for libraries of the building machine, by Debian's package where its packages are known."""
    packages: dict[str, list[str]] = {}
    for library in libraries:
        packages.setdefault(_debian_package(library), []).append(library.name)
    for package, names in sorted(packages.items()):
        text = Path("/usr/share/doc") / package / "copyright"
        if package and text.is_file():
            terms = text.read_text(encoding="utf-8", errors="replace")
            yield f"{package} (Debian): {', '.join(sorted(names))}\n\n{terms}"
        else:
            yield f"Libraries of the building machine: {', '.join(sorted(names))}"


def _debian_package(library: Path) -> str:
    # dpkg knows files by the place they had before /lib became a link to /usr/lib.
    real = library.resolve()
    for place in {str(real), str(real).removeprefix("/usr"), str(library)}:
        try:
            found = subprocess.run(["dpkg", "-S", place], capture_output=True, text=True, check=False).stdout
        except OSError:
            return ""
        if found:
            return found.split(":")[0]
    return ""
