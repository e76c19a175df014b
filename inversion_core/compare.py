"""Inversion methods side by side on the same photos: distortion, editability, other views, time and memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core import metrics, pipeline
from inversion_core.edit import Inversion
from inversion_core.errors import BadInput
from inversion_core.image import to_float, to_signed, to_uint8
from inversion_core.latent import Latent
from inversion_core.likeness import TURNS, face_texture_likeness
from inversion_core.model import FaceModel, ModelCard
from inversion_core.optimise.coded import Coded
from inversion_core.optimise.methods import method_named
from inversion_core.optimise.point import Point
from inversion_core.optimise.problem import Guess, InversionProblem, Method, Target
from inversion_core.optimise.solve import Solution, solve
from inversion_core.portrait import Portrait
from inversion_core.rendering import Rendering
from inversion_core.task import Progress, Task, one_of

FACET = "facet"
"""The bundled path's name in the table: encoder, fit and fusion."""
SIZE = 256
"""Side at which pictures are compared."""
FOUND_SIZE = 512
"""Side at which faces are looked for."""


@dataclass(frozen=True)
class MethodFigures:
    """What one method reached on one photo; NaN where it does not apply.

    Attributes:
        psnr, ssim: of the front in the face, at 256².
        landmarks: found again in front, mean error in inter-ocular distances; infinite without a face.
        novel: mean likeness of the face's texture at TURNS with the photo's (no recognition network).
        distance: of the codes from the generator's distribution; 1 for its own heads.
        edit: cosine of what the generator's edits do here and to the generator's own heads.
        round_trip: edited, inverted again and edited back, how far the codes are from the first, in deviations of w.
        seconds: of the inversion, on the clock; processor: of it, of all cores together, which other work on the
            machine does not stretch; megabytes: resident memory above the start, highest of the samples.
        turned_psnr, depth: against the truth at ±30°, where there is one: dB, and share of the head's height.
        turned_novel: mean likeness of the face's texture to the truth's own at TURNS.
    """

    method: str
    photo: str
    psnr: float
    ssim: float
    landmarks: float
    novel: float
    distance: float
    edit: float
    seconds: float
    megabytes: float
    processor: float = float("nan")
    round_trip: float = float("nan")
    turned_psnr: float = float("nan")
    depth: float = float("nan")
    turned_novel: float = float("nan")


