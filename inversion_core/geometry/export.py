"""From a head to a mesh file: which surface, how fine, with what texture, along which axis, in which unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inversion_core.errors import UsageError
from inversion_core.geometry.closing import closed
from inversion_core.geometry.mesh_files import save_mesh, vertex_colours
from inversion_core.geometry.mesh_options import TEXTURE_SIZE, TEXTURED_FACES, MeshOptions, check_options
from inversion_core.geometry.rebake import rebaked
from inversion_core.geometry.simplify import Simplified, joined, simplified
from inversion_core.geometry.unwrap import LARGEST, unwrapped
from inversion_core.mesh import Mesh
from inversion_core.task import Progress, Task

COLOUR_VIEWS = 768
"""Pixels across of the views that colour a free surface's texture."""


def make_mesh(head: Any, options: MeshOptions | None = None) -> Task[Mesh]:
    """A task that makes the mesh of any model's head, in world units.

    Raises:
        UsageError: see :func:`check_options`.
        BadInput: the surface cannot be closed.
    """
    options = options or MeshOptions()
    whole = options.kind == "template" and hasattr(head, "template_mesh")
    if whole:
        mesh = yield from _part(
            head.template_mesh(options.texels or TEXTURE_SIZE, options.morphs, options.normal_map), 0, 0.4
        )
    else:
        mesh = yield from _part(head.sculpt(options.resolution), 0, 0.4)
    target = options.faces
    if options.texels and mesh.texture is None:
        target = min(target or TEXTURED_FACES, LARGEST)
    if options.watertight:
        mesh = closed(mesh)
    if (target and target < len(mesh.faces)) or (options.texels and mesh.texture is None):
        mesh = yield from _part(_coarser(mesh, head, options, target), 0.4, 1)
    if not options.texels and mesh.texture is not None:
        mesh = _with_vertex_colours(mesh)
    return mesh if options.morphs else replace(mesh, morphs={})


def export_mesh(head: Any, path: Path, options: MeshOptions | None = None) -> Task[Mesh]:
    """A task that writes the head's mesh and gives it, in world units.

    Raises:
        UsageError, OutputUnwritable: see :func:`check_options` and :func:`save_mesh`.
        BadInput: the surface cannot be closed.
    """
    options = options or MeshOptions()
    check_options(options, path)
    mesh = yield from _part(make_mesh(head, options), 0, 0.95)
    yield Progress(0.95, 1, "writing the file")
    save_mesh(mesh, path, options.up, options.unit)
    return mesh


def _coarser(mesh: Mesh, head: Any, options: MeshOptions, target: int) -> Task[Mesh]:
    yield Progress(0, 1, "simplifying")
    first, point = joined(mesh)
    faces = point[mesh.faces].astype(np.int32)
    coarse = simplified(mesh.vertices[first], faces, target or len(faces), options.watertight)
    if not options.texels:
        return _plain(mesh, first, coarse)
    if len(coarse.faces) > LARGEST:
        raise UsageError(
            f"{len(coarse.faces)} faces are too many to unwrap.", f"Ask for {LARGEST} faces or fewer."
        )
    charts = yield from _part(unwrapped(coarse.vertices, coarse.faces, options.texels), 0.1, 0.6)
    yield Progress(0.6, 1, "baking the texture")
    colours = None
    if mesh.texture is None and hasattr(head, "detail"):
        from inversion_core.geometry.voxels import depth_views, fused_colours

        views = depth_views(head, COLOUR_VIEWS)

        def colours(points: NDArray[np.float32], normals: NDArray[np.float32]) -> NDArray[np.uint8]:
            return fused_colours(views, points, normals)

    return rebaked(mesh, coarse, *charts, options.texels, colours, options.normal_map)


def _plain(mesh: Mesh, first: NDArray[np.int64], coarse: Simplified) -> Mesh:
    """The coarse surface with the colours that its vertices had."""
    origin = first[coarse.origin]
    return Mesh(
        coarse.vertices,
        coarse.faces,
        coarse.normals,
        vertex_colours=vertex_colours(mesh)[origin],
        morphs={name: offsets[origin] for name, offsets in mesh.morphs.items()},
    )


def _with_vertex_colours(mesh: Mesh) -> Mesh:
    first, point = joined(mesh)
    return Mesh(
        mesh.vertices[first],
        point[mesh.faces].astype(np.int32),
        None if mesh.normals is None else mesh.normals[first],
        vertex_colours=vertex_colours(mesh)[first],
        morphs={name: offsets[first] for name, offsets in mesh.morphs.items()},
    )


def _part(task: Task[Any], start: float, end: float) -> Task[Any]:
    """The task's result; its progress is told as the part from ``start`` to ``end``."""
    try:
        while True:
            step = next(task)
            yield Progress(start + (end - start) * step.fraction, 1, step.note, step.preview)
    except StopIteration as stop:
        return stop.value
    finally:
        task.close()
