"""What is drawn into: pictures on the graphics card, kept while their size stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import moderngl
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from moderngl import Context, Framebuffer, Texture


@dataclass(frozen=True)
class Target:
    """A framebuffer with its textures; ``depth`` is None where no depth is tested."""

    buffer: Framebuffer
    colours: tuple[Texture, ...]
    depth: Texture | None

    @property
    def size(self) -> tuple[int, int]:
        return self.colours[0].size

    def release(self) -> None:
        for part in (self.buffer, *self.colours, self.depth):
            if part is not None:
                part.release()


def make_target(
    context: Context, size: tuple[int, int], formats: Sequence[str], depth: bool = False
) -> Target:
    """A target of (width, height) pixels.

    Args:
        formats: moderngl's data type of each four-channel attachment: "f1" for bytes, "f2", "f4".
    """
    colours = tuple(context.texture(size, 4, dtype=kind) for kind in formats)
    for texture in colours:
        texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
    depths = None
    if depth:
        depths = context.depth_texture(size)
        depths.filter = (moderngl.NEAREST, moderngl.NEAREST)
        # Read as numbers later, not compared.
        depths.compare_func = ""
    return Target(context.framebuffer(list(colours), depths), colours, depths)


def read_floats(texture: Texture) -> NDArray[np.float32]:
    """(H, W, 4) of a four-channel texture of floats, top row first."""
    width, height = texture.size
    return np.frombuffer(texture.read(), np.float32).reshape(height, width, 4)[::-1].copy()
