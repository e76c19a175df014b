"""OpenGL contexts without a window, and what is known of the driver behind a context."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inversion_core.errors import MissingResource

if TYPE_CHECKING:
    from moderngl import Context

LEAST_VERSION = 330
SOFTWARE = (
    "llvmpipe",
    "softpipe",
    "swrast",
    "swiftshader",
    "software rasterizer",
    "gdi generic",
    "basic render",
)
"""Parts of the names of renderers that run on the processor."""


class NoOpenGL(MissingResource):
    """There is no OpenGL 3.3 here; the core's own renderers need none."""


@dataclass(frozen=True)
class GLInfo:
    """What draws: the driver's names, and whether it is the processor itself."""

    renderer: str
    vendor: str
    version: str

    @property
    def software(self) -> bool:
        name = f"{self.renderer} {self.vendor}".lower()
        return any(part in name for part in SOFTWARE)

    def __str__(self) -> str:
        return f"{self.renderer}, OpenGL {self.version}" + (" (software)" if self.software else "")


def standalone_context() -> Context:
    """A context of its own, current in this thread; release it when done.

    Raises:
        NoOpenGL: moderngl, a driver or a display is missing; the sentence says which.
    """
    try:
        import moderngl
    except ImportError as error:
        raise NoOpenGL("The package moderngl is not installed.", "Run: pip install 'facet[app]'") from error
    # On Linux EGL needs no display; elsewhere the system's own way needs none either.
    backend = {"backend": "egl"} if sys.platform.startswith("linux") else {}
    try:
        return moderngl.create_context(standalone=True, require=LEAST_VERSION, **backend)
    except Exception as error:
        # glcontext and moderngl raise bare Exception, ImportError or ValueError, by platform.
        raise NoOpenGL(
            f"No OpenGL 3.3 context could be made ({error}).", "Install or update the graphics driver."
        ) from error


def described(context: Context) -> GLInfo:
    """The driver behind a context."""
    info = context.info
    return GLInfo(info["GL_RENDERER"].strip(), info["GL_VENDOR"].strip(), info["GL_VERSION"].strip())


def found_gl() -> GLInfo:
    """The driver that a context without a window gets.

    Raises:
        NoOpenGL: there is none.
    """
    context = standalone_context()
    try:
        return described(context)
    finally:
        context.release()
