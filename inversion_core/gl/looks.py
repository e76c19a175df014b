"""How a head is shown by the shaders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class GLLook(Enum):
    """The numbers are those of ``shaders/layers.frag``."""

    PHOTO = 0
    CLAY = 1
    NORMALS = 2
    DEPTH = 3
    STRAIGHT = 4
    """The photo's colours, not multiplied by opacity, with normals and depth beside them."""


@dataclass(frozen=True)
class Shown:
    """What a picture shows.

    Attributes:
        lamp: unit vector to the lamp of the clay look, world axes.
        depth_range: nearest and farthest grey of the depth look, world units.
        exact: floating point instead of bytes, for reading back.
    """

    look: GLLook = GLLook.PHOTO
    lamp: tuple[float, float, float] = (0.0, 0.0, 1.0)
    depth_range: tuple[float, float] = (2.3, 3.0)
    exact: bool = False
