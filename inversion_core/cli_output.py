"""The command line's part for what leaves Facet: ``facet export`` and ``facet batch``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from inversion_core.cli_options import PATH, json_option, model_option, moves_of, set_option
from inversion_core.console import run, say


@click.command()
@click.argument("project", type=PATH)
@set_option
@click.option("-o", "--out", required=True, type=PATH, help=".obj, .ply or .glb")
@click.option(
    "--kind",
    type=click.Choice(["template", "surface"]),
    help="The model's own topology (default), or marching cubes (default with --resolution or --watertight).",
)
@click.option(
    "--resolution", type=click.IntRange(16, 1024), help="Cells along the longest side for marching cubes."
)
@click.option(
    "--texture-size", type=int, help="Texels across; 0 for vertex colours. 2048 for --kind template, else 0."
)
@click.option("--faces", type=int, default=0, help="Keep about so many triangles; 0 keeps all.")
@click.option("--watertight", is_flag=True, help="Every edge has two triangles; for printing.")
@click.option("--normal-map", is_flag=True, help="With a normal map (GLB, OBJ).")
@click.option("--morphs/--no-morphs", default=True, help="Expressions as morph targets (GLB).")
@click.option("--up", type=click.Choice(["y", "z"]), default="y", show_default=True, help="Axis (OBJ, PLY).")
@click.option(
    "--unit", type=click.Choice(["m", "cm", "mm"]), default="m", show_default=True, help="(OBJ, PLY)"
)
@model_option
@json_option
def export(project, settings, out: Path, model, as_json, kind, resolution, **options) -> None:
    """Write PROJECT's head as a mesh, by default textured, upright and in metres."""
    from inversion_core import pipeline
    from inversion_core.geometry.export import export_mesh
    from inversion_core.geometry.mesh_options import RESOLUTION, MeshOptions, check_options
    from inversion_core.project import open_project

    free = resolution is not None or options["watertight"]
    chosen = MeshOptions(
        kind=kind or ("surface" if free else "template"), resolution=resolution or RESOLUTION, **options
    )
    check_options(chosen, out)
    opened, loaded = open_project(project, model)
    head = pipeline.edit(opened.inversion, {**opened.moves, **moves_of(settings)}, loaded)
    mesh = run(export_mesh(head, out, chosen), "mesh")
    record = {
        "mesh": str(out),
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "texture": 0 if mesh.texture is None else mesh.texture.shape[1],
        "morphs": list(mesh.morphs),
    }
    say(record, as_json, lambda: iter([f"{out}  {len(mesh.vertices)} vertices, {len(mesh.faces)} faces"]))


@click.command()
@click.argument("folder", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="Folder for the projects and the report.")
@set_option
@click.option("--views", is_flag=True, help="Also write pictures from all sides.")
@click.option("--mesh", type=click.Choice(["glb", "obj", "ply"]), help="Also write a mesh of every head.")
@click.option("--again", is_flag=True, help="Do also what an earlier run has done.")
@model_option
@json_option
def batch(folder: Path, out: Path, settings, views: bool, mesh, again: bool, model, as_json) -> None:
    """Turn every photo of FOLDER into a project, with a report; what is done already is skipped.

    Exit code 0 when every photo worked, 3 when one did not (the others are there), 5 when it was cancelled.
    """
    from inversion_core.batch import BatchOptions, run_batch
    from inversion_core.model import load_model

    options = BatchOptions(moves_of(settings), views, mesh or "", again)
    report = run(run_batch(folder, out, load_model(model), options), "batch")

    def lines():
        for entry in report.entries:
            told = entry.what or ", ".join(f"{k} {v:.3g}" for k, v in entry.scores.items())
            yield f"{entry.state:8} {entry.photo}  {told}"
        yield f"{out / 'report.html'}"

    say(report.as_record(), as_json, lines)
    sys.exit(report.exit_code)
