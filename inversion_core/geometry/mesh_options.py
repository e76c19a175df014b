"""What can be chosen when a mesh is written; light to import, for windows and command lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inversion_core.errors import OutputUnwritable, UsageError
from inversion_core.geometry.mesh_files import ENDINGS, UNITS

KINDS = ("template", "surface")
RESOLUTION, TEXTURE_SIZE, TEXTURED_FACES = 256, 2048, 30_000
"""Cells, texels and triangles where nothing else is asked for."""


@dataclass(frozen=True)
class MeshOptions:
    """How a head becomes a mesh.

    Attributes:
        kind: "template", the model's own topology, the same for every head; "surface", marching cubes.
        resolution: cells along the longest side for "surface".
        texture_size: texels across; 0 is vertex colours; None is 2048 for "template", 0 for "surface".
        faces: about how many triangles are kept; 0 keeps all.
        watertight: every edge has two triangles; only for "surface".
        normal_map: of what the triangles do not show: finer triangles, and relief from the texture's shading.
        morphs: expression sliders as morph targets, where the topology and the format (GLB) carry them.
        up, unit: axis and unit of the file: "y" or "z"; "m", "cm" or "mm".
    """

    kind: str = "template"
    resolution: int = RESOLUTION
    texture_size: int | None = None
    faces: int = 0
    watertight: bool = False
    normal_map: bool = False
    morphs: bool = True
    up: str = "y"
    unit: str = "m"

    @property
    def texels(self) -> int:
        """Texels across that result, 0 for vertex colours."""
        if self.texture_size is not None:
            return self.texture_size
        return TEXTURE_SIZE if self.kind == "template" or self.normal_map else 0


def check_options(options: MeshOptions, path: Path) -> None:
    """Refuse what cannot be had.

    Raises:
        OutputUnwritable: the ending is none of a mesh.
        UsageError: choices exclude each other, or a number is out of range.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise OutputUnwritable(
            f"{Path(path).name} has an ending that meshes are not written in.", f"Use {', '.join(ENDINGS)}."
        )
    if options.kind not in KINDS or options.up not in ("y", "z") or options.unit not in UNITS:
        raise UsageError(
            "The kind, axis or unit of the mesh is unknown.",
            f"Kinds: {', '.join(KINDS)}; axes: y, z; units: {', '.join(UNITS)}.",
        )
    if not 16 <= options.resolution <= 1024 or not (options.texels == 0 or 64 <= options.texels <= 8192):
        raise UsageError(
            "The mesh's resolution or texture size is out of range.", "Use 16 … 1024 cells, 64 … 8192 texels."
        )
    if options.faces and not 500 <= options.faces <= 2_000_000:
        raise UsageError(f"{options.faces} faces are out of range.", "Ask for 500 to 2000000, or 0 for all.")
    if options.watertight and options.kind != "surface":
        raise UsageError(
            "The model's topology is open at neck, mouth and hair, so it cannot be watertight.",
            "Choose the surface kind for a closed mesh.",
        )
    if ending == ".glb" and (options.up, options.unit) != ("y", "m"):
        raise UsageError("GLB is always +Y up and in metres.", "Use OBJ or PLY for another axis or unit.")
    if options.normal_map and (ending == ".ply" or options.texels == 0):
        raise UsageError("A normal map needs a texture, and a format with one.", "Use GLB or OBJ.")
