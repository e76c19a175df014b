"""Meshes to files: OBJ with MTL and PNG, PLY with vertex colours, GLB with embedded texture and morph targets.

Files are upright (+y up, the face looks along +z) and in metres, unless another axis or unit is asked for.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inversion_core.errors import OutputUnwritable
from inversion_core.geometry.tangents import tangents
from inversion_core.image import encode, write_atomic
from inversion_core.mesh import METRES_PER_UNIT, Mesh

ENDINGS = (".obj", ".ply", ".glb")
UNITS = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
"""Unit of a file -> how many make a metre."""
FLOAT, UNSIGNED, UBYTE = 5126, 5125, 5121
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963


def save_mesh(mesh: Mesh, path: Path, up: str = "y", unit: str = "m") -> None:
    """Write the mesh in the format that the ending names; files appear whole or not at all.

    Args:
        up: "y", or "z" with the face looking along -y, for OBJ and PLY; unit: one of :data:`UNITS`.

    Raises:
        OutputUnwritable: unknown ending, missing folder, no permission, disk full.
    """
    path = Path(path)
    writers = {".obj": _save_obj, ".ply": _save_ply, ".glb": _save_glb}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise OutputUnwritable(
            f"{path.name} has an ending that meshes are not written in.", f"Use {', '.join(ENDINGS)}."
        )
    writer(_placed(mesh, up, unit), path)


def _placed(mesh: Mesh, up: str, unit: str) -> Mesh:
    """The mesh in the file's axes and unit, as if world units were the file's."""
    turn = (
        np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32) if up == "z" else np.eye(3, dtype=np.float32)
    )
    scale = METRES_PER_UNIT * UNITS[unit]
    return replace(
        mesh,
        vertices=mesh.vertices @ turn.T * np.float32(scale),
        normals=None if mesh.normals is None else mesh.normals @ turn.T,
        morphs={name: offsets @ turn.T * np.float32(scale) for name, offsets in mesh.morphs.items()},
    )


def _points(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first vertex of each point, and each vertex's point: OBJ keeps places and UVs apart."""
    count = len(mesh.vertices)
    if mesh.welded is None:
        return np.arange(count), np.arange(count)
    _, first, inverse = np.unique(mesh.welded, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def _save_obj(mesh: Mesh, path: Path) -> None:
    first, point = _points(mesh)
    vertices = mesh.vertices[first]
    # Many readers let a material hide vertex colours, so only a texture brings one along.
    textured = mesh.texture is not None
    lines = [f"mtllib {path.stem}.mtl"] if textured else []
    lines.append(f"o {path.stem}")
    if mesh.vertex_colours is not None and mesh.texture is None:
        colours = mesh.vertex_colours[first] / 255
        table = np.concatenate([vertices, colours], 1)
        lines += ["v {:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f}".format(*row) for row in table]
    else:
        lines += ["v {:.6f} {:.6f} {:.6f}".format(*row) for row in vertices]
    if mesh.uv is not None:
        lines += ["vt {:.6f} {:.6f}".format(*row) for row in mesh.uv]
    if mesh.normals is not None:
        lines += ["vn {:.4f} {:.4f} {:.4f}".format(*row) for row in mesh.normals[first]]
    if textured:
        lines.append("usemtl head")
    has_uv, has_normals = mesh.uv is not None, mesh.normals is not None
    corner = {
        (False, False): "{1}",
        (True, False): "{1}/{0}",
        (False, True): "{1}//{1}",
        (True, True): "{1}/{0}/{1}",
    }[has_uv, has_normals]
    corners = [corner.format(i + 1, p + 1) for i, p in enumerate(point.tolist())]
    lines += ["f " + " ".join([corners[i] for i in face]) for face in mesh.faces.tolist()]
    if textured:
        material = [
            "newmtl head",
            "Ka 0 0 0",
            "Kd 1 1 1",
            "Ks 0 0 0",
            "illum 1",
            f"map_Kd {path.stem}.png",
            "",
        ]
        if mesh.normal_map is not None:
            material.insert(-1, f"norm {path.stem}-normals.png")
            write_atomic(path.with_name(f"{path.stem}-normals.png"), encode(mesh.normal_map))
        write_atomic(path.with_suffix(".png"), encode(mesh.texture))
        write_atomic(path.with_suffix(".mtl"), "\n".join(material).encode())
    write_atomic(path, "\n".join([*lines, ""]).encode())


def vertex_colours(mesh: Mesh) -> NDArray[np.uint8]:
    """(V, 3) uint8: the mesh's own, or its texture at the vertices, or mid-grey."""
    if mesh.vertex_colours is not None:
        return mesh.vertex_colours
    if mesh.texture is None or mesh.uv is None:
        return np.full((len(mesh.vertices), 3), 128, np.uint8)
    height, width = mesh.texture.shape[:2]
    x = np.clip(mesh.uv[:, 0] * width, 0, width - 1).astype(int)
    y = np.clip((1 - mesh.uv[:, 1]) * height, 0, height - 1).astype(int)
    return mesh.texture[y, x, :3]


def _save_ply(mesh: Mesh, path: Path) -> None:
    fields = [(axis, "<f4") for axis in "xyz"]
    if mesh.normals is not None:
        fields += [(axis, "<f4") for axis in ("nx", "ny", "nz")]
    fields += [(colour, "u1") for colour in ("red", "green", "blue")]
    table = np.empty(len(mesh.vertices), fields)
    for i, axis in enumerate("xyz"):
        table[axis] = mesh.vertices[:, i]
        if mesh.normals is not None:
            table[f"n{axis}"] = mesh.normals[:, i]
    for i, colour in enumerate(("red", "green", "blue")):
        table[colour] = vertex_colours(mesh)[:, i]
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    kinds = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    header += [f"property {kinds[kind]} {name}" for name, kind in fields]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    write_atomic(path, "\n".join(header).encode() + table.tobytes() + faces.tobytes())


class _Buffer:
    """glTF's binary chunk, filled accessor by accessor."""

    def __init__(self) -> None:
        self.data, self.views, self.accessors = bytearray(), [], []

    def view(self, content: bytes, target: int | None = None) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        if target is not None:
            view["target"] = target
        self.data += content
        self.views.append(view)
        return len(self.views) - 1

    def accessor(self, array: NDArray, component: int, kind: str, target: int, bounds: bool = False) -> int:
        entry = {
            "bufferView": self.view(np.ascontiguousarray(array).tobytes(), target),
            "componentType": component,
            "count": array.size if kind == "SCALAR" else len(array),
            "type": kind,
        }
        if bounds:
            entry |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.accessors.append(entry)
        return len(self.accessors) - 1


def _save_glb(mesh: Mesh, path: Path) -> None:
    """Source: glTF 2.0 specification, sections 3.6 (geometry), 3.7.2.2 (morph targets), 4 (GLB container)."""
    buffer = _Buffer()
    vertices = mesh.vertices.astype("<f4")
    attributes = {"POSITION": buffer.accessor(vertices, FLOAT, "VEC3", ARRAY_BUFFER, bounds=True)}
    if mesh.normals is not None:
        attributes["NORMAL"] = buffer.accessor(mesh.normals.astype("<f4"), FLOAT, "VEC3", ARRAY_BUFFER)
    material = {"name": "head", "doubleSided": True}
    material["pbrMetallicRoughness"] = {"metallicFactor": 0.0, "roughnessFactor": 0.9}
    document: dict = {"asset": {"version": "2.0", "generator": "Facet"}, "scene": 0}
    if mesh.uv is not None and mesh.texture is not None:
        # glTF's v runs down.
        uv = np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], 1).astype("<f4")
        attributes["TEXCOORD_0"] = buffer.accessor(uv, FLOAT, "VEC2", ARRAY_BUFFER)
        image = buffer.view(encode(mesh.texture))
        document["images"] = [{"bufferView": image, "mimeType": "image/png", "name": "head"}]
        document["samplers"] = [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}]
        document["textures"] = [{"source": 0, "sampler": 0}]
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
        if mesh.normal_map is not None and mesh.normals is not None:
            frame = tangents(mesh.vertices, mesh.faces, mesh.normals, mesh.uv).astype("<f4")
            attributes["TANGENT"] = buffer.accessor(frame, FLOAT, "VEC4", ARRAY_BUFFER)
            picture = buffer.view(encode(mesh.normal_map))
            document["images"].append({"bufferView": picture, "mimeType": "image/png", "name": "normals"})
            document["textures"].append({"source": 1, "sampler": 0})
            material["normalTexture"] = {"index": 1}
    elif mesh.vertex_colours is not None:
        # Vertex colours are linear in glTF, and rows must be multiples of four bytes long.
        linear = (mesh.vertex_colours / 255.0) ** 2.2
        attributes["COLOR_0"] = buffer.accessor(linear.astype("<f4"), FLOAT, "VEC3", ARRAY_BUFFER)
    primitive = {
        "attributes": attributes,
        "indices": buffer.accessor(mesh.faces.astype("<u4").ravel(), UNSIGNED, "SCALAR", ELEMENT_BUFFER),
        "material": 0,
    }
    entry: dict = {"name": "head", "primitives": [primitive]}
    if mesh.morphs:
        primitive["targets"] = [
            {"POSITION": buffer.accessor(offsets.astype("<f4"), FLOAT, "VEC3", ARRAY_BUFFER, bounds=True)}
            for offsets in mesh.morphs.values()
        ]
        entry |= {"weights": [0.0] * len(mesh.morphs), "extras": {"targetNames": list(mesh.morphs)}}
    document |= {
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "head"}],
        "meshes": [entry],
        "materials": [material],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary = bytes(buffer.data) + b"\0" * (-len(buffer.data) % 4)
    content = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary))
    content += struct.pack("<I4s", len(text), b"JSON") + text
    content += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    write_atomic(path, content)
