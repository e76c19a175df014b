"""``.facet`` projects: a zip of a manifest, the photo's bytes, its crop and the inversion's arrays; never a pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from inversion_core.blend import blend_inversions
from inversion_core.camera import Camera
from inversion_core.edit import Inversion, checked_moves
from inversion_core.errors import ImageUnreadable, MissingResource, ProjectUnreadable, UsageError
from inversion_core.image import decode, encode, read_bytes, write_atomic
from inversion_core.model import FaceModel
from inversion_core.portrait import CROP_SIZE, CropLabel, FacePoints, Marks, Portrait, Square
from inversion_core.restoration import IRISES, Restoration, Tint

VERSION = 2
"""2 added further photos; projects of version 1 have none."""
LARGEST_MEMBER = 400 * 2**20
"""Bytes that one member of a project may unpack to."""


@dataclass(frozen=True)
class Project:
    """What a user saves: the inverted photo, where the sliders stand, and the view.

    Attributes:
        moves: slider name -> value, defaults left out; camera: of the viewport.
        snapshots: name -> moves put aside to compare with.
    """

    inversion: Inversion
    moves: Mapping[str, float] = field(default_factory=dict)
    camera: Camera | None = None
    snapshots: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class OtherPhoto(msgspec.Struct):
    """A further photo in ``project.json``; its files lie in the folder ``also/NUMBER``, counted from 1."""

    name: str
    face: int


class BlendValues(msgspec.Struct):
    """Strengths of another person, whose files lie in the folder ``blend``."""

    name: str
    face: int
    identity: float
    appearance: float
    expression: float


class RestorationValues(msgspec.Struct):
    """How the photo was restored; the damaged pixels are the array ``restoration.damaged``."""

    tint: Tint | None
    denoise: float
    sharpen: float


class Manifest(msgspec.Struct):
    """``project.json``."""

    version: int
    model: str
    model_digest: str
    name: str
    face: int
    moves: dict[str, float]
    camera: list[float]
    method: str
    seconds: float
    others: list[OtherPhoto] = []
    blend: BlendValues | None = None
    snapshots: dict[str, dict[str, float]] = {}
    marks: dict[str, list[float]] = {}
    """How the photo was aligned by hand: "square", "points" or "label" and its numbers; empty if it was not."""
    restoration: RestorationValues | None = None


def save_project(project: Project, path: Path, model: FaceModel) -> None:
    """Write the project whole or not at all.

    Raises:
        OutputUnwritable: see :func:`inversion_core.image.write_atomic`.
    """
    inversion, portrait = project.inversion, project.inversion.portrait
    blend = inversion.blend
    inversion = inversion if blend is None else blend.first
    camera = project.camera or portrait.camera
    manifest = Manifest(
        version=VERSION,
        model=model.card.name,
        model_digest=model.card.digest,
        name=portrait.name,
        face=portrait.face,
        moves={name: float(value) for name, value in project.moves.items()},
        camera=[float(x) for x in camera.label()],
        method=inversion.method,
        seconds=float(inversion.seconds),
        blend=None
        if blend is None
        else BlendValues(
            blend.other.portrait.name,
            blend.other.portrait.face,
            blend.identity,
            blend.appearance,
            blend.expression,
        ),
        snapshots={
            name: {slider: float(value) for slider, value in moves.items()}
            for name, moves in project.snapshots.items()
        },
        others=[OtherPhoto(other.name, other.face) for other in inversion.others],
        marks=_as_numbers(portrait.marks),
        restoration=_as_values(portrait.restoration),
    )
    arrays = {f"detail.{name}": np.ascontiguousarray(a) for name, a in model.pack(inversion).items()}
    arrays |= _portrait_arrays(portrait, "portrait.")
    for number, other in enumerate(inversion.others, 1):
        arrays |= _portrait_arrays(other, f"also.{number}.")
    if portrait.restoration is not None and portrait.restoration.damaged is not None:
        arrays["restoration.damaged"] = portrait.restoration.damaged.astype(np.uint8)
    if project.inversion.keep is not None:
        arrays["keep"] = np.round(project.inversion.keep * 255).astype(np.uint8)
    if project.inversion.colours is not None:
        arrays["colours"] = project.inversion.colours.astype(np.float32)
    if blend is not None:
        arrays |= {f"blend.{name}": np.ascontiguousarray(a) for name, a in model.pack(blend.other).items()}
        arrays |= _portrait_arrays(blend.other.portrait, "blend.portrait.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("project.json", msgspec.json.encode(manifest))
        archive.writestr("crop.png", encode(portrait.image), zipfile.ZIP_STORED)
        archive.writestr("photo", portrait.source, zipfile.ZIP_STORED)
        for number, other in enumerate(inversion.others, 1):
            archive.writestr(f"also/{number}/crop.png", encode(other.image), zipfile.ZIP_STORED)
            archive.writestr(f"also/{number}/photo", other.source, zipfile.ZIP_STORED)
        if blend is not None:
            archive.writestr("blend/crop.png", encode(blend.other.portrait.image), zipfile.ZIP_STORED)
            archive.writestr("blend/photo", blend.other.portrait.source, zipfile.ZIP_STORED)
        archive.writestr("inversion.safetensors", save(arrays))
    write_atomic(Path(path), buffer.getvalue())


def load_project(path: Path, model: FaceModel) -> Project:
    """The project in a file.

    Raises:
        ProjectUnreadable: no project, damaged, from a newer version, or of another model.
        ImageUnreadable: there is no such file.
    """
    path = Path(path)
    content = read_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: _member(archive, name, path) for name in ("project.json", "crop.png", "photo")}
            manifest = msgspec.json.decode(members["project.json"])
            if not isinstance(manifest, dict) or not isinstance(manifest.get("version"), int):
                raise ProjectUnreadable(f"{path.name} is not a Facet project.", "Choose a .facet file.")
            if manifest["version"] > VERSION:
                raise ProjectUnreadable(
                    f"{path.name} was saved by a newer version of Facet.", "Update Facet to open it."
                )
            manifest = msgspec.convert(manifest, Manifest)
            folders = [f"also/{number}" for number in range(1, len(manifest.others) + 1)]
            folders += ["blend"] if manifest.blend is not None else []
            for folder in folders:
                for kind in ("crop.png", "photo"):
                    members[f"{folder}/{kind}"] = _member(archive, f"{folder}/{kind}", path)
            arrays = load(_member(archive, "inversion.safetensors", path))
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ProjectUnreadable(
            f"{path.name} is damaged or not a Facet project.", "Open the photo again, or an older copy."
        ) from error
    except (msgspec.MsgspecError, SafetensorError, ValueError, zipfile.zlib.error) as error:
        raise ProjectUnreadable(
            f"The contents of {path.name} are damaged ({error}).", "Open the photo again, or an older copy."
        ) from error
    if manifest.model != model.card.name:
        raise ProjectUnreadable(
            f"{path.name} was made with the model {manifest.model!r}, not {model.card.name!r}.",
            "Load that model first.",
        )
    try:
        portrait = _portrait(members, arrays, "", "portrait.", manifest.name, manifest.face)
        others = tuple(
            _portrait(members, arrays, f"also/{number}/", f"also.{number}.", other.name, other.face)
            for number, other in enumerate(manifest.others, 1)
        )
        partner, values = None, manifest.blend
        if values is not None:
            partner = _portrait(members, arrays, "blend/", "blend.portrait.", values.name, values.face)
        camera = Camera.from_label(manifest.camera)
        restoration = _as_restoration(manifest.restoration, arrays.get("restoration.damaged"))
        portrait = replace(portrait, marks=_as_marks(manifest.marks), restoration=restoration)
    except (KeyError, ValueError, TypeError, ImageUnreadable) as error:
        raise ProjectUnreadable(
            f"The contents of {path.name} do not fit together.", "Open the photo again, or an older copy."
        ) from error
    detail = {name.removeprefix("detail."): a for name, a in arrays.items() if name.startswith("detail.")}
    inversion = replace(model.unpack(portrait, detail), others=others)
    if partner is not None and values is not None:
        kept = {name.removeprefix("blend."): a for name, a in arrays.items() if name.startswith("blend.")}
        strengths = (values.identity, values.appearance, values.expression)
        try:
            inversion = blend_inversions(model, inversion, model.unpack(partner, kept), *strengths)
        except UsageError as error:
            raise ProjectUnreadable(f"{path.name}: {error.what}", "Open its photo again.") from error
    if "keep" in arrays:
        keep = arrays["keep"]
        if keep.shape != inversion.detail.head.vertices.shape[:1] or keep.dtype != np.uint8:
            raise ProjectUnreadable(f"The mask in {path.name} does not fit.", "Open an older copy.")
        inversion = replace(inversion, keep=keep.astype(np.float32) / np.float32(255))
    if "colours" in arrays:
        colours = arrays["colours"]
        modes = getattr(model, "skin_modes", None)
        fits = modes is not None and colours.shape == (modes.codes,) and colours.dtype.kind == "f"
        if not fits or not np.isfinite(colours).all():
            raise ProjectUnreadable(f"The colours in {path.name} do not fit.", "Open an older copy.")
        inversion = replace(inversion, colours=colours.astype(np.float32))
    try:
        moves = checked_moves(manifest.moves, model.card.sliders)
        snapshots = {
            name: checked_moves(kept, model.card.sliders) for name, kept in manifest.snapshots.items()
        }
    except UsageError as error:
        raise ProjectUnreadable(f"{path.name}: {error.what}", "Update Facet to open it.") from error
    return Project(inversion, moves, camera, snapshots)


def project_model(path: Path) -> str:
    """Name of the model that a project was made with; empty where that cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = msgspec.json.decode(_member(archive, "project.json", Path(path)))
        return str(manifest["model"])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ProjectUnreadable, msgspec.MsgspecError):
        return ""


