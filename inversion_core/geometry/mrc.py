"""Volumes as MRC files, which ChimeraX and other viewers of density maps open.

Source: Cheng et al. 2015, "MRC2014: Extensions to the MRC format header".
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inversion_core.image import write_atomic

HEADER_BYTES = 1024


def write_mrc(path: Path, volume: NDArray[np.float32], voxel_size: float = 1.0) -> None:
    """Writes a float32 volume (Z, Y, X), its last axis along x, in one step: whole or not at all.

    Args:
        voxel_size: in the file's unit, which viewers take for Ångström.

    Raises:
        OutputUnwritable: missing folder, no permission, disk full.
    """
    volume = np.ascontiguousarray(volume, "<f4")
    depth, height, width = volume.shape
    header = bytearray(HEADER_BYTES)
    # Sizes, mode 2 (float32), start, grid sampling.
    struct.pack_into("<10i", header, 0, width, height, depth, 2, 0, 0, 0, width, height, depth)
    cell = (width * voxel_size, height * voxel_size, depth * voxel_size)
    struct.pack_into("<6f", header, 40, *cell, 90.0, 90.0, 90.0)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    struct.pack_into("<3f", header, 76, float(volume.min()), float(volume.max()), float(volume.mean()))
    # Space group 1: a volume; format version 2014.0.
    struct.pack_into("<2i", header, 88, 1, 0)
    struct.pack_into("<i", header, 108, 20140)
    header[208:216] = b"MAP \x44\x44\x00\x00"
    struct.pack_into("<f", header, 216, float(volume.std()))
    write_atomic(path, bytes(header) + volume.tobytes())
