"""Heads that no training has seen, drawn straight from the assets, as truth to measure inversions against.

A head is rendered as a photo, inverted, and compared with the assets' own picture and depth from other sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core import pipeline
from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.errors import BadInput
from inversion_core.generators.template import vertex_normals
from inversion_core.image import encode, to_uint8
from inversion_core.metrics import face_mask, iou, psnr
from inversion_core.model import FaceModel
from inversion_core.rasterise import interpolate, rasterise
from inversion_core.rendering import Rendering
from inversion_core.task import Progress, Task
from inversion_core.training.assets import HeadAssets, Proxy, read_rgba
from inversion_core.training.head_model import expression_recipe, eye_centre, morphed, random_identity
from inversion_core.training.template import LOWEST, WIDEST, TemplateBuilder, to_world

HEAD_HEIGHT = 0.56
"""World units from chin to crown of the average head."""
HELD_OUT_SEED = 20_000
"""Seeds from here on are never used in training."""
HEAD_WINDOW = (1280 / 2048, 352 / 2048, 768 / 2048, 1408 / 2048)
"""Left, top, width and height of the head's high-resolution texture in the whole-body sheet."""
TURNS = (-30.0, 30.0)


@dataclass(frozen=True)
class Part:
    """A textured mesh of a truth head: faces (F, 3), uv of their corners (F, 3, 2) with v up, RGBA texture."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    corner_uv: NDArray[np.float32]
    texture: NDArray[np.uint8]


@dataclass(frozen=True)
class TruthHead:
    """A head from the assets in world units, and the light on it: (3,) direction and strengths."""

    parts: tuple[Part, ...]
    light: NDArray[np.float32]
    ambient: float


@dataclass(frozen=True)
class HeldOutReport:
    """Means over heads; ``refused`` of them showed the detector no face.

    Attributes:
        psnr_turned, psnr_front: dB in the head's mask, at TURNS and in front.
        depth_error: in the face, as a share of the head's height; scale and distance, which a picture leaves open, as the
            face's median depth has them.
        iou_turned: of the silhouettes at TURNS.
    """

    heads: int
    refused: int
    psnr_turned: float
    psnr_front: float
    depth_error: float
    iou_turned: float


def _triangles(quads: NDArray) -> NDArray:
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _proxy_part(proxy: Proxy, base, place, texture=None, tint=None) -> Part:
    texture = proxy.texture if texture is None else texture
    corner_uv = proxy.mesh.uv[_triangles(proxy.mesh.faces_uv)]
    faces = _triangles(proxy.mesh.faces)
    height, width = texture.shape[:2]
    # Cards are drawn where they are mostly opaque; soft tips are left out.
    middle = np.clip(corner_uv.mean(1), 0, 0.9999)
    alpha = texture[((1 - middle[:, 1]) * height).astype(int) % height, (middle[:, 0] * width).astype(int), 3]
    kept = alpha > 110
    if tint is not None:
        texture = texture.copy()
        grey = texture[..., :3].astype(np.float32).mean(-1, keepdims=True)
        grey /= max(float(grey[texture[..., 3] > 110].mean()), 1)
        texture[..., :3] = np.clip(grey * tint * 255, 0, 255)
    return Part(place(proxy.fitted(base)), faces[kept].astype(np.int32), corner_uv[kept], texture)


def truth_head(assets: HeadAssets, builder: TemplateBuilder, seed: int) -> TruthHead:
    """A random head with skin, eyes, brows, teeth and hair straight from the assets."""
    rng = np.random.default_rng(seed)
    recipe = random_identity(assets, rng)
    centre = eye_centre(morphed(assets, recipe))
    if rng.random() < 0.5:
        recipe |= expression_recipe("mouth-corner-puller", float(rng.uniform(0.2, 0.7)))
    base = morphed(assets, recipe)

    def place(vertices: NDArray) -> NDArray[np.float32]:
        return to_world(vertices, centre, builder.reference)

    mesh = assets.base
    middle = mesh.vertices[mesh.faces].mean(1)
    kept = (mesh.groups == "body") & (middle[:, 1] > LOWEST) & (np.abs(middle[:, 0]) < WIDEST)
    corner_uv = mesh.uv[_triangles(mesh.faces_uv[kept])]
    faces = _triangles(mesh.faces[kept]).astype(np.int32)
    on_head = (corner_uv[..., 0].min(1) > 0.638) & (corner_uv[..., 1].min(1) > 0.145)
    skin = assets.skins[int(rng.integers(len(assets.skins)))]
    sheet, head = read_rgba(skin), read_rgba(skin.with_name(f"{skin.stem}_head.jpg"))
    left, top, width, height = HEAD_WINDOW
    in_window = np.stack(
        [(corner_uv[..., 0] - left) / width, 1 - ((1 - corner_uv[..., 1]) - top) / height], -1
    ).astype(np.float32)
    world = place(base)
    hair_colour = np.array(
        [(0.08, 0.06, 0.05), (0.22, 0.14, 0.09), (0.42, 0.28, 0.17), (0.62, 0.48, 0.30)][int(rng.integers(4))]
    )
    irises = sorted((assets.root / "eyes" / "materials").glob("*_eye.png"))
    iris = read_rgba(irises[int(rng.integers(len(irises)))])
    teeth = read_rgba(assets.root / "teeth" / "materials" / "teeth.png")
    brows, styles = (
        assets.names("eyebrows"),
        [n for n in assets.names("hair") if assets.proxy(n).texture_path],
    )
    parts = [
        Part(world, faces[on_head], in_window[on_head], head),
        Part(world, faces[~on_head], corner_uv[~on_head], sheet),
        _proxy_part(builder.proxies[0], base, place, iris),
        _proxy_part(builder.proxies[1], base, place, teeth),
        _proxy_part(builder.proxies[2], base, place),
        _proxy_part(assets.proxy(brows[int(rng.integers(len(brows)))]), base, place, tint=hair_colour * 0.8),
        _proxy_part(assets.proxy(styles[int(rng.integers(len(styles)))]), base, place, tint=hair_colour),
    ]
    light = np.array([rng.uniform(-0.6, 0.6), rng.uniform(0.0, 0.6), 1.0])
    return TruthHead(
        tuple(parts), (light / np.linalg.norm(light)).astype(np.float32), float(rng.uniform(0.45, 0.7))
    )


def draw_truth(head: TruthHead, camera: Camera, size: int) -> Rendering:
    """The truth through a camera, four samples a pixel, with soft Lambert light."""
    full = 2 * size
    vertices, faces, owner, base = [], [], [], 0
    for index, part in enumerate(head.parts):
        vertices.append(part.vertices)
        faces.append(part.faces + base)
        owner.append(np.full(len(part.faces), index))
        base += len(part.vertices)
    vertices, faces, owner = np.concatenate(vertices), np.concatenate(faces), np.concatenate(owner)
    fragments = rasterise(vertices, faces, camera, full)
    normals = interpolate(fragments, faces, vertex_normals(vertices, faces))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    towards = -np.sign(normals @ camera.cam2world[:3, 2])[..., None]
    shade = head.ambient + (1 - head.ambient) * 1.2 * np.clip((normals * towards) @ head.light, 0, 1)
    rgb = np.zeros((full, full, 3), np.float32)
    starts = np.cumsum([0, *(len(part.faces) for part in head.parts)])
    for index, part in enumerate(head.parts):
        y, x = np.nonzero(fragments.hit & (owner[np.maximum(fragments.face, 0)] == index))
        if not len(y):
            continue
        face = fragments.face[y, x] - starts[index]
        b, c = fragments.weights[y, x].T
        weights = np.stack([1 - b - c, b, c], 1)[..., None]
        uv = (part.corner_uv[face] * weights).sum(1)
        height, width = part.texture.shape[:2]
        column = np.clip(uv[:, 0] * width, 0, width - 1).astype(int)
        row = np.clip((1 - uv[:, 1]) * height, 0, height - 1).astype(int)
        rgb[y, x] = part.texture[row, column, :3] / np.float32(255) * shade[y, x, None]
    hit = fragments.hit.astype(np.float32)
    shape = (size, size)
    opacity = cv2.resize(hit, shape, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA) / np.maximum(opacity, 1e-4)[..., None]
    depth = cv2.resize(np.where(fragments.hit, fragments.depth, 0), shape, interpolation=cv2.INTER_AREA)
    return Rendering(np.clip(colour, 0, 1), depth / np.maximum(opacity, 1e-4), opacity)


def measure_held_out(
    assets: HeadAssets, model: FaceModel, heads: int = 12, size: int = 256
) -> Task[HeldOutReport]:
    """Invert rendered pictures of held-out heads and compare with the truth from the front and turned by 30°.

    Turns are taken about the same point behind the face in both worlds, so that neither absolute scale nor an absolute
    frontal direction, which one picture does not fix, counts as an error.
    """
    builder = TemplateBuilder(assets)
    figures, refused = [], 0
    for index in range(heads):
        yield Progress(index, heads, "held-out heads")
        rng = np.random.default_rng(HELD_OUT_SEED + index)
        head = truth_head(assets, builder, HELD_OUT_SEED + index)
        camera = Camera.orbit(float(rng.uniform(-0.25, 0.25)), float(rng.uniform(-0.1, 0.15)))
        photo = draw_truth(head, camera, 512)
        background = rng.uniform(0.3, 0.8, 3)
        try:
            portrait = pipeline.open_portrait(encode(to_uint8(photo.over(background))), f"held-out {index}")
            inversion = yield from model.invert(portrait)
        except BadInput:
            refused += 1
            continue
        figures.append(compared_with_truth(head, camera, inversion, model, size))
    if not figures:
        raise BadInput("No face was found on any held-out head.", "Look at the assets' textures.")
    mean = np.array(figures).mean(0)
    return HeldOutReport(heads, refused, *(float(x) for x in mean))


def held_out_table(report: HeldOutReport) -> str:
    """The report as a markdown section."""
    rows = [
        (
            "PSNR in the head's mask, turned by 30°",
            "≥ 22 dB",
            f"{report.psnr_turned:.1f} dB",
            report.psnr_turned >= 22,
        ),
        (
            "depth error in the face, of head height",
            "≤ 2 %",
            f"{100 * report.depth_error:.1f} %",
            report.depth_error <= 0.02,
        ),
        ("PSNR in the head's mask, front", "", f"{report.psnr_front:.1f} dB", None),
        ("silhouette IoU, turned by 30°", "", f"{report.iou_turned:.3f}", None),
    ]
    lines = [
        "",
        "## Held-out synthetic heads",
        "",
        f"{report.heads} heads straight from the assets, inverted from one rendered picture each;",
        f"{report.refused} showed the detector no face.",
        "",
        "| figure | goal | mean | met |",
        "| --- | --- | --- | --- |",
    ]
    met = {True: "yes", False: "**no**", None: ""}
    lines += [f"| {name} | {goal} | {value} | {met[ok]} |" for name, goal, value, ok in rows]
    return "\n".join([*lines, ""])


def cropped(camera: Camera, inversion: Inversion, size: int = 512) -> Camera:
    """The truth's camera with intrinsics of the inversion's crop of its (size, size) photo."""
    to_photo = np.eye(3)
    to_photo[:2] = inversion.portrait.crop_to_photo
    crop_size = len(inversion.portrait.image)
    scale = np.diag([1 / size, 1 / size, 1]) @ to_photo @ np.diag([crop_size, crop_size, 1])
    return Camera(camera.cam2world, (np.linalg.inv(scale) @ camera.intrinsics).astype(np.float32))


def _reach(camera: Camera) -> float:
    """Depth of the world's origin, the same place in every head."""
    return float(-camera.position @ camera.cam2world[:3, 2])