def open_project(path: Path, model: Path | None = None) -> tuple[Project, FaceModel]:
    """A project and its model: the one asked for, else the installed one that the project was made with.

    Raises:
        ProjectUnreadable, MissingResource, BadInput: see :func:`load_project` and
            :func:`inversion_core.model.load_model`.
    """
    from inversion_core.model import BUNDLED, load_model

    name = project_model(path)
    own = Path(name) if name and name != BUNDLED.name else None
    try:
        loaded = load_model(model or own)
    except MissingResource:
        if model is not None:
            raise
        # The project is refused below, by the name of the model that it misses.
        loaded = load_model()
    return load_project(path, loaded), loaded


def _portrait_arrays(portrait: Portrait, prefix: str) -> dict[str, np.ndarray]:
    return {
        f"{prefix}landmarks": portrait.landmarks,
        f"{prefix}person": np.round(portrait.person * 255).astype(np.uint8),
        f"{prefix}camera": portrait.camera.label(),
        f"{prefix}crop_to_photo": np.ascontiguousarray(portrait.crop_to_photo, np.float32),
    }


def _portrait(
    members: Mapping[str, bytes],
    arrays: Mapping[str, np.ndarray],
    folder: str,
    prefix: str,
    name: str,
    face: int,
) -> Portrait:
    """The portrait of :func:`_portrait_arrays` and its files; ValueError or KeyError where it does not fit."""
    portrait = Portrait(
        image=decode(members[f"{folder}crop.png"], "crop.png"),
        camera=Camera.from_label(arrays[f"{prefix}camera"]),
        landmarks=arrays[f"{prefix}landmarks"],
        person=arrays[f"{prefix}person"].astype(np.float32) / np.float32(255),
        source=members[f"{folder}photo"],
        name=name,
        face=face,
        crop_to_photo=arrays[f"{prefix}crop_to_photo"],
    )
    shapes = (portrait.image.shape[:2], portrait.person.shape, portrait.landmarks.shape)
    if shapes != ((CROP_SIZE, CROP_SIZE), (CROP_SIZE, CROP_SIZE), (478, 3)):
        raise ValueError("unexpected shapes")
    return portrait


