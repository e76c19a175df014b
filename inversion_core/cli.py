"""The ``facet`` command."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from inversion_core import (
    cli_compare,
    cli_edit,
    cli_measure,
    cli_official,
    cli_output,
    cli_restore,
    cli_stylesdf,
    cli_train,
)
from inversion_core.cli_by_hand import by_hand_options, marks_for, open_marked
from inversion_core.cli_options import PATH, json_option, model_option, moves_of, set_option
from inversion_core.console import EXIT_CODES, interruptible, manners, run, say
from inversion_core.errors import FacetError, UsageError


@click.group(
    invoke_without_command=True, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option("0.1.0", prog_name="facet")
@click.option("--debug", is_flag=True, help="Show where an error came from.")
@click.pass_context
def facet(context: click.Context, debug: bool) -> None:
    """Edit faces in 3D. Without a command the window opens."""
    context.obj = debug
    if context.invoked_subcommand is None:
        _window([])


def main() -> None:
    """Entry point: every error a user can meet ends as a sentence and an exit code."""
    debug = "--debug" in sys.argv
    with manners(debug), interruptible():
        try:
            facet(standalone_mode=False)
        except click.exceptions.Exit as stop:
            sys.exit(stop.exit_code)
        except click.exceptions.Abort:
            raise KeyboardInterrupt from None
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)


def _window(words: list[str]) -> None:
    """Leaves with the window's exit code. Qt's loop runs no handler of ours, so SIGTERM ends it as ever."""
    from app.__main__ import main as window

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.exit(window(words))


def _free_name(stem: str, taken: set[str]) -> str:
    """The stem, numbered when another photo of this call already has it."""
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    taken.add(name)
    return name


@facet.command()
@click.argument("photos", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="Folder for the projects.")
@click.option("--face", type=int, help="Which face of a group, 0 the largest.")
@click.option(
    "--also", multiple=True, type=PATH, help="Another photo of the same person, for one PHOTO; repeatable."
)
@by_hand_options
@click.option("--views", is_flag=True, help="Also write pictures from all sides.")
@model_option
@json_option
def invert(photos, out: Path, face, also, views: bool, model, as_json: bool, **by_hand) -> None:
    """Turn PHOTOS into .facet projects, each into one of its own."""
    from inversion_core import pipeline
    from inversion_core.contact_sheet import write_views
    from inversion_core.image import make_folder
    from inversion_core.model import load_model
    from inversion_core.project import Project, save_project

    if also and len(photos) > 1:
        raise UsageError(
            "--also is for one photo.", "Give one PHOTO, and the person's other photos each with --also."
        )
    loaded, results, worst, taken = load_model(model), [], None, set()
    marks = marks_for(photos, loaded, automatic=also or face is not None, **by_hand)
    make_folder(out)
    for photo in photos:
        try:
            portrait = open_marked(photo, marks, loaded, face)
            others = [pipeline.open_portrait(other) for other in also]
            inversion = run(pipeline.invert(portrait, loaded, others), photo.name)
            stem = _free_name(photo.stem, taken)
            project = out / f"{stem}.facet"
            save_project(Project(inversion, {}, inversion.portrait.camera), project, loaded)
            if views:
                run(write_views(inversion, loaded, out / stem), f"{photo.name}: views")
            scores = {name: round(float(value), 4) for name, value in inversion.scores.items()}
            results.append(
                {"photo": str(photo), "project": str(project), "seconds": inversion.seconds, "scores": scores}
            )
        except FacetError as error:
            worst = error
            results.append({"photo": str(photo), "error": error.what, "hint": error.hint})
            if len(photos) > 1:
                click.echo(f"facet: {error.what}", err=True)

    def lines():
        for result in results:
            if "project" in result:
                yield f"{result['project']}  PSNR {result['scores']['psnr']:.1f} dB, {result['seconds']:.1f} s"

    if worst is None or len(photos) > 1 or as_json:
        say({"photos": results}, as_json, lines)
    if worst is not None:
        if len(photos) == 1:
            raise worst
        sys.exit(max(worst.exit_code, 3))


@facet.command()
@click.argument("project", type=PATH)
@set_option
@click.option("--yaw", type=float, help="Degrees; positive shows the head's own left side.")
@click.option("--pitch", type=float, help="Degrees; positive looks down on the head.")
@click.option("--size", type=click.IntRange(16, 4096), default=512, show_default=True, help="Pixels a side.")
@click.option("--turntable", is_flag=True, help="A turning head: .mp4, .gif, or a folder of pictures.")
@click.option("--seconds", type=click.FloatRange(0.2, 120), default=4.0, show_default=True)
@click.option("--fps", type=click.FloatRange(1, 120), default=30.0, show_default=True)
@click.option("--transparent", is_flag=True, help="No background (PNG).")
@click.option("-o", "--out", required=True, type=PATH)
@model_option
@json_option
def render(
    project, settings, yaw, pitch, size, turntable, seconds, fps, transparent, out: Path, model, as_json
) -> None:
    """Draw PROJECT from the photo's view, or from given angles."""
    import numpy as np

    from inversion_core import pipeline
    from inversion_core.contact_sheet import BACKGROUND
    from inversion_core.image import save_image
    from inversion_core.project import open_project
    from inversion_core.turntable import save_turntable

    opened, loaded = open_project(project, model)
    head = pipeline.edit(opened.inversion, {**opened.moves, **moves_of(settings)}, loaded)
    if turntable:
        if size > 1536:
            raise UsageError(
                f"A turntable of {size} pixels would not fit in memory.", "Use --size 1536 or less."
            )
        run(save_turntable(head, out, opened.inversion, seconds, fps, size), "turntable")
    else:
        camera = opened.inversion.portrait.camera
        if yaw is not None or pitch is not None:
            camera = pipeline.turntable_camera(
                opened.inversion, np.radians(yaw or 0.0), np.radians(pitch or 0.0)
            )
        picture = pipeline.view(head, camera, size, 2)
        rgba = np.concatenate([picture.rgb, picture.opacity[..., None]], 2)
        save_image(out, rgba if transparent else picture.over(BACKGROUND))
    say({"picture": str(out)}, as_json, lambda: iter([str(out)]))


