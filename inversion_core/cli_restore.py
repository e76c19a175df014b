"""``facet restore``: an old or damaged photo becomes a whole head in colour; and the strokes of ``facet edit``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from inversion_core.cli_options import PATH, json_option
from inversion_core.console import run, say
from inversion_core.edit import Inversion
from inversion_core.errors import UsageError
from inversion_core.model import ModelCard
from inversion_core.restoration import IRISES


@click.command()
@click.argument("photo", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="Folder for the project.")
@click.option("--grey", is_flag=True, help="Give a grey or sepia photo colours.")
@click.option("--mask", type=PATH, help="Picture of the photo's size, white where it is damaged.")
@click.option("--scratches", is_flag=True, help="Also take fine scratches, found by themselves, for damage.")
@click.option(
    "--noise", type=click.FloatRange(0, 60), default=0.0, help="Standard deviation of its noise, of 255."
)
@click.option(
    "--blur", type=click.FloatRange(0, 8), default=0.0, help="Standard deviation of its blur, photo pixels."
)
@click.option("--scale", type=click.FloatRange(1, 16), default=1.0, help="How many times it was reduced.")
@click.option("--skin", type=click.FloatRange(-1, 1), default=0.0, help="With --grey: -1 rosy, 1 golden.")
@click.option("--hair", type=click.FloatRange(-1, 1), default=0.0, help="With --grey: -1 ash, 1 red.")
@click.option("--eyes", type=click.Choice(IRISES), help="With --grey; by their brightness when left out.")
@click.option("--face", type=int, help="Which face of a group, 0 the largest.")
@click.option("--views", is_flag=True, help="Also write pictures from all sides.")
@click.option("--model", type=PATH, help="Model folder; the bundled model when left out.")
@click.option("--method", help="With EG3D models: a method of facet compare that searches in Z, W or W+.")
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, help="With EG3D models: fewer steps.")
@json_option
def restore(
    photo: Path,
    out: Path,
    grey,
    mask,
    scratches,
    noise,
    blur,
    scale,
    skin,
    hair,
    eyes,
    face,
    views,
    model,
    method,
    speed,
    as_json,
) -> None:
    """Turn a grey, damaged, blurred, noisy or small PHOTO into a .facet project."""
    from inversion_core import pipeline
    from inversion_core.contact_sheet import write_views
    from inversion_core.image import encode, make_folder, read_bytes, read_image
    from inversion_core.model import load_model
    from inversion_core.project import Project, save_project
    from inversion_core.restoration import Restoration, Tint
    from inversion_core.restore.damage import filled
    from inversion_core.restore.damage import scratches as found_scratches
    from inversion_core.restore.photo import crop_mask, restored
    from inversion_core.segmentation import hair_mask

    loaded = load_model(model)
    _checked_choices(loaded.card, grey, {"noise": noise, "skin": skin, "hair": hair, "eyes": eyes})
    content = read_bytes(photo)
    holes = None if mask is None else cv2.cvtColor(read_image(mask), cv2.COLOR_RGB2GRAY)
    if holes is None:
        portrait = pipeline.open_portrait(content, photo.name, face)
    else:
        picture = read_image(photo)
        if picture.shape[:2] != holes.shape:
            raise UsageError(
                f"The mask has {holes.shape[1]} x {holes.shape[0]} pixels, the photo {picture.shape[1]} x "
                f"{picture.shape[0]}.",
                "Paint it on a copy of the photo.",
            )
        # A face with a hole in it is found more surely with the hole filled somehow.
        whole = encode(filled(picture, holes > 127))
        portrait = replace(pipeline.open_portrait(whole, photo.name, face), source=content)
    damaged = np.zeros(portrait.image.shape[:2], bool) if holes is None else crop_mask(portrait, holes)
    if scratches:
        damaged |= found_scratches(portrait.image, portrait.landmarks, hair_mask(portrait))
    holes = damaged if damaged.any() else None
    pixels = 1 / max(float(np.hypot(*portrait.crop_to_photo[:, 0])), 1e-6)
    if loaded.card.kind == "heads":
        if method is not None:
            raise UsageError("The bundled model restores in one way.", "Leave --method out, or give --model.")
        restoration = Restoration(
            Tint(skin=skin, hair=hair, iris=eyes or "") if grey else None,
            holes,
            noise,
            # A mean over ``scale`` pixels blurs by about 0.29 of them.
            min(float(np.hypot(blur, 0.29 * (scale - 1))) * pixels, 8.0),
        )
        if restoration.idle:
            raise UsageError(
                "Nothing is to be restored.",
                "Say what: --grey, --mask, --scratches, --noise, --blur or --scale.",
            )
        portrait = run(restored(loaded, portrait, restoration), photo.name)
        inversion = run(pipeline.invert(portrait, loaded), photo.name)
    else:
        from inversion_core.restore.descent import Degradation, restored_by_descent

        # Noise needs no operator: a head cannot explain it.
        lost = Degradation(grey, holes, max(round(scale * pixels), 1) if scale > 1 else 1, blur * pixels)
        task = restored_by_descent(loaded, portrait, lost, method or "image2stylegan", speed)
        inversion = run(task, photo.name)
    make_folder(out)
    project = out / f"{photo.stem}.facet"
    save_project(Project(inversion, {}, inversion.portrait.camera), project, loaded)
    if views:
        run(write_views(inversion, loaded, out / photo.stem), f"{photo.name}: views")
    record = {
        "photo": str(photo),
        "project": str(project),
        "damaged_share": round(float(damaged.mean()), 4),
        "scores": {name: round(float(value), 4) for name, value in inversion.scores.items()},
    }
    say(record, as_json, lambda: iter([str(project)]))


def _checked_choices(card: ModelCard, grey: bool, choices: Mapping[str, object]) -> None:
    """Nothing, where every choice that was made changes something.

    Raises:
        UsageError: one would be ignored.
    """
    made = [f"--{name}" for name, value in choices.items() if value]
    if card.kind != "heads" and made:
        raise UsageError(
            f"{made[0]} does nothing with {card.title or card.name}: a descent leaves noise out and finds colours "
            "by itself.",
            "Leave it out, or use the bundled model.",
        )
    made = [name for name in made if name != "--noise"]
    if made and not grey:
        raise UsageError(f"{made[0]} chooses among colours for a grey photo.", "Add --grey, or leave it out.")


def dragged(
    model: Any, inversion: Inversion, moves: Mapping[str, float], drag: str, symmetric: bool
) -> Inversion:
    """The inversion with the pull of a word X,Y:X,Y, in widths of the photo's view.

    Raises:
        UsageError: the word is not of that form, or the head takes no strokes.
        BadInput: there is no skin at the first place.
    """
    from inversion_core.strokes import gripped, pulled

    try:
        start, end = (tuple(float(number) for number in pair.split(",")) for pair in drag.split(":"))
    except ValueError:
        start = end = ()
    if len(start) != 2 or len(end) != 2 or not np.isfinite([*start, *end]).all():
        raise UsageError(f"{drag!r} is not of the form X,Y:X,Y.", "For example: --drag 0.5,0.6:0.5,0.57")
    camera = inversion.portrait.camera
    if _descends(model, inversion, "pulled"):
        from inversion_core.latent_strokes import ShapeStroke, obeying

        if symmetric:
            raise UsageError("--both-sides is for the bundled model.", "Pull the other side as well.")
        return run(obeying(model, inversion, moves, camera, ShapeStroke(start, end)), "pull")
    grip = gripped(model, model.edit(inversion, moves), camera, start, symmetric=symmetric)
    return pulled(model, grip, end)


def _descends(model: Any, inversion: Inversion, done: str) -> bool:
    """Whether strokes are descents in codes, as on loaded generators of planes.

    Raises:
        UsageError: this head takes no strokes.
    """
    if model.card.kind in ("eg3d", "goae"):
        return True
    if model.card.kind != "heads" or inversion.blend is not None:
        raise UsageError(
            f"This head cannot be {done}.", "Use one person's head of the bundled, an EG3D or a GOAE model."
        )
    return False


def painted(
    model: Any, inversion: Inversion, moves: Mapping[str, float], word: str, radius: float
) -> tuple[Inversion, str]:
    """The inversion with the stroke of a word X,Y[:X,Y…]=COLOUR, in widths of the photo's view, and what it coloured.

    Args:
        radius: of the brush, in the same.

    Raises:
        UsageError: the word is not of that form, or the head takes no strokes.
        BadInput: nothing of the head lies there.
    """
    from PIL import ImageColor

    from inversion_core.colour_strokes import ColourStroke, coloured

    places, _, name = word.partition("=")
    try:
        points = [tuple(float(number) for number in pair.split(",")) for pair in places.split(":")]
        colour = tuple(value / 255 for value in ImageColor.getrgb(name.strip())[:3])
    except ValueError:
        points, colour = [], ()
    if not points or any(len(point) != 2 for point in points) or not np.isfinite(points).all():
        raise UsageError(
            f"{word!r} is not of the form X,Y[:X,Y…]=COLOUR.",
            "For example: --paint 0.47,0.62:0.53,0.62=#a02030",
        )
    stroke = ColourStroke(tuple(points), radius, colour)
    if _descends(model, inversion, "painted"):
        from inversion_core.latent_strokes import obeying

        found = run(obeying(model, inversion, moves, inversion.portrait.camera, stroke), "paint")
        return found, "the stroke"
    return coloured(model, inversion, moves, inversion.portrait.camera, stroke)


@click.command()
@click.argument("project", type=PATH)
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="Fewer steps.")
@click.option("-o", "--out", required=True, type=PATH, help="Project to write.")
@click.option("--model", type=PATH, help="Model folder; the one PROJECT was made with when left out.")
@json_option
def refine(project: Path, speed: float, out: Path, model, as_json: bool) -> None:
    """Bring the head of PROJECT nearer to its photo by descending from its codes: for EG3D models."""
    from inversion_core.project import open_project, save_project
    from inversion_core.restore.descent import refined

    opened, loaded = open_project(project, model)
    inversion = run(refined(loaded, opened.inversion, speed), project.name)
    save_project(replace(opened, inversion=inversion), out, loaded)
    before, after = (dict(x.scores) for x in (opened.inversion, inversion))
    record = {"project": str(out), "before": before, "after": after, "seconds": inversion.seconds}
    psnrs = (scores.get("psnr", float("nan")) for scores in (before, after))
    say(record, as_json, lambda: iter([f"{out}  PSNR {' → '.join(f'{value:.1f}' for value in psnrs)} dB"]))
