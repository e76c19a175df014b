"""Adapting the bundled encoder to a user's own photos.

What the landmark fit finds in the photos are pseudo labels for shape and pose; what the encoder itself said of skin,
hair and light is kept; heads of the bundled model's own, whose codes are known, keep it from forgetting.
Source: E3DGE (Lan et al. 2023), section 5, names semi-supervised training with real photos as future work.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.bundled import BundledModel
from inversion_core.camera import FOCAL, Camera
from inversion_core.encoders.heads import INPUT_SIZE, HeadCodes, HeadEncoder, load_encoder, save_encoder
from inversion_core.errors import OutputUnwritable
from inversion_core.generators.heads_field import load_field
from inversion_core.image import make_folder, save_image, write_atomic
from inversion_core.landmark_tables import OVAL
from inversion_core.metrics import eye_distance
from inversion_core.model import read_card
from inversion_core.optimise.landmark_fit import HeadFit, fit_landmarks
from inversion_core.portrait import Portrait
from inversion_core.task import Progress, Task
from inversion_core.training.encoder import PairLosses, drawn_pairs, measured
from inversion_core.training.own_photos import Adaptation, OwnPhotos
from inversion_core.training.pairs import PairMaker, disturbed, noisy_landmarks
from inversion_core.training.run_files import append_row, restore_run, save_run

STATE_FILE, CURVE_FILE, PREVIEW_FILE = "state.safetensors", "curves.csv", "preview.png"
ROLL, SHIFT, ZOOM = np.radians(4.0), 0.012, 0.025
"""Standard deviations of what moves a crop: radians, crop widths, share."""
FORGETTING = 1.05
"""How much worse heads of the model's own may be read for the photos' sake."""


@dataclass(frozen=True)
class HeadAdapting:
    """One run.

    Attributes:
        steps: updates; batch: variants of photos, pair_batch: drawn heads, geometry_batch: heads known by their
            landmarks alone, in each of them.
        pairs: heads that are drawn for training; judged: for judging.
        rate: at its highest; anchor: how much the encoder's earlier answers count for skin, hair and light.
    """

    steps: int = 300
    batch: int = 12
    pair_batch: int = 6
    geometry_batch: int = 96
    pairs: int = 120
    judged: int = 100
    rate: float = 3e-4
    anchor: float = 1.0
    seed: int = 0
    log_every: int = 50


@dataclass(frozen=True)
class Labelled:
    """A photo with what the fit found in it: the crop at the encoder's size, and what to predict from it."""

    portrait: Portrait
    picture: NDArray[np.uint8]
    fit: HeadFit
    rotation: NDArray[np.float32]
    translation: NDArray[np.float32]


def labelled(model: BundledModel, portrait: Portrait) -> Labelled:
    """The photo with pseudo labels: the fit that :meth:`BundledModel.invert` would make."""
    codes = model.encoder.encode(portrait.image, portrait.landmarks)
    fit = fit_landmarks(model.template, portrait.landmarks, portrait.camera, identity=codes.identity)
    picture = cv2.resize(portrait.image, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA)
    return Labelled(portrait, picture, fit, *fit.camera.world2cam)


