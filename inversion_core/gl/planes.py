"""Cached triplanes marched on the graphics card: planes as textures, the decoder in the shader.

The picture is the field itself, as :meth:`PlanesHead.view` draws it up to 128 pixels; no super-resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.gl.context import NoOpenGL
from inversion_core.gl.frames import Target, Targets, read_rendering
from inversion_core.gl.looks import GLLook, Shown
from inversion_core.gl.programs import program, put
from inversion_core.rendering import Rendering

if TYPE_CHECKING:
    from moderngl import Context

STEPS = 192
"""Evenly spaced samples on a ray; the model's own renderer takes 96, half of them where the first half found matter."""
CELLS = 64
"""Cells of the grid of empty space along a side of the box."""
EMPTY_SHARE = 1e-3
"""Opacity that the whole of a ray inside the box may lose to cells that are passed over."""
UNIFORM_BYTES = 16384
"""What every OpenGL 3.3 gives to a block of uniforms."""


@dataclass(frozen=True)
class FieldArrays:
    """A triplane field as numpy arrays.

    Attributes:
        planes: (3, C, R, R) at xy, xz and zx; C a multiple of 4.
        first, first_bias: (H, C) and (H,) of the decoder's hidden layer; H a multiple of 4.
        second, second_bias: (4, H) and (4,): raw density, red, green, blue.
        box_warp: side of the cube, world units; limits: depths where rays start and end, None for the box.
        shift: share of a ray's range by which its samples lie farther than the range; white_back: see EG3D.
    """

    planes: NDArray[np.float32]
    first: NDArray[np.float32]
    first_bias: NDArray[np.float32]
    second: NDArray[np.float32]
    second_bias: NDArray[np.float32]
    box_warp: float
    limits: tuple[float, float] | None
    shift: float
    white_back: bool


def arrays_of(head: Any) -> FieldArrays:
    """The field of a head that has ``planes`` (1, 3, C, R, R) and a ``generator``, as EG3D's heads do."""
    generator, settings = head.generator, head.generator.settings.volume
    layers = (generator.decoder.net[0], generator.decoder.net[2])

    def scaled(layer: Any) -> tuple[NDArray, NDArray]:
        weight, bias = (x.detach().cpu().float().numpy() for x in (layer.weight, layer.bias))
        return weight * layer.weight_gain, bias * layer.bias_gain

    (first, first_bias), (second, second_bias) = (scaled(layer) for layer in layers)
    limited = settings.ray_start is not None and settings.ray_end is not None
    return FieldArrays(
        head.planes[0].detach().cpu().float().numpy(),
        first,
        first_bias,
        second[:4],
        second_bias[:4],
        settings.box_warp,
        (settings.ray_start, settings.ray_end) if limited else None,
        # The middle of each stratum: half a coarse interval on.
        0.5 / (settings.depth_resolution - 1),
        settings.white_back,
    )