@facet.group(invoke_without_command=True)
@json_option
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the models that are installed, or add one."""
    if context.invoked_subcommand is not None:
        return
    from inversion_core.checkpoints.install import installed_models
    from inversion_core.model import MODELS, read_card

    folders = [card.parent for card in sorted(MODELS.glob("*/card.json"))] + installed_models()
    cards = [read_card(folder) for folder in folders]
    record = [
        {"name": c.name, "title": c.title, "kind": c.kind, "licence": c.licence, "digest": c.digest}
        for c in cards
    ]
    say(
        {"models": record},
        as_json,
        lambda: (f"{c.name:16} {c.kind:8} {c.title} — {c.licence}" for c in cards),
    )


@facet.command()
@click.argument("photo", required=False, type=PATH)
def gui(photo) -> None:
    """Open the window, on PHOTO if one is given."""
    _window([str(photo)] if photo else [])


for command in (cli_edit.edit, cli_edit.blend, cli_measure.evaluate, cli_measure.bench, cli_measure.doctor):
    facet.add_command(command)
facet.add_command(cli_output.export)
facet.add_command(cli_output.batch)
facet.add_command(cli_train.train)
facet.add_command(cli_compare.compare)
facet.add_command(cli_restore.restore)
facet.add_command(cli_restore.refine)
facet.add_command(cli_official.sample)
models.add_command(cli_official.add)
models.add_command(cli_official.find_directions)
cli_train.train.add_command(cli_official.goae)
cli_train.train.add_command(cli_stylesdf.e3dge)
models.add_command(cli_stylesdf.add_e3dge)

if __name__ == "__main__":
    main()
