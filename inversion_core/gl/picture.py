"""Finished pictures put on what a viewport shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import moderngl

from inversion_core.gl.programs import program, put

if TYPE_CHECKING:
    from moderngl import Context, Framebuffer, Texture


class Stamp:
    """Puts pictures that are multiplied by their opacity over what a framebuffer has."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._program = program(context, "fullscreen.vert", "picture.frag")
        self._ground = program(context, "fullscreen.vert", "ground.frag")
        self._whole = context.vertex_array(self._program, [])
        self._under = context.vertex_array(self._ground, [])

    def ground(self, onto: Framebuffer, top: tuple[float, ...], bottom: tuple[float, ...]) -> None:
        """Fill a framebuffer from one RGB colour at the top to another at the bottom, in [0, 1]."""
        onto.use()
        self.context.enable_only(moderngl.NOTHING)
        put(self._ground, top=top, bottom=bottom, height=float(onto.height))
        self._under.render(moderngl.TRIANGLES, 3)

    def put(
        self, picture: Texture, onto: Framebuffer, place: tuple[int, int, int, int], clip=None, smooth=True
    ) -> None:
        """Draw ``picture`` stretched to ``place`` (left, bottom, width, height in pixels of the framebuffer).

        Args:
            clip: the part of the framebuffer that may change, as ``place``; None is ``place`` itself.
            smooth: interpolate where picture and place differ in size.
        """
        way = moderngl.LINEAR if smooth else moderngl.NEAREST
        picture.filter = (way, way)
        picture.repeat_x = picture.repeat_y = False
        onto.use()
        self.context.enable_only(moderngl.BLEND)
        self.context.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        onto.scissor = clip or place
        onto.use()
        picture.use(0)
        put(self._program, shown=0, place=tuple(float(x) for x in place))
        self._whole.render(moderngl.TRIANGLES, 3)
        onto.scissor = None
        self.context.enable_only(moderngl.NOTHING)

    def release(self) -> None:
        """Give back what is held on the graphics card."""
        for part in (self._whole, self._under, self._program, self._ground):
            part.release()
