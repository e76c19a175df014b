"""The command line's part for measuring: ``facet evaluate``, ``facet bench`` and ``facet doctor``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from inversion_core.cli_options import PATH, json_option, model_option
from inversion_core.console import run, say


@click.command()
@click.argument("folder", type=PATH)
@click.option("-o", "--out", type=PATH, help="Write the table here as markdown.")
@click.option(
    "--assets", type=PATH, help="Head assets: also measure held-out synthetic heads against the truth."
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


@click.command()
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--photo", type=PATH, help="Photo to measure with; the sample portrait when left out.")
@click.option("--chart", type=PATH, help="Draw the cost curve into this PNG.")
@click.option("--eg3d", is_flag=True, help="Also measure a full-size EG3D network with random weights.")
@click.option("--sdf", is_flag=True, help="Also measure a full-size StyleSDF network with random weights.")
@click.option("-o", "--out", type=PATH, help="Write the figures into this Markdown file.")
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


@click.command()
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
