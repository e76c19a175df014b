"""``facet train``: making the bundled model again, and adapting encoders to a user's own photos."""

from __future__ import annotations

from pathlib import Path

import click

from inversion_core.console import run

FOLDER = click.Path(path_type=Path)


@click.group()
def train() -> None:
    """Make the bundled model again from public head assets, or train encoders."""


assets_option = click.option(
    "--assets", required=True, type=FOLDER, help="Folder of the head assets (docs/training.md)."
)
out_option = click.option(
    "-o", "--out", required=True, type=FOLDER, help="Folder for weights, logs and previews."
)
minutes_option = click.option(
    "--minutes", type=click.FloatRange(0.01, 10000), default=20.0, show_default=True
)
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")


@train.command()
@assets_option
@out_option
@click.option(
    "--heads", type=click.IntRange(90, 20000), default=900, show_default=True, help="Random heads to analyse."
)
@click.option("--seed", type=int, default=0, show_default=True)
def geometry(assets: Path, out: Path, heads: int, seed: int) -> None:
    """Distil the deformable template: topology, identity components, expressions, sliders."""
    from inversion_core.generators.template import save_template
    from inversion_core.training.assets import HeadAssets
    from inversion_core.training.template import build_template

    out.mkdir(parents=True, exist_ok=True)
    template = run(build_template(HeadAssets(assets), heads, seed), "geometry")
    save_template(template, out / "geometry.safetensors")
    click.echo(str(out / "geometry.safetensors"))


@train.command()
@assets_option
@out_option
@minutes_option
@device_option
@click.option("--seed", type=int, default=0, show_default=True)
def canonical(assets: Path, out: Path, minutes: float, device: str, seed: int) -> None:
    """Fit the canonical field: triplanes and decoders for colour, brows, hair and distances."""
    from inversion_core.training.canonical import train_canonical

    out.mkdir(parents=True, exist_ok=True)
    click.echo(str(run(train_canonical(assets, out, minutes, device, seed), "canonical")))


@train.command()
@assets_option
@out_option
@click.option(
    "--size", type=click.IntRange(64, 4096), default=1024, show_default=True, help="Side of the picture."
)
def ageing(assets: Path, out: Path, size: int) -> None:
    """Write the ratio of old to young skin."""
    from inversion_core.training.ageing import build_ageing

    click.echo(str(run(build_ageing(assets, out, size), "ageing")))


@train.command()
@out_option
@minutes_option
@device_option
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--method",
    type=click.Choice(["heads", "psp", "e4e", "restyle", "idinvert", "icgan", "ali", "bigan", "lia"]),
    default="heads",
    show_default=True,
    help="The bundled model's encoder, or a paper's for a generator with codes.",
)
@click.option(
    "--generator",
    type=FOLDER,
    help="Folder of an EG3D-like model for a paper's encoder; else the bundled one.",
)
def encoder(out: Path, minutes: float, device: str, seed: int, method: str, generator) -> None:
    """Train the encoder on pairs that the bundled model renders itself, or one for another generator."""
    from inversion_core.training.encoder import train_encoder

    out.mkdir(parents=True, exist_ok=True)
    if method != "heads":
        from inversion_core.checkpoints.load import load_generator
        from inversion_core.model import pick_device
        from inversion_core.optimise.coded_heads import CodedHeads
        from inversion_core.optimise.generator import CodedGenerator
        from inversion_core.training.style_encoders import train_style_encoder

        coded = CodedHeads()
        if generator is not None:
            coded = CodedGenerator(load_generator(generator, pick_device(device)))
        click.echo(str(run(train_style_encoder(coded, out, method, minutes, seed), method)))
        return
    click.echo(str(run(train_encoder(out, minutes, device, seed), "encoder")))


@train.command("small-generator")
@out_option
@minutes_option
@click.option("--seed", type=int, default=0, show_default=True)
def small_generator(out: Path, minutes: float, seed: int) -> None:
    """Distil a small EG3D generator from the bundled model's heads, for comparing inversion methods."""
    from inversion_core.training.small_generator import train_small_generator

    click.echo(str(run(train_small_generator(out, minutes, seed), "small generator")))


@train.command()
@click.argument("photos", nargs=-1, required=True, type=FOLDER)
@out_option
@click.option("--model", type=FOLDER, help="Whose encoders to adapt; the bundled model's when left out.")
@click.option("--name", help="Of the adapted model; the name of the output folder when left out.")
@click.option("--steps", type=click.IntRange(1), help="Of training; 300, or 200 of each stage for E3DGE.")
@click.option(
    "--held-out",
    type=click.FloatRange(0.05, 0.5),
    default=0.25,
    show_default=True,
    help="Share of the photos that judge and do not train.",
)
@device_option
@click.option("--seed", type=int, default=0, show_default=True)
def adapt(photos, out: Path, model, name, steps, held_out: float, device: str, seed: int) -> None:
    """Adapt the encoder to your own PHOTOS (files or folders); it is kept only where that helps.

    Photos never leave this machine. What was held out of training decides; the result is a model for --model NAME.
    """
    from inversion_core.training import adapt as adapting

    report = run(adapting.adapt(photos, out, model, name, steps, held_out, seed, device), "adapt")
    for sentence in report.refused:
        click.echo(f"left out: {sentence}", err=True)
    click.echo(f"{report.photos - report.held_out} photos trained, {report.held_out} judged.")
    for figure, value in report.after.items():
        click.echo(f"{figure}: {report.before[figure]:.4f} -> {value:.4f}")
    click.echo(report.why)
    if report.model is not None:
        click.echo(f"{report.model}\nUse it: --model {report.model.name}")
