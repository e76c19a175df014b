"""The command line's part for StyleSDF and E3DGE: adding the model, training it, comparing its refinements."""

from __future__ import annotations

from pathlib import Path

import click

from inversion_core.cli_options import PATH
from inversion_core.cli_train import train
from inversion_core.console import run
from inversion_core.errors import UsageError


@click.command("add-e3dge")
@click.argument("runner", type=PATH)
@click.argument("generator", type=PATH)
@click.argument("pose", type=PATH)
@click.option(
    "--boundaries", type=PATH, help="Folder of renderer_NAME and decoder_NAME; they become sliders."
)
@click.option("--name", default="stylesdf", show_default=True, help="Of the model.")
def add_e3dge(runner: Path, generator: Path, pose: Path, boundaries: Path | None, name: str) -> None:
    """Add E3DGE as a model: E3DGE_Full_Runner.pt, ffhq1024x1024.pt and ffhq_vol_renderer.pt."""
    from inversion_core.checkpoints.install import models_folder
    from inversion_core.checkpoints.stylesdf_folder import convert_e3dge

    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{name!r} is no name for a model.", "Use letters, digits and hyphens.")
    folder = models_folder() / name
    convert_e3dge(runner, generator, pose, folder, boundaries, name)
    click.echo(str(folder))


def _networks(generator: Path | None, pose: Path | None, seed: int):
    """Sizes, and generator and pose network of official files, or small untrained ones."""
    from inversion_core.checkpoints.stylesdf import E3DGESettings, load_pose_network, load_stylesdf
    from inversion_core.training.e3dge_small import small_networks, small_settings

    if (generator is None) != (pose is None):
        raise UsageError("--generator and --pose belong together.", "Give both files, or neither.")
    if generator is None:
        return small_settings(), small_networks(seed)
    return E3DGESettings(), (load_stylesdf(generator), load_pose_network(pose))


@click.command()
@click.option("--generator", type=PATH, help="StyleSDF's ffhq1024x1024.pt; a small untrained one if none.")
@click.option("--pose", type=PATH, help="StyleSDF's ffhq_vol_renderer.pt, needed with --generator.")
@click.option("--reals", type=PATH, help="Folder of aligned pictures for the discriminator; pairs if none.")
@click.option("--steps", type=click.IntRange(0), default=200_000, show_default=True, help="Of the encoder.")
@click.option("--alignment-steps", type=click.IntRange(0), default=50_000, show_default=True)
@click.option("--hybrid-steps", type=click.IntRange(0), default=50_000, show_default=True)
@click.option("--batch", type=click.IntRange(2), default=4, show_default=True, help="Heads a step.")
@click.option("--rate", type=click.FloatRange(1e-7, 0.1), default=5e-5, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("-o", "--out", required=True, type=PATH, help="Folder for weights and curves.")
def e3dge(
    generator, pose, reals, steps, alignment_steps, hybrid_steps, batch, rate, seed, device, out
) -> None:
    """Train E3DGE's encoders for a StyleSDF generator; goes on where it was stopped."""
    from inversion_core.model import pick_device
    from inversion_core.training.e3dge import E3DGETrainer, E3DGETraining, train_e3dge
    from inversion_core.training.e3dge_reals import PictureFolder

    sizes, networks = _networks(generator, pose, seed)
    settings = E3DGETraining(
        global_steps=steps,
        alignment_steps=alignment_steps,
        hybrid_steps=hybrid_steps,
        batch=batch,
        local_batch=2 * batch,
        learning_rate=rate,
        aligner_rate=2 * rate,
        samples=min(18, sizes.generator.renderer.samples),
        seed=seed,
    )
    chosen = pick_device(device)
    source = PictureFolder(reals, sizes.encoder.image_size, seed) if reals else None
    trainer = E3DGETrainer(*(part.to(chosen) for part in networks), settings, sizes, source)
    before = trainer.held_out_errors()
    run(train_e3dge(trainer, out), "train e3dge")
    after = trainer.held_out_errors()
    for name, value in vars(after).items():
        click.echo(f"{name}: {getattr(before, name):.6f} -> {value:.6f}")
    click.echo(str(out / "runner.pt"))


@train.command("e3dge-refinements")
@click.option("--generator", type=PATH, help="StyleSDF's ffhq1024x1024.pt; a small untrained one if none.")
@click.option("--pose", type=PATH, help="StyleSDF's ffhq_vol_renderer.pt, needed with --generator.")
@click.option("--steps", type=click.IntRange(0), default=100, show_default=True, help="Of the encoder.")
@click.option("--refine-steps", type=click.IntRange(1), default=100, show_default=True, help="Of either.")
@click.option("--batch", type=click.IntRange(2), default=4, show_default=True, help="Heads a step.")
@click.option("--rate", type=click.FloatRange(1e-7, 0.1), default=1e-3, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("-o", "--out", required=True, type=PATH, help="Folder for the table and the weights.")
def refinements(generator, pose, steps, refine_steps, batch, rate, seed, device, out) -> None:
    """Compare a hypernetwork with aligned features, trained as long on the same pairs."""
    from inversion_core.encoders.hypernetwork import HypernetworkSettings
    from inversion_core.model import pick_device
    from inversion_core.training.e3dge import E3DGETrainer, E3DGETraining
    from inversion_core.training.e3dge_refinements import compared_refinements, refinement_table

    sizes, networks = _networks(generator, pose, seed)
    settings = E3DGETraining(
        global_steps=steps,
        alignment_steps=0,
        hybrid_steps=refine_steps,
        batch=batch,
        local_batch=batch,
        learning_rate=rate,
        aligner_rate=2 * rate,
        samples=min(18, sizes.generator.renderer.samples),
        points=1024 if generator else 64,
        seed=seed,
    )
    hyper = HypernetworkSettings() if generator else HypernetworkSettings((16, 32, 48, 64), 64, 2)
    chosen = pick_device(device)
    trainer = E3DGETrainer(*(part.to(chosen) for part in networks), settings, sizes)
    rows = run(compared_refinements(trainer, out, refine_steps, hyper), "refinements")
    click.echo(refinement_table(rows))
