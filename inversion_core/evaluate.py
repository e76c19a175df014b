"""How good the model is on real photos: faces found again on renderings; the model itself is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from inversion_core import metrics, pipeline
from inversion_core.alignment import open_portrait
from inversion_core.border import made_up
from inversion_core.edit import Inversion
from inversion_core.errors import BadInput
from inversion_core.image import to_float
from inversion_core.metrics import FaceMeasures
from inversion_core.portrait import CROP_SIZE
from inversion_core.task import Progress, Task, one_of

YAWS = (-45, -30, -15, 0, 15, 30, 45)
"""Degrees from the head's front at which the face must still be found."""
PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
PICTURE_SIZE = 256
"""Side at which pictures are compared."""
STILL = 0.03
"""How far, in inter-ocular distances or relative to a longer measure, what a slider leaves alone may move."""
NOISE = 0.006
"""A step back of this size is MediaPipe's jitter, not a slider that turns round."""


@dataclass(frozen=True)
class EditProbe:
    """One slider, what it must do, and what it must leave alone.

    Attributes:
        slider: its name.
        strengths: values tried, rising; the last against the first is the full effect.
        measure: the :class:`FaceMeasures` attribute that must follow.
        goal: least full effect; negative for a measure that must fall.
        kind: the effect is a "change" in inter-ocular distances, a "ratio" (last / first - 1), or the share
            that "remains" (last / first, which must be at most ``goal``).
        alone: measures that must stay.
    """

    slider: str
    strengths: tuple[float, ...]
    measure: str
    goal: float
    kind: str
    alone: tuple[str, ...]


_UPPER = ("brow_height", "eye_opening", "eye_width")
_EXPRESSION = (0.0, 0.25, 0.5, 0.75, 1.0)
_SHAPE = (-1.0, -0.5, 0.0, 0.5, 1.0)
PROBES = (
    EditProbe(
        "smile", _EXPRESSION, "corner_lift", 0.06, "change", ("brow_height", "eye_width", "nose_length")
    ),
    EditProbe(
        "smile", _EXPRESSION, "mouth_width", 0.05, "ratio", ("brow_height", "eye_width", "nose_length")
    ),
    EditProbe(
        "blink",
        _EXPRESSION,
        "eye_opening",
        0.25,
        "remains",
        ("mouth_width", "corner_lift", "lip_opening", "nose_width", "nose_length", "jaw_width"),
    ),
    EditProbe("mouth_open", _EXPRESSION, "lip_opening", 0.2, "change", (*_UPPER, "nose_width")),
    EditProbe(
        "jaw_width", _SHAPE, "jaw_width", 0.08, "ratio", (*_UPPER, "nose_width", "mouth_width", "lip_opening")
    ),
    EditProbe(
        "nose_width",
        _SHAPE,
        "nose_width",
        0.08,
        "ratio",
        (*_UPPER, "mouth_width", "corner_lift", "lip_opening", "jaw_width"),
    ),
)
"""What the sliders promise. Strengths in the sliders' own units."""


@dataclass(frozen=True)
class EditResponse:
    """What a slider did to one head.

    Attributes:
        slider, measure, goal, kind: as in :class:`EditProbe`.
        strengths: where the face was found again; values: the measure there.
        effect: the full effect in the probe's kind; NaN when the face was lost at either end.
        monotone: the measure never steps back by more than MediaPipe's jitter.
        leakage: largest movement of what should stay, and ``leaked``: which measure that was.
    """

    slider: str
    measure: str
    goal: float
    kind: str
    strengths: tuple[float, ...]
    values: tuple[float, ...]
    effect: float
    monotone: bool
    leakage: float
    leaked: str

    @property
    def reached(self) -> bool:
        """Whether the full effect meets the goal."""
        return self.effect <= self.goal if self.kind == "remains" else self.effect >= self.goal