@dataclass(frozen=True)
class Pictures:
    """What the sheet shows of a method: front and both turned views, (SIZE, SIZE, 3) uint8."""

    front: NDArray[np.uint8]
    turned: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class Comparison:
    """All figures, and the pictures by (photo, method); the photos themselves under the method "photo"."""

    figures: tuple[MethodFigures, ...]
    pictures: Mapping[tuple[str, str], Pictures] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON, where what is not finite is null."""
        rows = [
            {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in asdict(row).items()}
            for row in self.figures
        ]
        return {"figures": rows}


class FoundModel:
    """A model whose inversion is already done, for measurements that edit and view."""

    card = ModelCard("found", "Found", "found", "", ())

    def edit(self, inversion: Inversion, moves: Mapping[str, float]) -> Any:
        """The head that was found; there are no sliders."""
        return inversion.detail


def portrait_target(portrait: Portrait, generator: Coded) -> Target:
    """The portrait as descents see it: over white, the face counting most, clothes nothing."""
    size = generator.size
    person = portrait.person[..., None]
    picture = to_float(portrait.image) * person + (1 - person)
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    oval = metrics.face_mask(portrait.landmarks, size)
    reach = max(3, size // 24) | 1
    face = cv2.GaussianBlur(cv2.dilate(oval, np.ones((reach, reach), np.uint8)), (0, 0), reach / 3)
    chin = float(portrait.landmarks[152, 1])
    rows = (np.arange(size) + 0.5)[:, None] / size
    inside = cv2.resize(portrait.person, (size, size), interpolation=cv2.INTER_AREA)
    # Generators of heads know no collars.
    other = 0.25 * np.where(rows > chin, 1 - inside, 1.0)
    weight = np.maximum(face, other).astype(np.float32)
    label = torch.from_numpy(generator.camera(portrait).label())[None]
    tensors = torch.from_numpy(to_signed(to_uint8(small)))[None], torch.from_numpy(weight)[None, None]
    return Target(*(x.to(generator.device) for x in tensors), label.to(generator.device))


def compare_photos(
    portraits: list[Portrait],
    names: tuple[str, ...],
    generator: Coded,
    encoders: Mapping[str, Guess],
    bundled: FaceModel,
    speed: float = 1.0,
    truth: Callable[[int, Inversion, Any], tuple[float, float, float]] | None = None,
    round_trip: bool = False,
) -> Task[Comparison]:
    """Every method on every portrait.

    Args:
        names: methods, :data:`FACET` for the bundled path; encoders: by name, as methods ask for them.
        speed: descents take this many times fewer steps.
        round_trip: also edit every head, invert the edited picture and edit back, which takes every method twice.
        truth: index of the portrait, inversion and model -> PSNR turned, depth error and turned likeness, where a
            truth is known.

    Raises:
        UsageError: a name is not a method's; BadInput: an encoder is missing.
    """
    methods = {name: None if name == FACET else method_named(name) for name in names}
    for method in methods.values():
        if method is not None and method.encoder and method.encoder not in encoders:
            raise BadInput(
                f"The method {method.name!r} needs the encoder {method.encoder!r}.",
                f"Train it: facet train encoder --method {method.encoder}.",
            )
    figures, pictures = [], {}
    total = len(portraits) * len(names)
    for index, portrait in enumerate(portraits):
        photo = cv2.resize(portrait.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        pictures[portrait.name, "photo"] = Pictures(photo, ())
        target = portrait_target(portrait, generator)
        camera = generator.camera(portrait)
        effects = _own_effects(generator, target.label)
        for number, name in enumerate(names):
            done = index * len(names) + number
            yield Progress(done, total, f"{portrait.name}: {name}")
            watch, again = _Cost(), float("nan")
            with watch:
                if name == FACET:
                    inversion = yield from one_of(bundled.invert(portrait), done, total)
                    model, distance, edit = bundled, float("nan"), float("nan")
                else:
                    method = methods[name]
                    problem = InversionProblem(generator, target, encoders.get(method.encoder))
                    started = time.perf_counter()
                    solution = yield from one_of(solve(problem, method, speed=speed), done, total)
                    head = generator.head(solution.point, solution.resolution)
                    seconds = time.perf_counter() - started
            if name != FACET:
                found = replace(portrait, camera=camera)
                latent = Latent(generator.ws(solution.point)[0].detach().cpu().numpy(), "w+", "compared")
                inversion = Inversion(found, latent, head, {}, name, seconds)
                model = FoundModel()
                distance = _distance(generator, solution.point)
                edit = _agreement(generator, solution, target.label, effects)
                if round_trip:
                    again = yield from one_of(_edited_back(problem, method, solution, speed), done, total)
            row, shown = _measured(name, inversion, model, portrait, distance, edit, watch.megabytes)
            row = replace(row, round_trip=again, processor=watch.processor)
            if truth is not None:
                turned, depth, alike = truth(index, inversion, model)
                row = replace(row, turned_psnr=turned, depth=depth, turned_novel=alike)
            figures.append(row)
            pictures[portrait.name, name] = shown
    return Comparison(tuple(figures), pictures)


def _measured(
    name: str,
    inversion: Inversion,
    model: Any,
    portrait: Portrait,
    distance: float,
    edit: float,
    memory: float,
) -> tuple[MethodFigures, Pictures]:
    head = pipeline.edit(inversion, {}, model)
    camera = inversion.portrait.camera
    large = pipeline.view(head, camera, FOUND_SIZE)
    photo = cv2.resize(to_float(portrait.image), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    front = cv2.resize(large.over(), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    mask = metrics.face_mask(portrait.landmarks, SIZE)
    again = metrics.redetected_landmarks(large)
    missed = float("inf") if again is None else metrics.landmark_error(again, portrait.landmarks)
    likeness, turned = [], []
    for turn in TURNS:
        view = pipeline.view(head, camera.turned(np.radians(turn), 0.0), FOUND_SIZE)
        points = metrics.redetected_landmarks(view)
        # A view without a face is not like the photo at all.
        value = 0.0
        if points is not None:
            value = face_texture_likeness(view.over(), points, portrait.image, portrait.landmarks)
        likeness.append(value)
        turned.append(to_uint8(cv2.resize(view.over((1, 1, 1)), (SIZE, SIZE), interpolation=cv2.INTER_AREA)))
    row = MethodFigures(
        name,
        portrait.name,
        metrics.psnr(front, photo, mask),
        metrics.ssim(front, photo, mask),
        missed,
        float(np.mean(likeness)),
        distance,
        edit,
        inversion.seconds,
        memory,
    )
    return row, Pictures(to_uint8(_over_white(large)), tuple(turned))


def _over_white(rendering: Rendering) -> NDArray[np.float32]:
    """(SIZE, SIZE, 3) in [0, 1]."""
    return cv2.resize(rendering.over((1, 1, 1)), (SIZE, SIZE), interpolation=cv2.INTER_AREA)


@torch.no_grad()
def _distance(generator: Coded, point: Point) -> float:
    statistics = generator.statistics
    return float(((generator.ws(point) - statistics.mean) @ statistics.whitener).square().mean().sqrt())


@dataclass(frozen=True)
class _Effects:
    directions: Tensor
    pictures: Tensor


@torch.no_grad()
def _own_effects(generator: Coded, label: Tensor, heads: int = 5) -> _Effects:
    """What the generator's edits do to its own heads, on average, through this camera."""
    draws = torch.Generator().manual_seed(12)
    w = generator.mapped(torch.randn(heads, generator.z_dim, generator=draws).to(generator.device))
    directions = generator.directions()
    effects = []
    for direction in directions:
        moved = [
            generator.picture(Point(ws=w[i : i + 1] + direction), label)
            - generator.picture(Point(ws=w[i : i + 1]), label)
            for i in range(heads)
        ]
        effects.append(torch.cat(moved).mean(0))
    return _Effects(directions, torch.stack(effects))


