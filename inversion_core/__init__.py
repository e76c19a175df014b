"""Facet's public names; each is loaded when it is first asked for, so that importing the package costs nothing.

The spine itself is the module ``inversion_core.pipeline``: open_portrait, invert, edit, view, sculpt.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Camera": "camera",
    "EditState": "edit",
    "FacetError": "errors",
    "MeshOptions": "geometry.mesh_options",
    "Inversion": "edit",
    "Latent": "latent",
    "Mesh": "mesh",
    "Portrait": "portrait",
    "Progress": "task",
    "Project": "project",
    "Rendering": "rendering",
    "Slider": "edit",
    "export_mesh": "geometry.export",
    "blend_inversions": "blend",
    "finish": "task",
    "invert": "pipeline",
    "load_model": "model",
    "load_project": "project",
    "open_portrait": "pipeline",
    "portrait_by_hand": "manual_alignment",
    "sample_portrait": "sample",
    "run_batch": "batch",
    "save_image": "image",
    "save_mesh": "geometry.mesh_files",
    "save_project": "project",
    "save_turntable": "turntable",
    "sculpt": "pipeline",
    "turntable_camera": "pipeline",
    "view": "pipeline",
    "write_views": "contact_sheet",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
