"""A user's own photos as training material: opened and aligned in memory, split in two, never written anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from inversion_core import pipeline
from inversion_core.batch import photos_in
from inversion_core.errors import BadInput, FacetError
from inversion_core.image import read_bytes, write_atomic
from inversion_core.portrait import Portrait
from inversion_core.task import Progress, Task

FEWEST = 4
"""Photos below which a held-out share says nothing."""
REPORT_FILE = "report.json"


@dataclass(frozen=True)
class OwnPhotos:
    """Photos with a usable face.

    Attributes:
        training, held_out: which photo is where follows from its content and the seed alone.
        refused: a sentence for each photo that was left out.
        digest: of all contents, so that a run goes on with the same photos only.
    """

    training: tuple[Portrait, ...]
    held_out: tuple[Portrait, ...]
    refused: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Adaptation:
    """How an adaptation went.

    Attributes:
        kept: whether the adapted networks are better on photos that they were not trained on; why: in a sentence.
        photos, held_out: how many; refused: a sentence for each photo that was left out.
        before, after: figures on the held-out photos and on heads of the generator's own, by name.
        steps, seconds: of training; model: the folder of the adapted model, where it was kept.
    """

    kept: bool
    why: str
    photos: int
    held_out: int
    refused: tuple[str, ...]
    before: dict[str, float]
    after: dict[str, float]
    steps: int
    seconds: float
    model: Path | None

    def as_record(self) -> dict:
        """For JSON."""
        return {**asdict(self), "model": None if self.model is None else str(self.model)}

    def write(self, folder: Path) -> None:
        """Writes ``report.json``."""
        write_atomic(Path(folder) / REPORT_FILE, msgspec.json.format(msgspec.json.encode(self.as_record())))


def open_own_photos(paths: Sequence[Path], share: float = 0.25, seed: int = 0) -> Task[OwnPhotos]:
    """The photos of files and folders, the same photo once, split for training and for judging.

    Args:
        share: of the photos that are held out; one at least.

    Raises:
        BadInput: fewer than four photos can be used, or a path holds none.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        files += [found for found, _ in photos_in(path)] if path.is_dir() else [path]
    found: dict[str, Portrait] = {}
    refused = []
    for number, path in enumerate(files):
        yield Progress(number, len(files), f"opening {path.name}")
        try:
            content = read_bytes(path)
            key = hashlib.sha256(f"{seed}".encode() + content).hexdigest()
            if key not in found:
                found[key] = pipeline.open_portrait(content, path.name)
        except FacetError as error:
            refused.append(f"{path.name}: {error.what}")
    if len(found) < FEWEST:
        raise BadInput(
            f"{len(found)} of {len(files)} photos can be used; adapting needs {FEWEST} at least.",
            refused[0] if refused else "Give more photos, or a folder of them.",
        )
    order = sorted(found)
    count = min(max(round(share * len(order)), 1), len(order) - 2)
    held, training = order[:count], order[count:]
    return OwnPhotos(
        tuple(found[key] for key in training),
        tuple(found[key] for key in held),
        tuple(refused),
        hashlib.sha256("".join(order).encode()).hexdigest(),
    )