@dataclass(frozen=True)
class PhotoReport:
    """The figures of one photo.

    Attributes:
        name: of the photo.
        seconds: the inversion took.
        landmarks: mean error of the points found again in front, in inter-ocular distances; infinite if none,
            NaN for a photo aligned by hand, of which no points are known.
        iou: of the front rendering's silhouette with the person mask, over the whole crop.
        psnr, ssim: front against the photo inside the face at 256².
        yaws: degrees at which the face was found; ``lost``: where it was not.
        edits: one response a probe.
        failure: why the photo could not be inverted; empty when it could.
    """

    name: str
    seconds: float = float("nan")
    landmarks: float = float("inf")
    iou: float = 0.0
    psnr: float = 0.0
    ssim: float = 0.0
    yaws: tuple[float, ...] = ()
    lost: tuple[float, ...] = ()
    edits: tuple[EditResponse, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Report:
    """The figures of a folder of photos."""

    photos: tuple[PhotoReport, ...]

    @property
    def inverted(self) -> tuple[PhotoReport, ...]:
        """The photos that could be inverted."""
        return tuple(photo for photo in self.photos if not photo.failure)

    def as_record(self) -> dict:
        """Plain values for JSON, where what is not finite is null."""
        return _plain(asdict(self))


def evaluate_photo(inversion: Inversion, model, name: str = "") -> Task[PhotoReport]:
    """The figures of one inverted photo.

    Source: the figures and their goals are those of ``docs/quality.md``.
    """
    portrait = inversion.portrait
    name = name or portrait.name
    total = 2 + len(YAWS) + sum(len(strengths) - (0.0 in strengths) for _, strengths in _runs(model))
    yield Progress(0, total, f"{name}: front")
    head = pipeline.edit(inversion, {}, model)
    front = pipeline.view(head, portrait.camera, CROP_SIZE)
    found = metrics.redetected_landmarks(front)
    size = (PICTURE_SIZE, PICTURE_SIZE)
    shown = cv2.resize(front.over(), size, interpolation=cv2.INTER_AREA)
    photo = cv2.resize(to_float(portrait.image), size, interpolation=cv2.INTER_AREA)
    known = bool(np.isfinite(portrait.landmarks).all())
    # Of a photo aligned by hand nothing is known of where the face ends.
    face = metrics.face_mask(portrait.landmarks, PICTURE_SIZE) if known else np.ones(size, np.float32)
    missed = float("inf") if known else float("nan")
    done = 1
    seen, lost = [], []
    for yaw in YAWS:
        yield Progress(done, total, f"{name}: {yaw}°")
        camera = pipeline.turntable_camera(inversion, np.radians(yaw), 0.0)
        rendering = pipeline.view(head, camera, CROP_SIZE)
        (lost if metrics.redetected_landmarks(rendering) is None else seen).append(float(yaw))
        done += 1
    measured: dict[tuple[str, float], FaceMeasures] = {}
    camera = pipeline.turntable_camera(inversion, 0.0, 0.0)
    yield Progress(done, total, f"{name}: at rest")
    rest = metrics.redetected_landmarks(pipeline.view(head, camera, CROP_SIZE))
    done += 1
    unit = metrics.eye_distance(rest) if rest is not None else None
    for slider, strengths in _runs(model):
        for strength in strengths:
            if strength == 0.0:
                if rest is not None:
                    measured[slider, strength] = metrics.measure_face(rest)
                continue
            yield Progress(done, total, f"{name}: {slider} {strength:+.2f}")
            moved = pipeline.edit(inversion, {slider: strength}, model)
            points = metrics.redetected_landmarks(pipeline.view(moved, camera, CROP_SIZE))
            if points is not None:
                measured[slider, strength] = metrics.measure_face(points, unit)
            done += 1
    return PhotoReport(
        name,
        float(inversion.seconds),
        metrics.landmark_error(found, portrait.landmarks) if known and found is not None else missed,
        # Past the photo's border there is no outline to compare with.
        metrics.iou(front.opacity, portrait.person, where=~made_up(portrait)),
        metrics.psnr(shown, photo, face),
        metrics.ssim(shown, photo, face),
        tuple(seen),
        tuple(lost),
        tuple(edit_response(probe, measured) for probe in PROBES if _has(model, probe.slider)),
    )


def evaluate_folder(folder: Path, model) -> Task[Report]:
    """The figures of every photo in a folder and the folders in it; one that fails is reported, not fatal.

    Raises:
        BadInput: the folder is missing or holds no pictures.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_ENDINGS)
    if not paths:
        raise BadInput(f"{folder} holds no photos.", f"Give a folder with {', '.join(PHOTO_ENDINGS)} files.")
    reports = []
    for index, path in enumerate(paths):
        name = path.relative_to(folder).as_posix()
        yield Progress(index, len(paths), name)
        try:
            inversion = yield from one_of(pipeline.invert(open_portrait(path), model), index, len(paths))
            report = yield from one_of(evaluate_photo(inversion, model, name), index, len(paths))
        except BadInput as error:
            report = PhotoReport(name, failure=str(error))
        reports.append(report)
    return Report(tuple(reports))


def edit_response(probe: EditProbe, measured: Mapping[tuple[str, float], FaceMeasures]) -> EditResponse:
    """What ``measured``, (slider, strength) -> measures where a face was found, says about the probe."""
    faces = [(s, measured[probe.slider, s]) for s in probe.strengths if (probe.slider, s) in measured]
    strengths = tuple(s for s, _ in faces)
    values = tuple(float(getattr(face, probe.measure)) for _, face in faces)
    whole = bool(strengths) and strengths[0] == probe.strengths[0] and strengths[-1] == probe.strengths[-1]
    effect = float("nan")
    if whole and probe.kind == "change":
        effect = values[-1] - values[0]
    elif whole:
        effect = values[-1] / max(values[0], 1e-6) - (probe.kind == "ratio")
    steps = np.diff(values) * (-1 if probe.kind == "remains" else 1)
    leakage, leaked = 0.0, ""
    if faces:
        # Against the untouched head: for sliders with two sides that is in the middle of the range.
        rest = min(faces, key=lambda pair: abs(pair[0]))[1]
        for _, face in faces:
            changes = face.changes(rest)
            worst = max(probe.alone, key=lambda name: abs(changes[name]))
            if abs(changes[worst]) > leakage:
                leakage, leaked = abs(changes[worst]), worst
    return EditResponse(
        probe.slider,
        probe.measure,
        probe.goal,
        probe.kind,
        strengths,
        values,
        float(effect),
        whole and bool((steps > -NOISE).all()),
        float(leakage),
        leaked,
    )


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _has(model, slider: str) -> bool:
    return any(known.name == slider for known in model.card.sliders)


def _runs(model) -> list[tuple[str, tuple[float, ...]]]:
    """Slider and strengths of each probe that this model has, every slider once."""
    return list({probe.slider: probe.strengths for probe in PROBES if _has(model, probe.slider)}.items())
