"""The command line's part for official models: ``facet models add``, ``facet sample``, ``facet train goae``."""

from __future__ import annotations

from pathlib import Path

import click

from inversion_core.console import run, say
from inversion_core.errors import UsageError

PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


def numbers(words: str) -> list[int]:
    """The seeds of a list such as "0-3,7".

    Raises:
        UsageError: it is of another form, or names more than a thousand.
    """
    found: list[int] = []
    for word in words.split(","):
        first, separator, last = word.strip().partition("-")
        if not first.isdecimal() or (separator and not last.isdecimal()):
            raise UsageError(f"{words!r} is no list of seeds.", "For example: --seeds 0-3,7")
        start, end = int(first), int(last) if separator else int(first)
        if not 0 <= end - start < 1000 or end >= 1 << 32:
            raise UsageError(f"{words!r} is no usable range of seeds.", "Give up to a thousand, rising.")
        found += range(start, end + 1)
    return found


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--name", help="Name of the model; the generator's file name (E3DGE: stylesdf) when left out.")
@json_option
def add(files: tuple[Path, ...], name: str | None, as_json: bool) -> None:
    """Add official FILES as a model: EG3D (.pkl), GOAE (.pt, both), directions (.npy); or E3DGE (.pt, all three,
    and the folder of its boundaries)."""
    from inversion_core.checkpoints.companions import identified, install_parts
    from inversion_core.model import read_card

    folder = install_parts(identified(files), name or "")
    card = read_card(folder)
    record = {
        "name": card.name,
        "kind": card.kind,
        "folder": str(folder),
        "sliders": [s.name for s in card.sliders],
    }
    say(record, as_json, lambda: (f"{card.title}: {folder}", *(f"  {s.name}" for s in card.sliders)))


@click.command()
@click.option("--model", required=True, type=PATH, help="An added model, its folder, or an EG3D .pkl.")
@click.option("--seeds", default="0", show_default=True, help="Such as 0-3,7.")
@click.option("--trunc", "truncation_psi", type=float, default=1.0, show_default=True)
@click.option("--trunc-cutoff", "truncation_cutoff", type=click.IntRange(0), help="Codes that are truncated.")
@click.option("--shapes", is_flag=True, help="Also write the volume (.mrc) and its surface (.ply).")
@click.option("--shape-resolution", type=click.IntRange(16, 1024), default=512, show_default=True)
@click.option("--video", "video_frames", type=click.IntRange(0), default=0, help="Frames of an orbit (.mp4).")
@click.option(
    "-o", "--out", type=PATH, default=Path("samples"), show_default=True, help="Folder for the files."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@json_option
def sample(model: Path, seeds: str, out: Path, device: str, as_json: bool, **options) -> None:
    """Pictures, shapes and orbits of random heads, as EG3D's own script makes them."""
    from inversion_core.checkpoints import load_generator
    from inversion_core.checkpoints.install import model_place
    from inversion_core.errors import OutputUnwritable
    from inversion_core.model import pick_device
    from inversion_core.samples import write_samples

    chosen = numbers(seeds)
    generator = load_generator(model_place(model), pick_device(device))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"{out} cannot be made ({error.strerror}).", "Choose another folder."
        ) from error
    written = run(write_samples(generator, out, chosen, **options), "sample")
    record = [
        {
            "seed": w.seed,
            **{k: str(v) for k in ("picture", "volume", "mesh", "video") if (v := getattr(w, k))},
        }
        for w in written
    ]
    say({"samples": record}, as_json, lambda: (str(w.picture) for w in written))


@click.command()
@click.option(
    "--model", required=True, type=PATH, help="The generator: an added model, its folder, or a .pkl."
)
@click.option(
    "--photos", type=PATH, help="Folder in EG3D's data set layout; the generator's own pictures if none."
)
@click.option("--steps", type=click.IntRange(1), default=100_000, show_default=True, help="Of the encoder.")
@click.option("--alignment-steps", type=click.IntRange(0), default=50_000, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=4, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("-o", "--out", required=True, type=PATH, help="Folder for weights, curves and previews.")
def goae(
    model: Path, photos, steps: int, alignment_steps: int, batch: int, seed: int, device: str, out: Path
) -> None:
    """Train GOAE's encoder and feature alignment for an EG3D generator; goes on where it was stopped."""
    from dataclasses import replace

    from inversion_core.checkpoints import load_generator
    from inversion_core.checkpoints.install import model_place
    from inversion_core.model import pick_device
    from inversion_core.training.goae import GOAETraining, shortened, train_goae
    from inversion_core.training.goae_portraits import GeneratedPortraits, PhotoFolder

    generator = load_generator(model_place(model), pick_device(device))
    settings = replace(shortened(GOAETraining(), steps, alignment_steps), batch=batch, seed=seed)
    side = generator.superresolution.shape.img_resolution
    source = PhotoFolder(photos, side, seed) if photos else GeneratedPortraits(generator, seed=seed)
    run(train_goae(generator, source, out, settings, name=out.name), "train goae")
    click.echo(str(out / "model"))
