"""The command line's part for official models: ``facet models add``, ``facet sample``, ``facet train goae``."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from inversion_core.cli_options import PATH, json_option
from inversion_core.console import run, say
from inversion_core.errors import BadInput, UsageError


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


@click.command("find-directions")
@click.argument("model", type=PATH)
@click.option(
    "--components", type=click.IntRange(1, 64), help="So many principal components of W (GANSpace)."
)
@click.option("--styles", type=click.IntRange(1, 64), help="So many of the style layers' own (SeFa).")
@click.option("--labels", type=PATH, help="Lines of a seed of facet sample and its score (SVM).")
@click.option("--name", help="Of the attribute in --labels; the file's name when left out.")
@click.option(
    "--without", "others", multiple=True, help="A slider that the new one must not move; repeatable."
)
@json_option
def find_directions(model: Path, components, styles, labels, name, others, as_json: bool) -> None:
    """Find edit directions for an added MODEL and keep them as its sliders."""
    from inversion_core import directions as d
    from inversion_core.checkpoints import load_generator
    from inversion_core.checkpoints.install import checked_name, model_place
    from inversion_core.samples import label_of, official_camera, seeded_codes

    if not (components or styles or labels):
        raise UsageError("There is nothing to find.", "Give --components N, --styles N or --labels FILE.")
    folder = model_place(model)
    if folder.is_file():
        raise UsageError(f"{folder.name} is no added model.", "Add it first: facet models add.")
    generator = load_generator(folder)
    settings = generator.settings
    known = {x.name: x for x in d.installed_directions(folder, generator.num_ws, settings.w_dim)}
    if missing := [other for other in others if other not in known]:
        raise UsageError(
            f"There is no direction {missing[0]!r}.", f"There are: {', '.join(sorted(known)) or 'none'}."
        )
    found: list[d.EditDirection] = []
    if components:
        front = official_camera(0, 0, settings.camera_pivot, settings.camera_radius)
        codes = d.random_codes(generator, 10_000, label_of(front, generator)).cpu().numpy()
        found += d.principal_directions(codes, components, generator.num_ws)
    if styles:
        found += d.weight_directions(generator, styles)
    if labels:
        seeds, scores = labelled_seeds(labels)
        codes = np.array([seeded_codes(generator, seed)[0, 0].cpu().numpy() for seed in seeds])
        attribute = checked_name(name or labels.stem)
        found.append(d.svm_direction(attribute, codes, scores, generator.num_ws))
    found = [d.without(direction, [known[other] for other in others]) for direction in found]
    sliders = d.install_directions(folder, found)
    record = {"model": str(folder), "found": [x.name for x in found], "sliders": [s.name for s in sliders]}
    say(record, as_json, lambda: (f"{x.name}  {x.source}" for x in found))


def labelled_seeds(path: Path) -> tuple[list[int], list[float]]:
    """Seeds and their scores of a text file with one of each in a line.

    Raises:
        BadInput: it cannot be read, or a line is of another form.
    """
    try:
        rows = [line.replace(",", " ").split() for line in path.read_text("utf-8-sig").splitlines()]
        pairs = [(int(seed), float(score)) for seed, score in (row for row in rows if row)]
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}).", "Give a text file.") from error
    except ValueError as error:
        raise BadInput(
            f"{path.name} is no list of labels.", "Each line holds a seed and its score, such as: 12 0.8"
        ) from error
    if any(not 0 <= seed < 1 << 32 for seed, _ in pairs) or len({seed for seed, _ in pairs}) < len(pairs):
        raise BadInput(f"{path.name} names a seed twice, or one that is none.", "Give each seed once.")
    return [seed for seed, _ in pairs], [score for _, score in pairs]


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
    from inversion_core.image import make_folder
    from inversion_core.model import pick_device
    from inversion_core.samples import write_samples

    chosen = numbers(seeds)
    generator = load_generator(model_place(model), pick_device(device))
    make_folder(out)
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
