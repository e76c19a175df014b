"""``facet train adapt``: encoders learn from a user's own photos, and stay as they were where that does not help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inversion_core.bundled import BundledModel
from inversion_core.checkpoints.cards import CARD
from inversion_core.checkpoints.install import checked_name, model_place, models_folder
from inversion_core.checkpoints.stylesdf_folder import save_e3dge
from inversion_core.errors import UsageError
from inversion_core.generators.template import load_template
from inversion_core.model import BUNDLED, load_model
from inversion_core.stylesdf_model import StyleSDFModel
from inversion_core.task import Task
from inversion_core.training.adapt_e3dge import E3DGEAdapting, adapt_e3dge
from inversion_core.training.adapt_heads import HeadAdapting, adapt_heads, save_adapted
from inversion_core.training.own_photos import REPORT_FILE, Adaptation, open_own_photos


def adapt(
    photos: Sequence[Path],
    out: Path,
    model: Path | None = None,
    name: str | None = None,
    steps: int | None = None,
    share: float = 0.25,
    seed: int = 0,
    device: str = "auto",
    root: Path | None = None,
) -> Task[Adaptation]:
    """How it went; where it helped, the adapted model is among the added ones under ``name``.

    Args:
        photos: files and folders; they are read and never written anywhere but, small, in ``preview.png``.
        out: folder for the run, which goes on where it was stopped; its name is the model's where ``name`` is None.
        model: whose encoders to adapt; the bundled one when None.
        steps: of training; None for the kind's own number.
        share: of the photos that judge and do not train.
        root: where added models live.

    Raises:
        UsageError: the model has no encoder that can be adapted, or the name is taken.
        BadInput: too few photos can be used. OutputUnwritable: ``out`` cannot be written.
        CheckpointRefused: ``out`` holds a run with other photos or settings.
    """
    out = Path(out)
    name = checked_name(name or out.name)
    source = BUNDLED if model is None else model_place(Path(model))
    place = (root or models_folder()) / name
    if (place / CARD).exists() and not (place / REPORT_FILE).exists():
        raise UsageError(f"There is a model named {name!r} already.", "Choose another: --name NAME")
    if place.resolve() == source.resolve():
        raise UsageError("A model cannot be adapted into its own folder.", "Choose another: --name NAME")
    loaded = load_model(source, device)
    if not isinstance(loaded, BundledModel | StyleSDFModel):
        raise UsageError(
            f"{loaded.card.title or loaded.card.name} has no encoder that can be adapted.",
            "Use the bundled model, or one of E3DGE.",
        )
    own = yield from open_own_photos(photos, share, seed)
    if isinstance(loaded, BundledModel):
        settings = HeadAdapting(seed=seed)
        settings = settings if steps is None else replace(settings, steps=steps)
        report, encoder = yield from adapt_heads(loaded, source, own, out, settings)
        if report.kept:
            save_adapted(report, encoder, source, place, name)
    else:
        local = E3DGEAdapting(seed=seed)
        local = local if steps is None else replace(local, steps=steps, local_steps=steps)
        template = load_template(BUNDLED / "geometry.safetensors")
        report, networks = yield from adapt_e3dge(loaded.e3dge, own, template, out, local)
        if report.kept:
            save_e3dge(networks, loaded.boundaries, place, name)
    report = replace(report, model=place if report.kept else None)
    report.write(out)
    if report.kept:
        report.write(place)
    return report
