"""A fast engine with the real records, and the window around it."""

from __future__ import annotations

import gc
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest

from inversion_core.batch import BatchEntry, BatchReport
from inversion_core.camera import Camera
from inversion_core.edit import Blend, Inversion, Slider
from inversion_core.errors import MissingResource, NoFace, ProjectUnreadable
from inversion_core.image import write_atomic
from inversion_core.latent import Latent
from inversion_core.mesh import Mesh
from inversion_core.model import checked_encoder
from inversion_core.portrait import FacePoints, Portrait, Square
from inversion_core.rendering import Rendering
from inversion_core.task import Progress

SLIDERS = (
    Slider("smile", "Smile", "expression", "Lifts the corners of the mouth.", 0, 1),
    Slider("blink", "Blink", "expression", "Closes the eyes.", 0, 1),
    Slider("jaw_width", "Jaw width", "shape", "Widens the jaw.", -1, 1),
    Slider("age", "Age", "character", "Ages skin and shape.", -1, 1),
)


class BallEngine:
    """Draws a ball whose red is ``smile`` and whose radius follows ``jaw_width``; remembers what was asked of it."""

    def __init__(self) -> None:
        self.edits: list[dict[str, float]] = []
        self.views: list[tuple[Camera, int]] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.edit_seconds = 0.0
        self.fit_steps = 3
        self.refuse: Exception | None = None
        self.card = SimpleNamespace(
            name="balls", kind="heads", sliders=SLIDERS, title="Balls", licence="free"
        )
        self.known_models = [("balls", "Balls", Path("balls"))]
        self.roles: dict[str, str] = {}
        self.mesh_options: list = []
        self.strokes: list = []
        self.previews: list = []
        self.grips: list = []
        self.paints: list = []
        self.by_hand = False

    def load_model(self, path=None):
        if path is not None and path.name == "gone":
            raise MissingResource("There is no model in gone.", "Add it again.")
        if path is None or path.name == "balls":
            return SimpleNamespace(card=self.card, device="cpu")
        card = SimpleNamespace(
            name=path.name, kind="other", sliders=SLIDERS[:1], title=path.name.title(), licence="own"
        )
        return SimpleNamespace(card=card, device="cpu")

    def open_portrait(self, source, name="", face=None):
        self.threads.add(threading.current_thread().name)
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        if b"no face" in content:
            raise NoFace("No face was found.", "Choose a photo that shows one.")
        landmarks = np.random.default_rng(0).uniform(0.2, 0.8, (478, 3)).astype(np.float32)
        return Portrait(
            np.full((512, 512, 3), 90, np.uint8),
            Camera.orbit(0.1, 0.05),
            landmarks,
            np.ones((512, 512), np.float32),
            content,
            name or Path(source).name,
            face or 0,
            np.eye(2, 3, dtype=np.float32),
        )

    def faces(self, source, name=""):
        return ((0.1, 0.1, 0.5, 0.5), (0.6, 0.1, 0.9, 0.5))

    def picture(self, source, name=""):
        from app.engine_protocol import Picture

        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        rows, columns = np.mgrid[:300, :400]
        photo = np.stack([columns % 256, rows % 256, rows * 0], 2).astype(np.uint8)
        return Picture(content, name or Path(source).name, photo, (600, 800))

    def takes_by_hand(self, model):
        return self.by_hand

    def checked_encoder(self, model):
        checked_encoder(model)

    def marks_of(self, portrait):
        if isinstance(portrait.marks, FacePoints):
            return Square((400, 300), 200), portrait.marks
        points = FacePoints(((350, 280), (450, 280), (400, 330), (370, 370), (430, 370)))
        return portrait.marks or Square((400, 300), 200), points

    def hand_preview(self, picture, marks, size):
        from inversion_core.manual_alignment import hand_preview

        return hand_preview(picture.photo, picture.full, marks, size, picture.name)

    def portrait_by_hand(self, source, marks, name):
        portrait = self.open_portrait(b"", name)
        return replace(portrait, landmarks=portrait.landmarks * np.nan, marks=marks, source=source)

    def corrected(self, portrait, landmarks):
        return replace(portrait, landmarks=landmarks)

    def invert(self, portrait, model, others=()):
        for i in range(self.fit_steps):
            yield Progress(i, self.fit_steps, "fitting")
            self.gate.wait(5)
            time.sleep(0.001)
        if self.refuse is not None:
            raise self.refuse
        latent = Latent(np.zeros(3, np.float32), "blocks", "balls")
        return Inversion(portrait, latent, None, {"iou": 0.95}, "fake", 0.1, tuple(others))

    def edit(self, inversion, moves, model):
        self.threads.add(threading.current_thread().name)
        time.sleep(self.edit_seconds)
        self.edits.append(dict(moves))
        return dict(moves)

    def view(self, head, camera, size, samples=1):
        self.views.append((camera, size))
        origins, directions = camera.rays(size)
        radius = 0.25 * (1 + 0.2 * head.get("jaw_width", 0))
        along = -(origins * directions).sum(1)
        nearest = (origins**2).sum(1) - along**2
        hit = nearest < radius**2
        depth = np.where(hit, along - np.sqrt(np.maximum(radius**2 - nearest, 0)), 0)
        normals = np.where(hit[:, None], (origins + depth[:, None] * directions) / radius, 0)
        rgb = np.broadcast_to(np.array([head.get("smile", 0.0), 0.5, 0.5]), (size * size, 3))
        square = (size, size)
        return Rendering(
            rgb.reshape(*square, 3).astype(np.float32),
            depth.reshape(square).astype(np.float32),
            hit.reshape(square).astype(np.float32),
            normals.reshape(*square, 3).astype(np.float32),
        )

    def export_mesh(self, head, path, options):
        yield Progress(0, 1, "meshing")
        self.gate.wait(5)
        self.mesh_options.append(options)
        vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
        write_atomic(path, f"{len(vertices)} vertices".encode())
        return Mesh(vertices, np.array([[0, 1, 2]], np.int32))

    def relit(self, rendering, inversion, light):
        return replace(rendering, rgb=rendering.rgb * np.float32(0.5))

    def wired(self, rendering, head, camera, size):
        return replace(rendering, rgb=np.ones_like(rendering.rgb))

    def save_sheet(self, head, inversion, path):
        yield Progress(0, 1, "drawing")
        write_atomic(path, b"sheet")
        return path

    def run_batch(self, folder, out, model, options):
        yield Progress(0, 2, "1/2")
        out.mkdir(exist_ok=True)
        write_atomic(out / "report.html", b"report")
        entries = (
            BatchEntry("a.jpg", "a", "done"),
            BatchEntry("b.jpg", "b", "failed", "No face was found.", "Choose another."),
        )
        return BatchReport(entries, out)

    def blend(self, first, other, strengths, model):
        base = first.blend.first if first.blend else first
        return replace(base, blend=Blend(base, other, *strengths))

    def brushed(self, inversion, moves, stroke, model):
        self.strokes.append(stroke)
        return replace(inversion, keep=np.ones(3, np.float32))

    def is_grey(self, portrait, model):
        return b"grey" in portrait.source

    def restoration_preview(self, inversion, restoration, model):
        self.previews.append(restoration)
        return np.full((512, 512, 3), 120, np.uint8)

    def scratches(self, inversion):
        found = np.zeros((512, 512), bool)
        found[100:102, 50:200] = True
        return found

    def restored(self, portrait, restoration, model):
        yield Progress(0, 1, "restoring")
        self.gate.wait(5)
        return replace(portrait, image=portrait.image + 1, restoration=restoration)

    def refined(self, inversion, model, enough):
        for step in range(400):
            yield Progress(step, 400, "descending", np.full((8, 8, 3), 90, np.uint8))
            time.sleep(0.002)
            if enough():
                break
        return replace(inversion, method="refine", seconds=float(step))

    def gripped(self, inversion, moves, pull, model):
        self.grips.append(pull)
        return None if pull.start[0] < 0.2 else (inversion, pull)

    def pulled(self, grip, end, model):
        self.gate.wait(5)
        return replace(grip[0], scores={"pulled": end[0] - grip[1].start[0]})

    def led(self, inversion, moves, pull, end, model, enough):
        for step in range(400):
            yield Progress(step, 400, "descending", np.full((8, 8, 3), 90, np.uint8))
            time.sleep(0.002)
            if enough():
                break
        return replace(inversion, scores={"led": end[0] - pull.start[0]}, seconds=float(step))

    def painted(self, inversion, moves, paint, model, enough):
        yield Progress(0, 0, "painting")
        self.gate.wait(5)
        self.paints.append(paint)
        painted = (*(inversion.colours if inversion.colours is not None else ()), paint.colour[0])
        return None if paint.places[0][0] < 0.2 else replace(inversion, colours=np.array(painted))

    def models(self):
        return list(self.known_models)

    def project_model(self, path):
        return self.card.name if path.suffix == ".facet" else ""

    def identified(self, files, known):
        from inversion_core.checkpoints.companions import Parts

        found = dict(known.files) if known else {}
        return Parts({**found, **{self.roles[path.name]: path for path in files}})

    def install_parts(self, parts, name):
        self.known_models.append((name, name.title(), Path(name)))
        return Path(name)

    def turntable_camera(self, inversion, yaw, pitch):
        return Camera.orbit(yaw, pitch)

    def save_project(self, inversion, moves, camera, path, model, snapshots):
        content = {"moves": dict(moves), "camera": [float(x) for x in camera.label()]}
        content["snapshots"] = {name: dict(moves) for name, moves in snapshots.items()}
        write_atomic(path, json.dumps(content).encode())

    def load_project(self, path, model):
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise ProjectUnreadable(f"{path.name} is damaged.", "Open the photo again.") from error
        portrait = self.open_portrait(b"kept", "kept.png")
        latent = Latent(np.zeros(3, np.float32), "blocks", "balls")
        inversion = Inversion(portrait, latent, None, {}, "project", 0.0)
        camera = Camera.from_label(content["camera"])
        return inversion, content["moves"], camera, content.get("snapshots", {})

    def save_turntable(self, head, path, inversion, seconds, fps):
        yield Progress(0, 1, "turning")
        write_atomic(path, b"film")
        return path

    def sample(self, name):
        return b"sample", f"{name}.png"


@pytest.fixture(autouse=True)
def collected_here():
    """Garbage is collected in this thread alone, as in the program: a lane must not destroy widgets."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture
def engine() -> BallEngine:
    return BallEngine()


@pytest.fixture
def settings(qapp, tmp_path):
    from app.settings import Settings

    made = Settings(tmp_path / "state" / "settings.ini")
    made.set_value("autosave_seconds", 0)
    return made


@pytest.fixture
def window(qtbot, engine, settings):
    from app.window import MainWindow

    window = MainWindow(engine, settings)
    window.resize(900, 640)
    window.show()
    yield window
    engine.gate.set()
    window.session.open_nothing()
    window.close()


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "someone.jpg"
    path.write_bytes(b"a face")
    return path


@pytest.fixture
def opened(qtbot, window, photo):
    """The window with a portrait open and drawn."""
    window.open(str(photo))
    qtbot.waitUntil(lambda: window.viewport.frame is not None and window.viewport.frame.final, timeout=10000)
    return window
