"""The ``facet`` command."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from inversion_core import cli_compare, cli_official, cli_output, cli_restore, cli_stylesdf, cli_train
from inversion_core.cli_by_hand import by_hand_options, marks_for, open_marked
from inversion_core.console import EXIT_CODES, interruptible, manners, run, say
from inversion_core.errors import FacetError, UsageError

PHOTO = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
model_option = click.option("--model", type=PHOTO, help="Model folder; the bundled model when left out.")
set_option = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Move a slider; repeatable."
)


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


def moves_of(settings: tuple[str, ...]) -> dict[str, float]:
    """Slider moves of NAME=VALUE words.

    Raises:
        UsageError: a word is not of that form.
    """
    moves = {}
    for word in settings:
        name, separator, value = word.partition("=")
        try:
            moves[name.strip()] = float(value)
        except ValueError:
            separator = ""
        if not separator:
            raise UsageError(f"{word!r} is not of the form NAME=VALUE.", "For example: --set smile=0.7")
    return moves


def _free_name(stem: str, taken: set[str]) -> str:
    """The stem, numbered when another photo of this call already has it."""
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    taken.add(name)
    return name


@facet.command()
@click.argument("photos", nargs=-1, required=True, type=PHOTO)
@click.option("-o", "--out", required=True, type=PHOTO, help="Folder for the projects.")
@click.option("--face", type=int, help="Which face of a group, 0 the largest.")
@click.option(
    "--also", multiple=True, type=PHOTO, help="Another photo of the same person, for one PHOTO; repeatable."
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
@click.argument("project", type=PHOTO)
@set_option
@click.option("--like", type=PHOTO, help="Take the sliders of another project; --set comes on top.")
@click.option("--reset", is_flag=True, help="Start from the untouched head.")
@click.option(
    "--drag",
    "drags",
    multiple=True,
    metavar="X,Y:X,Y",
    help="Pull a place of the head to another, in widths of the photo's view; repeatable.",
)
@click.option("--both-sides", is_flag=True, help="With --drag: the other side follows like a mirror image.")
@click.option(
    "--paint",
    "paints",
    multiple=True,
    metavar="X,Y[:X,Y…]=COLOUR",
    help="Paint a stroke of colour, in widths of the photo's view: what lies there takes that colour; repeatable.",
)
@click.option(
    "--brush",
    type=click.FloatRange(0.002, 0.2),
    default=0.015,
    show_default=True,
    help="With --paint: radius in widths of the view.",
)
@click.option("-o", "--out", required=True, type=PHOTO, help="Project to write.")
@model_option
@json_option
def edit(
    project: Path, settings, like, reset: bool, drags, both_sides, paints, brush, out: Path, model, as_json
) -> None:
    """Move sliders of PROJECT and save it as another."""
    from dataclasses import replace

    from inversion_core.cli_restore import dragged, painted
    from inversion_core.edit import checked_moves
    from inversion_core.project import load_project, open_project, save_project

    opened, loaded = open_project(project, model)
    moves = {} if reset else dict(opened.moves)
    if like is not None:
        moves = dict(load_project(like, loaded).moves)
    moves = checked_moves({**moves, **moves_of(settings)}, loaded.card.sliders)
    inversion = opened.inversion
    for drag in drags:
        inversion = dragged(loaded, inversion, moves, drag, both_sides)
    coloured = []
    for word in paints:
        inversion, part = painted(loaded, inversion, moves, word, brush)
        coloured.append(part)
    save_project(replace(opened, moves=moves, inversion=inversion), out, loaded)
    record = {"project": str(out), "moves": moves, "coloured": coloured}
    say(record, as_json, lambda: iter([f"{out}  {', '.join(coloured)}".rstrip()]))


def _strength(name: str, default: float):
    return click.option(
        f"--{name}",
        type=click.FloatRange(0, 1),
        default=default,
        show_default=True,
        help="Share of the other.",
    )


@facet.command()
@click.argument("first", type=PHOTO)
@click.argument("other", type=PHOTO)
@_strength("identity", 0.5)
@_strength("appearance", 0.5)
@_strength("expression", 0.0)
@click.option("-o", "--out", required=True, type=PHOTO, help="Project to write.")
@model_option
@json_option
def blend(first: Path, other: Path, identity, appearance, expression, out: Path, model, as_json) -> None:
    """Mix FIRST with OTHER, each a photo or a project."""
    from dataclasses import replace

    from inversion_core import pipeline
    from inversion_core.blend import blend_inversions
    from inversion_core.model import load_model
    from inversion_core.project import Project, load_project, save_project

    loaded = load_model(model)

    def opened(path: Path) -> Project:
        if path.suffix.lower() == ".facet":
            return load_project(path, loaded)
        return Project(run(pipeline.invert(pipeline.open_portrait(path), loaded), path.name))

    project, strengths = opened(first), (identity, appearance, expression)
    mixed = blend_inversions(loaded, project.inversion, opened(other).inversion, *strengths)
    save_project(replace(project, inversion=mixed), out, loaded)
    names = ("identity", "appearance", "expression")
    record = {"project": str(out), **dict(zip(names, strengths, strict=True))}
    say(record, as_json, lambda: iter([str(out)]))


@facet.command()
@click.argument("project", type=PHOTO)
@set_option
@click.option("--yaw", type=float, help="Degrees; positive shows the head's own left side.")
@click.option("--pitch", type=float, help="Degrees; positive looks down on the head.")
@click.option("--size", type=click.IntRange(16, 4096), default=512, show_default=True, help="Pixels a side.")
@click.option("--turntable", is_flag=True, help="A turning head: .mp4, .gif, or a folder of pictures.")
@click.option("--seconds", type=click.FloatRange(0.2, 120), default=4.0, show_default=True)
@click.option("--fps", type=click.FloatRange(1, 120), default=30.0, show_default=True)
@click.option("--transparent", is_flag=True, help="No background (PNG).")
@click.option("-o", "--out", required=True, type=PHOTO)
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


@facet.command()
@click.argument("folder", type=PHOTO)
@click.option("-o", "--out", type=PHOTO, help="Write the table here as markdown.")
@click.option(
    "--assets", type=PHOTO, help="Head assets: also measure held-out synthetic heads against the truth."
)
@click.option("--heads", type=click.IntRange(1, 500), default=12, show_default=True, help="How many of them.")
@model_option
@json_option
def evaluate(folder: Path, out, assets, heads: int, model, as_json: bool) -> None:
    """Invert every photo in FOLDER and measure front, turned views and edits."""
    from inversion_core.evaluate import evaluate_folder
    from inversion_core.image import write_atomic
    from inversion_core.model import load_model
    from inversion_core.quality import markdown

    loaded = load_model(model)
    report = run(evaluate_folder(folder, loaded), "evaluate")
    table, record = markdown(report), report.as_record()
    if assets is not None:
        from dataclasses import asdict

        from inversion_core.training.assets import HeadAssets
        from inversion_core.training.held_out import held_out_table, measure_held_out

        truth = run(measure_held_out(HeadAssets(assets), loaded, heads), "held-out heads")
        table += held_out_table(truth)
        record["held_out"] = asdict(truth)
    if out is not None:
        write_atomic(out, table.encode())
    say(record, as_json, lambda: iter([table]))
    if not report.inverted:
        sys.exit(3)


@facet.command()
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--photo", type=PHOTO, help="Photo to measure with; the sample portrait when left out.")
@click.option("--chart", type=PHOTO, help="Draw the cost curve into this PNG.")
@click.option("--eg3d", is_flag=True, help="Also measure a full-size EG3D network with random weights.")
@click.option("--sdf", is_flag=True, help="Also measure a full-size StyleSDF network with random weights.")
@click.option("-o", "--out", type=PHOTO, help="Write the figures into this Markdown file.")
@model_option
@json_option
def bench(repeats: int, photo, chart, eg3d: bool, sdf: bool, out, model, as_json: bool) -> None:
    """Time everything on this machine and compare with the plain renderer."""
    from inversion_core import pipeline
    from inversion_core.bench import draw_chart, run_bench
    from inversion_core.bench_report import benchmarks_page
    from inversion_core.image import save_image, write_atomic
    from inversion_core.model import load_model
    from inversion_core.sample import NAME, sample_portrait

    portrait = pipeline.open_portrait(photo) if photo else pipeline.open_portrait(sample_portrait(), NAME)
    report = run(run_bench(load_model(model), portrait, repeats=repeats, eg3d=eg3d, sdf=sdf), "bench")
    if out is not None:
        write_atomic(out, benchmarks_page(report).encode())
    if chart is not None:
        save_image(chart, draw_chart(report))
    record = report.as_record()
    say(record, as_json, lambda: (f"{name:28} {value}" for name, value in record.items()))


@facet.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what this installation is made of and what is wrong with it."""
    from inversion_core.doctor import diagnose

    found = diagnose()

    def lines():
        for name, value in found.facts.items():
            yield f"{name:24} {value}"
        yield from (f"PROBLEM: {problem}" for problem in found.problems)
        if not found.problems:
            yield "All is well."

    say({"facts": found.facts, "problems": list(found.problems)}, as_json, lines)
    sys.exit(4 if found.problems else 0)


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
@click.argument("photo", required=False, type=PHOTO)
def gui(photo) -> None:
    """Open the window, on PHOTO if one is given."""
    _window([str(photo)] if photo else [])


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