@torch.no_grad()
def _agreement(generator: Coded, solution: Solution, label: Tensor, effects: _Effects) -> float:
    """Mean cosine of the effects on this head with those on the generator's own heads."""
    point, split = solution.point, solution.resolution
    if point.camera is not None:
        point = replace(point, camera=None)
    before = generator.picture(point, label, split)
    values = []
    for direction, wanted in zip(effects.directions, effects.pictures, strict=True):
        if point.codes is not None:
            moved = replace(point, codes=point.codes + direction)
        else:
            moved = replace(point, z=None, ws=generator.ws(point) + direction)
        change = generator.picture(moved, label, split) - before
        values.append(F.cosine_similarity(change.flatten(), wanted.flatten(), dim=0))
    return float(torch.stack(values).mean())


def _edited_back(problem: InversionProblem, method: Method, solution: Solution, speed: float) -> Task[float]:
    """How far the codes are from the first after an edit, an inversion of what it shows, and the edit undone.

    Source: the latent editing consistency of Tov et al. 2021 and Wang et al. 2022 ("GAN inversion: a survey", LEC).
    """
    generator, target, point = problem.generator, problem.target, solution.point
    if point.codes is not None:
        return float("nan")
    direction = generator.directions()[0]
    before = generator.ws(point).detach()
    with torch.no_grad():
        moved = replace(point, z=None, ws=before + direction, camera=None)
        picture = generator.picture(moved, target.label, solution.resolution)
    seen = replace(target, picture=picture)
    again = yield from solve(replace(problem, target=seen), method, speed=speed)
    back = generator.ws(again.point).detach() - direction
    return float((back - before).square().sum(2).mean().sqrt() / generator.statistics.deviation)


class _Cost:
    """Processor seconds, and resident memory above the start in megabytes, sampled every 50 ms; NaN where unknown."""

    def __init__(self) -> None:
        self.megabytes = self.processor = float("nan")

    def __enter__(self) -> _Cost:
        self._stop, self._start = threading.Event(), _resident()
        self._most, self._began = self._start, time.process_time()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def _sample(self) -> None:
        while not self._stop.wait(0.05):
            self._most = max(self._most, _resident())

    def __exit__(self, *error: object) -> None:
        self.processor = time.process_time() - self._began
        self._stop.set()
        self._thread.join()
        if self._start > 0:
            self.megabytes = max(self._most, _resident()) - self._start


def _resident() -> float:
    status = Path("/proc/self/statm")
    if not status.is_file():
        return 0.0
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