def varied(photo: Labelled, rng: np.random.Generator) -> tuple[NDArray[np.uint8], dict[str, NDArray]]:
    """The photo turned, moved and zoomed a little, and disturbed, with the truth that goes with it.

    A turn is exact, a shift is a turn of the camera, and a zoom comes nearer, which at these sizes is the same.
    """
    angle, zoom = rng.normal(0, ROLL), float(np.exp(rng.normal(0, ZOOM)))
    shift = rng.normal(0, SHIFT, 2)
    roll = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = (photo.portrait.landmarks[:, :2] - 0.5) @ roll.T * zoom + 0.5 + shift
    about_y, about_x = shift / FOCAL
    turn = cv2.Rodrigues(np.array([-about_x, about_y, 0.0]))[0]
    upright = np.eye(3)
    upright[:2, :2] = roll
    rotation, translation = turn @ upright @ photo.rotation, upright @ photo.translation
    translation[2] /= zoom
    translation = turn @ translation
    size = INPUT_SIZE
    matrix = np.column_stack([zoom * roll, (0.5 + shift - zoom * roll @ [0.5, 0.5]) * size])
    # Pixel centres lie half a pixel inside.
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    picture = cv2.warpAffine(photo.picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    truth = {
        "identity": photo.fit.identity,
        "units": np.minimum(photo.fit.expression, 1.0),
        "rotation": rotation,
        "translation": translation,
        "landmarks": landmarks,
    }
    return disturbed(picture.astype(np.float32) / 255, rng), {
        name: np.asarray(value, np.float32) for name, value in truth.items()
    }


def photo_figures(model: BundledModel, encoder: HeadEncoder, photos: Sequence[Labelled]) -> dict[str, float]:
    """How far the encoder alone is from the fits, and where a fit that starts from it ends; means over photos.

    ``landmarks``, ``first_step``, ``fitted``: distance of inner landmarks as a share of the eyes' distance, of the
    encoder's answer, after one Gauss-Newton step from it, and after all; ``shape``: distance of the face's points
    from the fit's in world units; ``rotation``: degrees.
    """
    template, rows = model.template, []
    for photo in photos:
        portrait = photo.portrait
        codes = encoder.encode(portrait.image, portrait.landmarks)
        start = Camera(codes.cam2world, portrait.camera.intrinsics)
        unit = eye_distance(portrait.landmarks)

        def error(
            steps: int, begin: Camera, codes: HeadCodes = codes, portrait: Portrait = portrait
        ) -> float:
            return fit_landmarks(
                template, portrait.landmarks, begin, codes.identity, codes.units * (steps < 2), steps
            ).error

        own = template.coarse(codes.identity, codes.units, np.zeros(len(template.shapes), np.float32))
        apart = template.landmarks(own) - template.landmarks(photo.fit.coarse)
        trace = np.trace(codes.cam2world[:3, :3].T @ photo.rotation.T)
        rows.append(
            (
                error(0, start) / unit,
                error(1, start) / unit,
                error(14, portrait.camera) / unit,
                np.linalg.norm(apart, axis=1).mean(),
                np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))),
            )
        )
    means = np.mean(rows, axis=0)
    names = ("landmarks", "first_step", "fitted", "shape", "rotation")
    return {name: round(float(value), 6) for name, value in zip(names, means, strict=True)}


