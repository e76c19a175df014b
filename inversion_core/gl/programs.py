"""Shader programs, read from the folder ``shaders``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from inversion_core.gl.context import NoOpenGL

if TYPE_CHECKING:
    from moderngl import Context, Program

SHADERS = Path(__file__).resolve().parent.parent.parent / "shaders"


def source(name: str, **defines: int | float | bool) -> str:
    """The text of a shader with its includes; defines that are not False stand below its version line.

    Raises:
        NoOpenGL: the file is not there.
    """
    version, rest = _text(name).split("\n", 1)
    rest = re.sub(r'^#include "(.+)"$', lambda found: _text(found[1]), rest, flags=re.MULTILINE)
    set_ones = ((key, value) for key, value in defines.items() if value is not False)
    lines = [f"#define {key} {int(value) if isinstance(value, bool) else value}" for key, value in set_ones]
    # Messages of the compiler keep the file's line numbers, as far as the first include.
    return "\n".join([version, *lines, "#line 2", rest])


def _text(name: str) -> str:
    try:
        return (SHADERS / name).read_text(encoding="utf-8")
    except OSError as error:
        raise NoOpenGL(f"The shader {name} is missing.", "Install Facet again.") from error


def program(context: Context, vertex: str, fragment: str, **defines: int | float | bool) -> Program:
    """A program of two files.

    Raises:
        NoOpenGL: a file is missing, or the driver does not compile it.
    """
    try:
        return context.program(
            vertex_shader=source(vertex, **defines), fragment_shader=source(fragment, **defines)
        )
    except NoOpenGL:
        raise
    except Exception as error:
        # moderngl.Error; any other failure of a driver's compiler must not reach the window either.
        raise NoOpenGL(
            f"The graphics driver refuses the shader {fragment}: {error}", "Update the graphics driver."
        ) from error


def put(target: Program, **values) -> None:
    """Set uniforms by name: numbers, tuples, or matrices as row-major arrays; unused ones are left out."""
    for name, value in values.items():
        if name not in target:
            continue
        if hasattr(value, "ndim") and value.ndim == 2:
            target[name].write(value.T.astype("f4").tobytes())
        else:
            target[name].value = value
