"""The command line's part for changing heads: ``facet edit`` and ``facet blend``."""

from __future__ import annotations

from pathlib import Path

import click

from inversion_core.cli_options import PATH, json_option, model_option, moves_of, set_option
from inversion_core.cli_restore import dragged, painted
from inversion_core.console import run, say


@click.command()
@click.argument("project", type=PATH)
@set_option
@click.option("--like", type=PATH, help="Take the sliders of another project; --set comes on top.")
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
@click.option("-o", "--out", required=True, type=PATH, help="Project to write.")
@model_option
@json_option
def edit(
    project: Path, settings, like, reset: bool, drags, both_sides, paints, brush, out: Path, model, as_json
) -> None:
    """Move sliders of PROJECT and save it as another."""
    from dataclasses import replace

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


@click.command()
@click.argument("first", type=PATH)
@click.argument("other", type=PATH)
@_strength("identity", 0.5)
@_strength("appearance", 0.5)
@_strength("expression", 0.0)
@click.option("-o", "--out", required=True, type=PATH, help="Project to write.")
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
