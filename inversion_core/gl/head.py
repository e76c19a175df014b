"""The layers of a bundled head on the graphics card: vertex buffers once, uniforms for each camera.

The picture is that of :func:`inversion_core.render.render`; tests hold one against the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import moderngl
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.generators.head import HAIR_LEAD, Head
from inversion_core.generators.template import vertex_normals
from inversion_core.gl.frames import Target, Targets, read_rendering
from inversion_core.gl.looks import GLLook, Shown
from inversion_core.gl.programs import program, put
from inversion_core.image import to_uint8
from inversion_core.refine.layer import CHANNELS, Layer
from inversion_core.render import HAIR, INNER_SHARE, PERSON, closeness
from inversion_core.rendering import Rendering
from inversion_core.shading import CLOSING, SOFT, SPARED

if TYPE_CHECKING:
    from moderngl import Buffer, Context, Texture, VertexArray

PLACES = (
    ("vertices", "3f", ("position",)),
    ("behind", "1f", ("behind",)),
    ("normals", "3f", ("normal",)),
    ("light", "3f", ("light",)),
    ("attributes", "4f 4f 4f 3f", ("seen_at", "mirrored", "carried", "cover")),
)
"""Array, its layout in a buffer, and the vertex shader's names for it."""
assert CHANNELS == 15


@dataclass
class _Mesh:
    """One layer's buffers, and the arrays that are in them."""

    held: dict[str, NDArray] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    drawn: dict[bool, VertexArray] = field(default_factory=dict)

    def take(self, context: Context, programs: dict, arrays: dict[str, NDArray]) -> int:
        """Upload the arrays that are not the ones held; how many bytes those were."""
        sent = 0
        remade = False
        for name, array in arrays.items():
            if self.held.get(name) is array:
                continue
            data = np.ascontiguousarray(array, np.int32 if name == "faces" else np.float32)
            known = self.buffers.get(name)
            if known is not None and known.size == data.nbytes:
                known.write(data)
            else:
                if known is not None:
                    known.release()
                # A buffer of no bytes cannot be made; a layer without faces is never drawn.
                self.buffers[name] = context.buffer(data if data.nbytes else b"\0" * 4)
                remade = True
            self.held[name] = array
            sent += data.nbytes
        if remade:
            for old in self.drawn.values():
                old.release()
            content = [(self.buffers[name], layout, *names) for name, layout, names in PLACES]
            self.drawn = {
                surface: context.vertex_array(made, content, self.buffers["faces"])
                for surface, made in programs.items()
            }
        return sent

    @property
    def empty(self) -> bool:
        return not len(self.held.get("faces", ()))

    def release(self) -> None:
        for part in (*self.drawn.values(), *self.buffers.values()):
            part.release()


