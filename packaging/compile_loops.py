"""Facet's loops as machine code, so that the bundle needs no compiler: ``compile_loops.py WORK`` fills WORK/loops.

One folder for every kind of processor in ``facet_loops.PROCESSORS``. What a loop is compiled for is not written down
anywhere: the loops run as they do in a person's first minutes, and on tiny heads of EG3D's and StyleSDF's kinds, and
what they were given is remembered.
"""

from __future__ import annotations

import json
import os
import pickle  # noqa: TID251 (reads back what it wrote itself)
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "packaging")]

from facet_loops import INDEX, PROCESSORS  # noqa: E402

SEEN = "signatures.pickle"


class Unforeseen(Exception):
    """What ``facet_loops`` could not give a loop; Python itself runs that one."""


def main(work: Path) -> None:
    """Fill ``WORK/loops``; each kind of processor takes a process, since numba compiles for one."""
    loops = work / "loops"
    shutil.rmtree(loops, ignore_errors=True)
    loops.mkdir(parents=True)
    # The first runs what it compiles, so it must be for any processor.
    for processor, features in reversed(PROCESSORS.items()):
        environment = {
            **os.environ,
            "NUMBA_CPU_NAME": processor,
            "NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in sorted(features)) or "+sse2",
            "NUMBA_CACHE_DIR": str(loops / "cache" / processor),
        }
        words = [sys.executable, __file__, str(loops), processor]
        subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(loops / "cache")
    (loops / SEEN).unlink()


def compile_for(loops: Path, processor: str) -> None:
    """Write one processor's loops; run in a process of its own."""
    if not (loops / SEEN).exists():
        _live(loops / "cache" / "made")
        seen = {name: list(loop.overloads) for name, loop in _loops().items() if loop.overloads}
        (loops / SEEN).write_bytes(pickle.dumps(seen))
    seen = pickle.loads((loops / SEEN).read_bytes())
    for path in (ROOT / "inversion_core").rglob("*.py"):
        if "numba" in path.read_text(encoding="utf-8"):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found = _loops()
    if forgotten := sorted(set(found) - set(seen)):
        raise SystemExit(f"Nothing in compile_loops.py runs {', '.join(forgotten)}: slow in the bundle.")
    folder = loops / processor
    folder.mkdir()
    entries = []
    for name, signatures in sorted(seen.items()):
        for number, signature in enumerate(signatures):
            try:
                entries.append(_written(folder, name, number, found[name], signature))
            # numba raises ValueError for a loop that it does not cache.
            except (Unforeseen, ValueError) as error:
                raise SystemExit(f"{name} would be slow in the bundle: {error}.") from error
    (folder / INDEX).write_text(json.dumps(entries, indent=1), encoding="ascii")


def _loops() -> dict[str, Any]:
    """Loops that Python calls, of every module of the core, by "module:name"."""
    from numba.core.dispatcher import Dispatcher

    return {
        f"{loop.__module__}:{loop.__name__}": loop
        for module in list(sys.modules.values())
        if module.__name__.startswith("inversion_core.")
        for loop in vars(module).values()
        if isinstance(loop, Dispatcher) and loop.targetoptions.get("inline") != "always"
    }


def _written(folder: Path, name: str, number: int, loop: Any, signature: tuple) -> dict[str, Any]:
    loop.compile(signature)
    compiled = loop.overloads[signature]
    environments = {*compiled._find_referenced_environments(), compiled.environment}
    if any(environment.consts for environment in environments):
        raise Unforeseen("it holds objects of Python")
    file = f"{name.replace(':', '.')}-{number}.o"
    linked = compiled._asdict()["library"]
    (folder / file).write_bytes(linked.serialize_using_object_code()[2][0])
    return {
        "loop": name,
        "object": file,
        "entry": compiled.fndesc.llvm_cpython_wrapper_name,
        "arguments": [_described(kind) for kind in signature],
        "environments": sorted(environment.env_name for environment in environments),
    }


def _described(kind: Any) -> list:
    """An argument's type as ``facet_loops`` compares it."""
    from numba import types
    from numba.np.numpy_support import as_dtype

    if isinstance(kind, types.Array):
        return ["array", as_dtype(kind.dtype).str, kind.ndim, kind.layout, kind.mutable]
    if isinstance(kind, types.BaseTuple):
        return ["tuple", *(_described(part) for part in kind)]
    if isinstance(kind, types.Number | types.Boolean):
        return ["scalar", as_dtype(kind).kind]
    raise Unforeseen(f"an argument is of the type {kind}")


def _live(place: Path) -> None:
    """Everything that a person does in the first minutes, and what runs the remaining loops."""
    for step in _steps(place):
        step()


def _steps(place: Path) -> Iterator[Callable[[], object]]:
    from inversion_core.cli import facet
    from inversion_core.sample import sample_portrait

    place.mkdir(parents=True)
    (place / "astronaut.png").write_bytes(sample_portrait())
    project, run = str(place / "made/astronaut.facet"), partial(facet, standalone_mode=False)
    yield partial(run, ["invert", str(place / "astronaut.png"), "-o", str(place / "made"), "--views"])
    yield partial(run, ["render", project, "--size", "256", "-o", str(place / "a.png")])
    yield partial(run, ["export", project, "--watertight", "-o", str(place / "a.glb")])
    yield partial(run, ["export", project, "--faces", "8000", "--normal-map", "-o", str(place / "b.glb")])
    yield _a_tiny_eg3d
    yield _a_cached_distance
    yield _a_gradient


def _a_tiny_eg3d() -> None:
    import torch

    from inversion_core.camera import Camera
    from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
    from inversion_core.generators.fast_eg3d import FastView
    from inversion_core.generators.triplane import VolumeSettings
    from inversion_core.samples import label_of

    settings = EG3DSettings(
        z_dim=8,
        w_dim=16,
        plane_resolution=16,
        plane_channels=8,
        channel_base=64,
        channel_max=8,
        volume=VolumeSettings(depth_resolution=12, depth_resolution_importance=10),
        superresolution="FacetSuperresolution2X",
    )
    generator = TriPlaneGenerator(settings).eval().requires_grad_(False)
    view = FastView(generator, torch.randn(1, 3, 8, 16, 16), torch.randn(1, generator.num_ws, 16))
    for half in (False, True):
        view.picture(view.features(label_of(Camera.orbit(0.0, 0.0), generator), 64)[0], half)


def _a_cached_distance() -> None:
    import numpy as np

    from inversion_core.camera import Camera
    from inversion_core.generators.distance_volume import DistanceVolume, Lens

    lens = Lens(3.0, 0.1, 2.6, 3.4, 24, 3.2)
    values = np.full((9, 9, 9, 4), 0.1, np.float32)
    values[3:6, 3:6, 3:6, 3] = -0.1
    DistanceVolume(values, 0.4, 0.01, 1.0, lens).view(Camera.orbit(0.0, 0.0), 16)


def _a_gradient() -> None:
    import torch

    from inversion_core.generators.heads_field import FeaturePlanes
    from inversion_core.generators.mesh_gradients import mesh_normals

    corners = torch.rand(3, 3, requires_grad=True)
    mesh_normals(corners, torch.tensor([[0, 1, 2]])).sum().backward()
    FeaturePlanes(8, 4)(torch.rand(5, 3)).sum().backward()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        compile_for(Path(sys.argv[1]), sys.argv[2])
    else:
        main(Path(sys.argv[1]))
