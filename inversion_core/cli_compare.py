"""``facet compare``: inversion methods side by side."""

from __future__ import annotations

from pathlib import Path

import click

from inversion_core.cli_options import PATH, json_option
from inversion_core.console import run, say

DEFAULT = "facet,w,image2stylegan,pti"


@click.command()
@click.argument("photos", nargs=-1, type=PATH)
@click.option(
    "--generator", type=PATH, help="Folder of an EG3D-like model; without, the bundled model with codes."
)
@click.option("--encoders", type=PATH, help="Folder of trained encoders; the generator's own when left out.")
@click.option(
    "--methods",
    default=DEFAULT,
    show_default=True,
    help="Names with commas between (docs/inversion-methods.md lists them), or: all.",
)
@click.option("--assets", type=PATH, help="Head assets: also compare on held-out heads whose shape is known.")
@click.option("--heads", type=click.IntRange(1, 100), default=3, show_default=True, help="How many of them.")
@click.option(
    "--samples",
    type=click.IntRange(4, 96),
    default=16,
    show_default=True,
    help="Samples on a ray, of EG3D-like models.",
)
@click.option(
    "--size",
    type=click.IntRange(64, 512),
    default=128,
    show_default=True,
    help="Side at which descents see the photo, on the bundled model.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0.05, 100),
    default=1.0,
    show_default=True,
    help="Descents take this many times fewer steps.",
)
@click.option("--round-trip", is_flag=True, help="Also edit, invert again and edit back: twice the time.")
@click.option("-o", "--out", required=True, type=PATH, help="Folder for table, sheet and plot.")
@json_option
def compare(
    photos,
    generator,
    encoders,
    methods: str,
    assets,
    heads,
    samples,
    size,
    speed,
    round_trip,
    out: Path,
    as_json,
) -> None:
    """Invert PHOTOS by every method and measure distortion, editability, other views, time and memory."""
    from inversion_core import pipeline
    from inversion_core.checkpoints.load import load_generator
    from inversion_core.compare import FACET, compare_photos
    from inversion_core.compare_report import (
        comparison_plot,
        comparison_sheet,
        comparison_table,
        target_sentence,
    )
    from inversion_core.encoders import style_pyramid
    from inversion_core.errors import UsageError
    from inversion_core.image import save_image, write_atomic
    from inversion_core.model import load_model
    from inversion_core.optimise.coded_heads import CodedHeads
    from inversion_core.optimise.generator import CodedGenerator
    from inversion_core.optimise.methods import METHODS

    if not photos and assets is None:
        raise UsageError("There is nothing to compare on.", "Give photos, or --assets for synthetic heads.")
    coded = CodedHeads(size=size) if generator is None else CodedGenerator(load_generator(generator), samples)
    folder = encoders or generator
    learned = {
        name: style_pyramid.load_style_encoder(path, coded)
        for name in style_pyramid.METHODS
        if folder is not None and (path := folder / f"encoder-{name}.safetensors").is_file()
    }
    wanted = [name.strip() for name in methods.split(",") if name.strip()]
    if wanted == ["all"]:
        wanted = [FACET, *(m.name for m in METHODS if not m.encoder or m.encoder in learned)]
    portraits, truth = [pipeline.open_portrait(photo) for photo in photos], None
    if assets is not None:
        from inversion_core.training.truth_portraits import truth_portraits

        known = run(truth_portraits(assets, heads), "held-out heads")
        count = len(portraits)
        portraits += [item.portrait for item in known]

        def truth(index, inversion, model):
            if index < count:
                return (float("nan"),) * 3
            item = known[index - count]
            return *item.measured(inversion, model), item.likeness(inversion, model)

    bundled = load_model()
    task = compare_photos(portraits, tuple(wanted), coded, learned, bundled, speed, truth, round_trip)
    result = run(task, "compare")
    table = comparison_table(result)
    sentence = target_sentence(result)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "comparison.md", f"{table}\n{sentence}\n".encode())
    save_image(out / "sheet.png", comparison_sheet(result))
    save_image(out / "plot.png", comparison_plot(result))
    say(
        {**result.as_record(), "target": sentence, "folder": str(out)},
        as_json,
        lambda: iter([table, sentence, str(out)]),
    )
