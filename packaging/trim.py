"""What of the installed packages the bundle leaves out, and why. Read by facet.spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

Entry = tuple[str, str, str]
"""PyInstaller's place in the bundle, source and kind of one file."""

EXCLUDED_MODULES = (
    # Facet only computes with torch. Its compilers stay: its optimisers import them.
    *("torch.utils.tensorboard", "torch.utils.benchmark", "torch.onnx", "tensorboard"),
    *("networkx", "fsspec", "jinja2", "triton"),
    *("numba.cuda", "numba.tests", "numba.roc", "llvmlite.tests"),
    # What is used of scipy: optimize, ndimage, spatial, sparse, special and what these need.
    *(
        "scipy.stats",
        "scipy.integrate",
        "scipy.interpolate",
        "scipy.special.cython_special",
        "scipy.optimize._highspy",
        "scipy.signal",
        "scipy.io",
        "scipy.datasets",
        "scipy.misc",
        "scipy.cluster",
    ),
    *("skimage.data._fetchers", "skimage.io", "skimage.segmentation", "skimage.future"),
    *("skimage.restoration", "skimage.registration", "skimage.feature", "skimage.graph"),
    *("skimage.transform", "skimage.filters.rank", "skimage.util._remap"),
    # hooks/without_matplotlib.py stands in.
    *("matplotlib", "mpl_toolkits", "fontTools", "contourpy", "kiwisolver", "dateutil"),
    *("mediapipe.model_maker", "mediapipe.tasks.python.genai", "jax", "jaxlib"),
    *("sqlite3", "readline", "curses"),
    *("tkinter", "IPython", "pytest", "_pytest", "setuptools", "pip", "wheel", "pkg_resources"),
    *("PyQt5", "PyQt6", "PySide2", "tifffile", "imageio", "pandas", "lib2to3", "pydoc_data"),
)
"""Modules that are not looked into."""

UNWANTED = tuple(
    re.compile(pattern)
    for pattern in (
        r"torch/lib/.*(_test|custom_ops|with_compiler)\.",
        r"torch/.*\.(h|hpp|cuh|cu|cpp|lib|a|cmake|pyi)$",
        # Of Qt: Core, Gui, Widgets, OpenGL and what windows need on each platform.
        r"PySide6/(Qt/)?(translations|qml|libexec|metatypes|resources)/",
        r"(PySide6/.*|^lib)Qt6?(Quick|Qml|Pdf|EglF|VirtualKeyboard|Network|Sql|Test|Designer|Help|Labs|Print|Svg)",
        r"PySide6/(Qt/)?plugins/(generic|networkinformation|tls|sqldrivers|printsupport|designer|qml\w+)/",
        r"PySide6/(Qt/)?plugins/(egldeviceintegrations|wayland-graphics-integration-server|vectorimageformats)/",
        r"plugins/imageformats/.*q(pdf|svg|tiff|tga|wbmp|icns)|plugins/iconengines/",
        r"plugins/platforminputcontexts/.*virtualkeyboard|plugins/platformthemes/.*gtk3",
        r"plugins/platforms/.*q(vnc|linuxfb|minimal|minimalegl|vkkhrdisplay|eglfs)\.",
        # MediaPipe: the face's and the person's graphs.
        r"mediapipe/modules/(?!face_detection/|face_landmark/|selfie_segmentation/)",
        r"cv2/(data|misc)/",
        r"PySide6/QtOpenGL\.(abi3\.so|pyd)$",
        r"skimage/data/(?!astronaut\.png|__init__)",
        r"(scipy|numba|llvmlite|numpy|trimesh|skimage)/(.*/)?tests?/",
        r"\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json|top_level\.txt|sboms/|licenses?/|LICEN[CS]E|COPYING)",
        # Drivers, and what must match them, come from the user's machine.
        r"^lib(GL|EGL|GLX|OpenGL|GLdispatch|GLESv2|drm|gbm|vulkan|wayland-egl)[.-]",
    )
)
"""Patterns of places in the bundle that are left out; licence texts stand in THIRD-PARTY.txt."""

STRIPPED = (
    *("libtorch_cpu.so", "libtorch_python.so", "libc10.so", "libllvmlite.so", "libpython3*.so*"),
    *("_framework_bindings*.so", "av/**/*.so", "lib-dynload/*.so"),
    *("scipy/**/*.so", "skimage/**/*.so", "numba/**/*.so", "numpy/**/*.so", "PIL/*.so", "mgl.*.so"),
    *("opencv*.libs/libpng16*", "libicuuc.so.*", "libicui18n.so.*"),
    *("safetensors/*.so", "libfreetype-*"),
)
"""Linux: libraries whose symbol tables, which only debuggers read, are large; the rest stay as their makers ship them."""


UNWANTED_MODULES = re.compile(
    # torch's optimisers import its compiler's outer parts; what would write code is never reached.
    r"torch\._inductor\.(codegen|fx_passes|kernel|lowering|ir|scheduler|select_algorithm|graph|compile_fx)\b"
    r"|torch\._inductor\.(pattern_matcher|template_heuristics|cudagraph_trees)\b"
    r"|torch\.testing\._internal\.(common_(methods|utils|modules|nn|optim|quant)|opinfo|distributed|generated)"
    r"|sympy\.(physics|stats|vector|testing|codegen|combinatorics|holonomic|diffgeom|liealgebras|categories|crypto)\b"
    r"|pygments\.(lexers\.(?!_mapping)|styles\.(?!_mapping))|\.tests?\."
)
"""Modules that others mention and nobody comes to import."""


def wanted_module(name: str) -> bool:
    """Whether a module of this name is kept."""
    return not UNWANTED_MODULES.search(name)


def wanted(place: str) -> bool:
    """Whether a file at this place in the bundle is kept."""
    path = place.replace("\\", "/")
    return not any(pattern.search(path) for pattern in UNWANTED)


def kept(entries: Iterable[Entry], needs: Callable[[str], set[str]]) -> list[Entry]:
    """The binaries that are wanted, and of the system's libraries those that some wanted binary needs.

    Args:
        needs: file -> names of the libraries that it loads.
    """
    entries = [entry for entry in entries if wanted(entry[0])]
    # Links to what was left out lead nowhere.
    places = {entry[0] for entry in entries}
    entries = [
        (place, source, kind)
        for place, source, kind in entries
        if kind != "SYMLINK" or str(PurePosixPath(place).parent / source) in places
    ]
    by_name = {place: (place, source, kind) for place, source, kind in entries if _of_the_system(place, kind)}
    found = [entry for entry in entries if entry[0] not in by_name]
    waiting = [entry for entry in found if entry[2] != "SYMLINK"]
    while waiting:
        for name in needs(waiting.pop()[1]):
            if name in by_name:
                found.append(by_name.pop(name))
                if found[-1][2] != "SYMLINK":
                    waiting.append(found[-1])
    return found


def _of_the_system(place: str, kind: str) -> bool:
    return (
        kind == "BINARY"
        and "/" not in place
        and place.startswith("lib")
        and not place.startswith("libpython")
    )
