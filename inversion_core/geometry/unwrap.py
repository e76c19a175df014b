"""UV coordinates for any mesh, computed by xatlas in a process of its own: it would hold up every other thread."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inversion_core.errors import MissingResource
from inversion_core.task import Progress, Task

LARGEST = 60_000
"""Faces beyond which unwrapping takes minutes; see :func:`unwrapped`."""
PADDING = 4
"""Texels between charts."""
PATIENCE = 0.1


def unwrapped(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], size: int
) -> Task[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]]:
    """A task that gives (N,) source vertices, (F, 3) faces and (N, 2) UV with v up, charts split where they end.

    Args:
        size: texels across that the charts' distances are made for.

    Raises:
        MissingResource: xatlas is not installed or failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "mesh.npz", Path(folder) / "atlas.npz"
        np.savez(source, vertices=vertices.astype(np.float32), faces=faces.astype(np.uint32), size=size)
        if getattr(sys, "frozen", False):
            # A bundle has no Python to start; the other threads wait.
            yield Progress(0, 1, "unwrapping")
            _main(str(source), str(result))
            return _read(result)
        command = [sys.executable, "-m", "inversion_core.geometry.unwrap", str(source), str(result)]
        root = Path(__file__).resolve().parents[2]
        with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            try:
                while True:
                    yield Progress(0, 1, "unwrapping")
                    try:
                        _, said = child.communicate(timeout=PATIENCE)
                        break
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                child.kill()
            if child.returncode != 0 or not result.exists():
                last = said.decode(errors="replace").strip().rpartition("\n")[2]
                raise MissingResource(f"The mesh could not be unwrapped: {last}.", "Install Facet again.")
        return _read(result)


def _read(result: Path) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    with np.load(result) as found:
        return found["source"], found["faces"], found["uv"]


def _main(source: str, result: str) -> None:
    import xatlas

    with np.load(source) as given:
        vertices, faces, size = given["vertices"], given["faces"], int(given["size"])
    atlas = xatlas.Atlas()
    atlas.add_mesh(vertices, faces)
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_iterations = 1
    packing.resolution, packing.padding = size, PADDING
    atlas.generate(charts, packing)
    mapping, corners, uv = atlas[0]
    uv = np.asarray(uv, np.float32)
    np.savez(
        result,
        source=np.asarray(mapping, np.int32),
        faces=np.asarray(corners, np.int32),
        uv=np.stack([uv[:, 0], 1 - uv[:, 1]], 1),
    )


if __name__ == "__main__":
    _main(*sys.argv[1:])