class PlanesRenderer:
    """Draws one head at a time; all calls belong to the thread whose current context this is.

    Args:
        steps: evenly spaced samples on a ray; cells: of the grid of empty space along a side, 0 for none.
    """

    def __init__(self, context: Context, steps: int = STEPS, cells: int = CELLS) -> None:
        self.context, self.steps, self.cells = context, steps, cells
        self.head: Any = None
        self.sent = 0
        self._field: FieldArrays | None = None
        self._shape: tuple[int, int] = (0, 0)
        self._held: dict[str, Any] = {}
        self._targets = Targets(context)

    # ---- once per edit ----------------------------------------------------------------------------------------

    def show(self, head: Any) -> int:
        """Draw this head from now on. How many bytes were uploaded.

        Raises:
            NoOpenGL: the decoder is larger than shaders take.
        """
        if head is self.head:
            return 0
        field = arrays_of(head)
        channels, hidden = field.planes.shape[1], len(field.first)
        if (channels // 4, hidden) != self._shape:
            self._compile(channels, hidden)
        side = field.planes.shape[2]
        padded = np.pad(field.planes, ((0, 0), (0, 0), (1, 1), (1, 1)))
        # Four channels to a texel: (planes, layers, 4, R, R) -> (planes · layers, R, R, 4).
        texels = padded.reshape(3, channels // 4, 4, side + 2, side + 2).transpose(0, 1, 3, 4, 2)
        data = np.ascontiguousarray(texels.reshape(-1, side + 2, side + 2, 4), np.float16)
        known = self._held.get("planes")
        if known is None or known.size != (side + 2, side + 2):
            if known is not None:
                known.release()
            known = self.context.texture_array((side + 2, side + 2, len(data)), 4, dtype="f2")
            known.filter = (moderngl.LINEAR, moderngl.LINEAR)
            known.repeat_x = known.repeat_y = False
            self._held["planes"] = known
        known.write(data)
        block = _decoder_block(field)
        self._held["decoder"].write(block)
        self.head, self._field = head, field
        if self.cells:
            self._find_empty_space()
        return data.nbytes + len(block)

    def _compile(self, channels: int, hidden: int) -> None:
        if channels % 4 or hidden % 4 or (hidden * channels + 5 * hidden + 4) * 4 > UNIFORM_BYTES:
            raise NoOpenGL(f"A decoder of {channels} features and {hidden} neurons does not fit the shaders.")
        self.release()
        self._shape = (channels // 4, hidden)
        sizes = {"LAYERS": channels // 4, "HIDDEN": hidden}
        for surface in (False, True):
            self._add(f"march{surface}", "raymarch.frag", SURFACE=surface, **sizes)
        self._add("occupancy", "occupancy.frag", **sizes)
        self._add("cells", "cells.frag")
        self._held["decoder"] = self.context.buffer(reserve=(hidden * channels + 5 * hidden + 4) * 4)

    def _add(self, name: str, fragment: str, **defines: int | bool) -> None:
        made = program(self.context, "fullscreen.vert", fragment, **defines)
        self._held[name], self._held[f"{name}.whole"] = made, self.context.vertex_array(made, [])

    def _find_empty_space(self) -> None:
        corners = self.cells + 1
        flats = []
        for name, side in (("occupancy", corners), ("cells", self.cells)):
            columns = int(np.ceil(np.sqrt(side)))
            size = (side * columns, side * -(-side // columns))
            flat = self._held.get(f"{name}.flat")
            if flat is None:
                flat = self._held[f"{name}.flat"] = self.context.texture(size, 1, dtype="f4")
                flat.filter = (moderngl.NEAREST, moderngl.NEAREST)
                self._held[f"{name}.buffer"] = self.context.framebuffer([flat])
            flats.append((columns, flat))
        (corner_columns, corner_flat), (columns, _) = flats
        put(
            self._held["cells"], corners=corners, corner_columns=corner_columns, columns=columns, at_corners=1
        )
        put(self._held["occupancy"], corners=corners, columns=corner_columns)
        for name in ("occupancy", "cells"):
            self._held[f"{name}.buffer"].use()
            self._ready(self._held[name])
            corner_flat.use(1)
            self._held[f"{name}.whole"].render(moderngl.TRIANGLES, 3)

    def _ready(self, target: Any) -> None:
        field = self._field
        self.context.enable_only(moderngl.NOTHING)
        self._held["planes"].use(0)
        put(target, planes=0, plane_side=float(field.planes.shape[2]), box_warp=field.box_warp)
        if "Decoder" in target:
            target["Decoder"].binding = 0
            self._held["decoder"].bind_to_uniform_block(0)

    # ---- once per camera move ---------------------------------------------------------------------------------

    def draw(
        self, camera: Camera, size: tuple[int, int], samples: int = 1, shown: Shown | None = None
    ) -> Target:
        """As :meth:`HeadRenderer.draw`; the looks of normals and clay show the photo's colours."""
        assert self._field is not None, "show a head first"
        field, shown = self._field, shown or Shown()
        surface = shown.look in (GLLook.DEPTH, GLLook.STRAIGHT)
        target = self._targets.picture(size, surface, shown.exact)
        target.buffer.use()
        march = self._held[f"march{surface}"]
        self._ready(march)
        longest = field.box_warp * np.sqrt(3)
        cells = max(self.cells, 1)
        if self.cells:
            self._held["cells.flat"].use(1)
        put(
            march,
            cells=1,
            cell_count=cells,
            columns=int(np.ceil(np.sqrt(cells))),
            # -log(1 - x) is x for what is this small. Without a grid nothing is below it.
            empty=EMPTY_SHARE / longest if self.cells else -1.0,
            rotation=np.asarray(camera.cam2world[:3, :3]),
            origin=tuple(camera.position),
            unprojected=np.linalg.inv(camera.intrinsics.astype(np.float64)),
            size=tuple(float(x) for x in size),
            limits=field.limits or (0.0, 0.0),
            shift=field.shift,
            steps=self.steps,
            samples=samples,
            white_back=field.white_back,
            look=shown.look.value,
            depth_range=shown.depth_range,
        )
        self._held[f"march{surface}.whole"].render(moderngl.TRIANGLES, 3)
        return target

    def render(self, head: Any, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """The head through ``camera``, (size, size), read back from the graphics card; without normals."""
        self.show(head)
        target = self.draw(camera, (size, size), samples, Shown(GLLook.STRAIGHT, exact=True))
        return read_rendering(target, normals=False)

    def release(self) -> None:
        """Give back what is held on the graphics card."""
        self._targets.release()
        for part in self._held.values():
            part.release()
        self._held = {}


def _decoder_block(field: FieldArrays) -> bytes:
    """The decoder as the shader's block of vec4: rows, biases, columns of what is shown."""
    parts = (field.first, field.first_bias, field.second.T, field.second_bias)
    return b"".join(np.ascontiguousarray(part, np.float32).tobytes() for part in parts)
