"""The main job without a window: project, views, mesh and turntable of one photo into a folder."""

from __future__ import annotations

from pathlib import Path

import click

from inversion_core.console import manners, run
from inversion_core.image import read_bytes


@click.command()
@click.argument("photo", required=False, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("facet-out"), show_default=True)
def headless(photo: Path | None, out: Path) -> None:
    """Write DIR/<name>.facet, a folder of views, <name>.glb and <name>.mp4 for PHOTO (or the sample portrait)."""
    with manners(debug=False):
        from inversion_core import pipeline
        from inversion_core.contact_sheet import write_views
        from inversion_core.geometry.mesh_files import save_mesh
        from inversion_core.model import load_model
        from inversion_core.project import Project, save_project
        from inversion_core.sample import NAME, sample_portrait
        from inversion_core.turntable import save_turntable

        content, name = (read_bytes(photo), photo.stem) if photo else (sample_portrait(), NAME)
        model = load_model()
        portrait = pipeline.open_portrait(content, photo.name if photo else NAME)
        out.mkdir(parents=True, exist_ok=True)
        inversion = run(pipeline.invert(portrait, model), "inverting")
        save_project(Project(inversion), out / f"{name}.facet", model)
        run(write_views(inversion, model, out / name), "views")
        head = pipeline.edit(inversion, {}, model)
        save_mesh(run(pipeline.sculpt(head), "mesh"), out / f"{name}.glb")
        run(save_turntable(head, out / f"{name}.mp4", inversion), "turntable")
        click.echo(
            f"Written to {out}: {name}.facet, {name}/sheet.png and other views, {name}.glb, {name}.mp4"
        )


if __name__ == "__main__":
    headless()