def adapt_heads(
    model: BundledModel, folder: Path, photos: OwnPhotos, out: Path, settings: HeadAdapting | None = None
) -> Task[tuple[Adaptation, HeadEncoder]]:
    """How it went, and the adapted encoder; a stopped run in ``out`` goes on.

    ``out`` receives the state, ``curves.csv`` and ``preview.png``; :func:`save_adapted` makes a model of it.

    Args:
        folder: of the model.

    Raises:
        OutputUnwritable: ``out`` cannot be written. CheckpointRefused: it holds a run with other photos or settings.
    """
    settings = settings or HeadAdapting()
    make_folder(out)
    template, field = model.template, load_field(folder / "field.safetensors")
    maker = PairMaker(template, field)
    training = [labelled(model, portrait) for portrait in photos.training]
    held = [labelled(model, portrait) for portrait in photos.held_out]
    judged = yield from drawn_pairs(maker, settings.judged, np.random.default_rng((settings.seed, 1)))
    pool = yield from drawn_pairs(maker, settings.pairs, np.random.default_rng((settings.seed, 2)))
    teacher, encoder = (load_encoder(folder / "encoder.safetensors") for _ in range(2))
    encoder.requires_grad_(True)
    optimiser = torch.optim.AdamW(encoder.parameters(), settings.rate, weight_decay=1e-3)

    def figures(which: HeadEncoder) -> dict[str, float]:
        own = measured(which, template, judged)
        return {**photo_figures(model, which, held), "own_heads": own["vertex_error"]}

    before = figures(teacher)
    losses = PairLosses(template, field, torch.device("cpu"))
    mark = {"photos": photos.digest, **asdict(settings)}
    step, spent, parts = restore_run(out / STATE_FILE, optimiser, mark)
    if parts:
        encoder.load_state_dict(parts["net"])
    while step < settings.steps:
        start = time.perf_counter()
        rng = np.random.default_rng((settings.seed, 3, step))
        for group in optimiser.param_groups:
            warm = min(1, (step + 1) / 20)
            group["lr"] = settings.rate * warm * 0.5 * (1.02 + np.cos(np.pi * step / settings.steps))
        loss = _photo_loss(encoder, teacher, losses, training, settings, rng)
        index = rng.integers(0, len(pool.pictures), settings.pair_batch)
        loss = loss + losses(encoder, pool, index, rng)
        loss = loss + losses.by_landmarks(encoder, maker.geometry(settings.geometry_batch, rng), rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimiser.step()
        step, spent = step + 1, spent + time.perf_counter() - start
        note = "training"
        if step % settings.log_every == 0 or step == settings.steps:
            row = figures(encoder)
            append_row(out / CURVE_FILE, {"step": step, "loss": round(float(loss.detach()), 5), **row})
            save_run(out / STATE_FILE, {"net": encoder.state_dict()}, optimiser, step, spent, mark)
            note = f"landmarks {100 * row['landmarks']:.2f} %, before {100 * before['landmarks']:.2f} %"
        yield Progress(step, settings.steps, note)
    after = figures(encoder)
    save_image(out / PREVIEW_FILE, preview(model, teacher, encoder, held))
    kept, why = verdict(before, after)
    count = len(training) + len(held)
    seconds = round(spent, 1)
    report = Adaptation(kept, why, count, len(held), photos.refused, before, after, step, seconds, None)
    return report, encoder.requires_grad_(False).eval()


def _photo_loss(
    encoder: HeadEncoder,
    teacher: HeadEncoder,
    losses: PairLosses,
    photos: Sequence[Labelled],
    settings: HeadAdapting,
    rng: np.random.Generator,
) -> Tensor:
    drawn = [varied(photos[i], rng) for i in rng.integers(0, len(photos), settings.batch)]
    picture = torch.from_numpy(np.stack([p for p, _ in drawn])).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    truth = {name: torch.from_numpy(np.stack([t[name] for _, t in drawn])) for name in drawn[0][1]}
    points = torch.from_numpy(noisy_landmarks(truth["landmarks"].numpy(), OVAL, rng))
    raw = encoder(picture, points)
    with torch.no_grad():
        said = teacher(picture, truth["landmarks"])
    kept = F.mse_loss(raw.skin, said.skin) + 0.1 * F.mse_loss(raw.iris, said.iris)
    kept = kept + F.mse_loss(raw.light, said.light) + 5 * F.mse_loss(raw.hair_colour, said.hair_colour)
    kept = kept + F.kl_div(raw.style.log_softmax(1), said.style.softmax(1), reduction="batchmean")
    return losses.geometry(raw, truth) + settings.anchor * kept


def verdict(before: dict[str, float], after: dict[str, float]) -> tuple[bool, str]:
    """Whether the adapted encoder is to be kept, and why in a sentence."""
    nearer = after["landmarks"] < before["landmarks"] and after["shape"] < before["shape"]
    if not nearer:
        return False, "On the photos that were held out the adapted encoder is no better: the old one stays."
    if after["own_heads"] > FORGETTING * before["own_heads"]:
        return False, "It reads the held-out photos better but has forgotten other heads: the old one stays."
    if after["fitted"] > 1.02 * before["fitted"]:
        return False, "The encoder alone is better, but fits that start from it end worse: the old one stays."
    return True, "It is nearer to the photos that were held out, in landmarks and in shape."


def save_adapted(report: Adaptation, encoder: HeadEncoder, source: Path, folder: Path, name: str) -> Path:
    """The folder of the adapted model: the source's files with this encoder and a card that says what was done.

    Raises:
        OutputUnwritable: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(source.iterdir()):
            if file.is_file() and file.name not in ("encoder.safetensors", "card.json"):
                partial = folder / f".{file.name}"
                shutil.copyfile(file, partial)
                partial.replace(folder / file.name)
        save_encoder(encoder, folder / "encoder.safetensors", {"adapted": report.as_record()})
    except OSError as error:
        raise OutputUnwritable(
            f"{folder} cannot be written ({error.strerror}).", "Choose another folder."
        ) from error
    card = json.loads((source / "card.json").read_bytes())
    card |= {
        "name": name,
        "title": f"{read_card(source).title}, adapted to {report.photos} photos",
        "metrics": {f"held_out_{key}": value for key, value in report.after.items()},
        "training": f"{card.get('training', '')}; facet train adapt".lstrip("; "),
    }
    write_atomic(folder / "card.json", (json.dumps(card, indent=1) + "\n").encode())
    return folder


def preview(
    model: BundledModel, before: HeadEncoder, after: HeadEncoder, photos: Sequence[Labelled], cell: int = 256
) -> NDArray[np.uint8]:
    """Held-out photos with the encoder's landmarks on them: above before, below after; six at most."""
    rows = []
    for encoder, colour in ((before, (240, 120, 90)), (after, (90, 220, 140))):
        cells = []
        for photo in photos[:6]:
            portrait = photo.portrait
            codes = encoder.encode(portrait.image, portrait.landmarks)
            camera = Camera(codes.cam2world, portrait.camera.intrinsics)
            zeros = np.zeros(len(model.template.shapes), np.float32)
            head = model.template.coarse(codes.identity, codes.units, zeros)
            canvas = cv2.resize(portrait.image, (cell, cell), interpolation=cv2.INTER_AREA)
            for x, y in camera.project(model.template.landmarks(head))[:, :2] * cell * 16:
                cv2.circle(canvas, (round(float(x)), round(float(y))), 16, colour, -1, cv2.LINE_AA, 4)
            cells.append(canvas)
        rows.append(np.concatenate(cells, 1))
    return np.concatenate(rows, 0)