def _as_numbers(marks: Marks | None) -> dict[str, list[float]]:
    if isinstance(marks, Square):
        x, y = marks.centre
        numbers = (x, y, marks.side, marks.roll, marks.yaw, marks.pitch)
        return {"square": [float(number) for number in numbers]}
    if isinstance(marks, FacePoints):
        return {"points": [float(number) for pair in marks.points for number in pair]}
    return {} if marks is None else {"label": [float(number) for number in marks.label]}


def _as_marks(kept: Mapping[str, list[float]]) -> Marks | None:
    """What :func:`_as_numbers` wrote; ValueError where it is nothing of that kind."""
    for kind, numbers in kept.items():
        if kind == "square" and len(numbers) == 6:
            return Square((numbers[0], numbers[1]), *numbers[2:])
        if kind == "points" and len(numbers) == 10:
            return FacePoints(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
        if kind == "label" and len(numbers) == 25:
            return CropLabel(tuple(numbers))
        raise ValueError(f"unknown marks {kind!r}")
    return None


def _as_values(restoration: Restoration | None) -> RestorationValues | None:
    if restoration is None:
        return None
    return RestorationValues(restoration.tint, restoration.denoise, restoration.sharpen)


def _as_restoration(kept: RestorationValues | None, damaged: np.ndarray | None) -> Restoration | None:
    """What :func:`_as_values` and the array say; ValueError where that is no restoration."""
    if kept is None:
        return None
    if kept.tint is not None and kept.tint.iris not in ("", *IRISES):
        raise ValueError(f"unknown eyes {kept.tint.iris!r}")
    if damaged is not None and damaged.shape != (CROP_SIZE, CROP_SIZE):
        raise ValueError("unexpected shape of the damage")
    holes = None if damaged is None else damaged > 0
    return Restoration(kept.tint, holes, kept.denoise, kept.sharpen)


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    if archive.getinfo(name).file_size > LARGEST_MEMBER:
        raise ProjectUnreadable(
            f"{path.name} unpacks to an absurd size.", "Do not open it; it is no project of Facet."
        )
    return archive.read(name)
