"""Cached signed distances traced on the graphics card: one 3D texture, filtered by the hardware.

The picture is that of :func:`inversion_core.generators.distance_volume.traced`; tests hold one against the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import moderngl
import numpy as np

from inversion_core.camera import Camera
from inversion_core.generators.distance_volume import DistanceVolume, reach, sight
from inversion_core.gl.frames import Target, Targets, read_rendering
from inversion_core.gl.looks import GLLook, Shown
from inversion_core.gl.programs import program, put
from inversion_core.rendering import Rendering

if TYPE_CHECKING:
    from moderngl import Context, Texture3D


class DistancesRenderer:
    """Draws one head at a time; all calls belong to the thread whose current context this is."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._programs = {
            s: program(context, "fullscreen.vert", "spheretrace.frag", SURFACE=s) for s in (False, True)
        }
        self._whole = {s: context.vertex_array(made, []) for s, made in self._programs.items()}
        self._targets = Targets(context)
        self._texture: Texture3D | None = None
        self.volume: DistanceVolume | None = None

    def show(self, head: Any) -> int:
        """Draw this head from now on, as far as its distances are known; call again as they get finer.

        Args:
            head: has ``distances.volume``, or is the volume itself.

        Returns:
            How many bytes were uploaded.
        """
        volume = head if isinstance(head, DistanceVolume) else head.distances.volume
        if volume is self.volume:
            return 0
        assert volume is not None, "the distances have not been asked for"
        side = volume.cells + 1
        if self._texture is None or self._texture.width != side:
            if self._texture is not None:
                self._texture.release()
            self._texture = self.context.texture3d((side, side, side), 4, dtype="f2")
            self._texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
            self._texture.repeat_x = self._texture.repeat_y = self._texture.repeat_z = False
        data = volume.values.astype(np.float16)
        self._texture.write(data)
        self.volume = volume
        return data.nbytes

    def draw(
        self, camera: Camera, size: tuple[int, int], samples: int = 1, shown: Shown | None = None
    ) -> Target:
        """As :meth:`HeadRenderer.draw`."""
        assert self.volume is not None and self._texture is not None, "show a head first"
        volume, shown = self.volume, shown or Shown()
        lens, seen = volume.lens, sight(camera, volume.lens)
        surface = shown.look is not GLLook.PHOTO
        target = self._targets.picture(size, surface, shown.exact)
        target.buffer.use()
        self.context.enable_only(moderngl.NOTHING)
        self._texture.use(0)
        put(
            self._programs[surface],
            volume=0,
            corners=float(volume.cells + 1),
            half_side=volume.half,
            beta=volume.beta,
            slope=max(volume.slope, 1e-6),
            reach=reach(volume.beta, lens.far - lens.near),
            rotation=seen.rotation,
            origin=tuple(seen.origin),
            size=tuple(float(x) for x in size),
            spread=2 * lens.tangent / seen.scale,
            middle=seen.middle,
            tangent=lens.tangent,
            near=lens.near,
            stride=lens.step,
            count=lens.samples,
            foreground=lens.foreground,
            behind=seen.behind,
            samples=samples,
            look=shown.look.value,
            lamp=shown.lamp,
            depth_range=shown.depth_range,
        )
        self._whole[surface].render(moderngl.TRIANGLES, 3)
        return target

    def render(self, head: Any, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """As :meth:`DistanceVolume.view`, read back from the graphics card."""
        self.show(head)
        target = self.draw(camera, (size, size), samples, Shown(GLLook.STRAIGHT, exact=True))
        return read_rendering(target)

    def release(self) -> None:
        """Give back what is held on the graphics card."""
        self._targets.release()
        parts = (self._programs, self._whole)
        for part in parts:
            for held in part.values():
                held.release()
        if self._texture is not None:
            self._texture.release()