def _about(camera: Camera, turn: float, depth: float) -> Camera:
    """The camera carried round the point in the picture's middle at ``depth``."""
    ray = camera.cam2world[:3, :3] @ np.linalg.inv(camera.intrinsics) @ np.array([0.5, 0.5, 1.0])
    return camera.turned(np.radians(turn), 0.0, camera.position + depth * ray)


def compared_with_truth(head: TruthHead, camera: Camera, inversion: Inversion, model: FaceModel, size: int):
    """PSNR turned by TURNS and in front in dB, depth error (share of head height), IoU turned, of one inverted head."""
    found = pipeline.edit(inversion, {}, model)
    seen, true = inversion.portrait.camera, cropped(camera, inversion)
    front, truth = pipeline.view(found, seen, size, 2), draw_truth(head, true, size)
    face = face_mask(inversion.portrait.landmarks, size) > 0.5
    both = face & (front.depth > 0) & (truth.opacity > 0.99) & (front.opacity > 0.99)
    guess_depth, true_depth = front.depth[both], truth.depth[both]
    # A picture shows no scale: a larger head farther off, or through a longer lens, looks the same.
    near, true_near = float(np.median(guess_depth)), float(np.median(true_depth))
    scale = (near / seen.intrinsics[0, 0]) / (true_near / true.intrinsics[0, 0])
    pivot = near + scale * (_reach(true) - true_near)
    turned, overlap = [], []
    for turn in TURNS:
        there = draw_truth(head, _about(true, turn, _reach(true)), size)
        guess = pipeline.view(found, _about(seen, turn, pivot), size, 2)
        turned.append(psnr(guess.over(), there.over(), (there.opacity > 0.5).astype(np.float32)))
        overlap.append(iou(guess.opacity, there.opacity))
    error = guess_depth / scale - true_depth
    mask = (truth.opacity > 0.5).astype(np.float32)
    return (
        np.mean(turned),
        psnr(front.over(), truth.over(), mask),
        np.abs(error - np.median(error)).mean() / HEAD_HEIGHT,
        np.mean(overlap),
    )