class HeadRenderer:
    """Draws one head at a time; all calls belong to the thread whose current context this is."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._layers = {s: program(context, "layer.vert", "layer.frag", SURFACE=s) for s in (False, True)}
        self._merge = {
            s: program(context, "fullscreen.vert", "layers.frag", SURFACE=s) for s in (False, True)
        }
        self._whole = {s: context.vertex_array(made, []) for s, made in self._merge.items()}
        self._meshes = {name: _Mesh() for name in ("head", "shell", "hair")}
        self._pictures: dict[str, Texture] = {}
        self._targets = Targets(context)
        self._box = np.zeros((8, 3), np.float32)
        self._most = int(context.info["GL_MAX_TEXTURE_SIZE"])
        self.head: Head | None = None

    # ---- once per edit ----------------------------------------------------------------------------------------

    def show(self, head: Head) -> int:
        """Draw this head from now on; only what changed is uploaded. How many bytes that were."""
        if head is self.head:
            return 0
        sent = 0
        if self.head is None or head.detail is not self.head.detail:
            sent += self._take_pictures(head)
        sent += self._take("head", head.head, head.normals, head.light, head.behind)
        for name, layer, light in (
            ("shell", head.shell, head.shell_light),
            ("hair", head.hair, head.hair_light),
        ):
            held = self._meshes[name].held
            same = held.get("vertices") is layer.vertices and "normals" in held
            normals = held["normals"] if same else vertex_normals(layer.vertices, layer.faces)
            behind = held.get("behind")
            if behind is None or len(behind) != len(layer.vertices):
                behind = np.zeros(len(layer.vertices), np.float32)
            # Factors are made anew for each edit, mostly of the same numbers.
            if (known := held.get("light")) is not None and np.array_equal(known, light):
                light = known
            sent += self._take(name, layer, normals, light, behind)
        corners = np.stack([(layer.vertices.min(0), layer.vertices.max(0)) for layer in _present(head)])
        low, high = corners[:, 0].min(0), corners[:, 1].max(0)
        self._box = np.stack(np.meshgrid(*zip(low, high, strict=True)), -1).reshape(-1, 3)
        self.head = head
        return sent

    def _take(self, name: str, layer: Layer, normals, light, behind) -> int:
        arrays = {"vertices": layer.vertices, "attributes": layer.attributes, "faces": layer.faces}
        arrays |= {"normals": normals, "light": light, "behind": behind}
        return self._meshes[name].take(self.context, self._layers, arrays)

    def _take_pictures(self, head: Head) -> int:
        detail, sent = head.detail, 0
        solid = np.ones((*detail.hair_texture.shape[:2], 1), np.float32)
        pictures = {
            "person": np.concatenate([detail.photo, detail.masks[..., PERSON, None]], 2),
            "hair": np.concatenate([detail.photo, 0.5 + 0.5 * detail.trims[..., HAIR, None]], 2),
            "strands": np.concatenate([detail.hair_texture, solid], 2),
        }
        if detail.atlas is not None:
            pictures["skin"] = np.concatenate([detail.atlas, np.ones_like(detail.atlas[..., :1])], 2)
        for name, picture in pictures.items():
            if name in self._pictures:
                self._pictures[name].release()
            height, width = picture.shape[:2]
            data = np.ascontiguousarray(to_uint8(picture))
            made = self._pictures[name] = self.context.texture((width, height), 4, data)
            made.filter = (moderngl.LINEAR, moderngl.LINEAR)
            made.repeat_x = made.repeat_y = False
            sent += data.nbytes
        return sent

    # ---- once per camera move ---------------------------------------------------------------------------------

    def draw(
        self, camera: Camera, size: tuple[int, int], samples: int = 1, shown: Shown | None = None
    ) -> Target:
        """The head through ``camera``; the target holds the picture, multiplied by opacity, until the next call.

        Args:
            camera: of the square picture whose middle ``size`` shows; size: width and height in pixels.
            samples: side of the grid of samples in each pixel.
        """
        assert self.head is not None, "show a head first"
        head, shown = self.head, shown or Shown()
        surface = shown.look is not GLLook.PHOTO
        width, height = size
        samples = max(1, min(samples, self._most // max(size)))
        terms = self._draw_layers(head, camera, (width * samples, height * samples), surface)
        target = self._targets.picture(size, surface, shown.exact)
        target.buffer.use()
        self.context.enable_only(moderngl.NOTHING)
        merge = self._merge[surface]
        for place, name in enumerate(self._meshes):
            layer = self._targets[name]
            layer.colours[0].use(3 * place)
            layer.depth.use(3 * place + 1)
            put(merge, **{f"{name}_colour": 3 * place, f"{name}_depth": 3 * place + 1})
            if surface:
                layer.colours[1].use(3 * place + 2)
                put(merge, **{f"{name}_facing": 3 * place + 2})
        put(merge, samples=samples, depth_terms=terms, look=shown.look.value)
        put(merge, lamp=shown.lamp, depth_range=shown.depth_range)
        self._whole[surface].render(moderngl.TRIANGLES, 3)
        return target

    def _draw_layers(self, head: Head, camera: Camera, size: tuple[int, int], surface: bool) -> tuple:
        rotation, translation = camera.world2cam
        depths = (self._box @ rotation.T + translation)[:, 2]
        near = max(0.05, float(depths.min()) - 0.05)
        far = max(near + 0.1, float(depths.max()) + 0.1)
        terms = ((far + near) / (far - near), -2 * far * near / (far - near))
        layer = self._layers[surface]
        side = max(size)
        put(
            layer,
            rotation=rotation,
            translation=tuple(translation),
            intrinsics=np.asarray(camera.intrinsics),
            fit=(side / size[0], side / size[1]),
            depth_terms=terms,
            forward=tuple(camera.cam2world[:3, 2]),
            photo=0,
            other=1,
        )
        detail = head.detail
        near_photo = closeness(head, camera)
        plain = {
            "straight": near_photo,
            "spared": SPARED,
            "signed_mask": False,
            "soft": SOFT,
            "closing": CLOSING,
            "under": (1.0, 1.0, 1.0),
            "skin_tone": (0.0,) * 3,
            "hair_tone": (0.0,) * 3,
            "lead": 0.0,
        }
        settings = {
            "head": (
                "person",
                "person",
                {"trimmed": False, "inner_share": 1.0},
            ),
            "shell": ("person", "person", {"trimmed": True, "inner_share": INNER_SHARE, "straight": 0.0}),
            "hair": (
                "hair",
                "strands",
                {
                    "trimmed": True,
                    "signed_mask": True,
                    "inner_share": INNER_SHARE,
                    "under": tuple(head.skin_light),
                    "skin_tone": tuple(detail.skin_colour),
                    "hair_tone": tuple(detail.hair_colour),
                    "lead": HAIR_LEAD,
                },
            ),
        }
        for name, (photo, other, values) in settings.items():
            other = "skin" if name == "head" and detail.atlas is not None else other
            target = self._targets.of(name, size, ("f1", "f2")[: 1 + surface], depth=True)
            target.buffer.use()
            self.context.enable_only(moderngl.DEPTH_TEST)
            self.context.depth_func = "<"
            target.buffer.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
            mesh = self._meshes[name]
            if mesh.empty:
                continue
            self._pictures[photo].use(0)
            self._pictures[other].use(1)
            put(layer, **(plain | values))
            mesh.drawn[surface].render(moderngl.TRIANGLES)
        return terms

    def render(self, head: Head, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """As :func:`inversion_core.render.render`, read back from the graphics card."""
        self.show(head)
        target = self.draw(camera, (size, size), samples, Shown(GLLook.STRAIGHT, exact=True))
        return read_rendering(target)

    def release(self) -> None:
        """Give back what is held on the graphics card."""
        self._targets.release()
        parts = (self._meshes, self._pictures, self._whole, self._layers, self._merge)
        for part in parts:
            for held in part.values():
                held.release()


def _present(head: Head) -> list[Layer]:
    return [layer for layer in (head.head, head.shell, head.hair) if len(layer.vertices)]
