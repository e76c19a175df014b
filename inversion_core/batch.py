"""A folder of photos to a folder of projects, with a report; it can be stopped and goes on where it was."""

from __future__ import annotations

import csv
import html
import io
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import msgspec
import numpy as np
from numpy.typing import NDArray

from inversion_core import pipeline
from inversion_core.contact_sheet import BACKGROUND, sheet, write_views
from inversion_core.edit import Inversion, checked_moves
from inversion_core.errors import BadInput, FacetError, ImageUnreadable, OutputUnwritable
from inversion_core.image import encode, to_uint8, write_atomic
from inversion_core.model import FaceModel
from inversion_core.project import Project, save_project
from inversion_core.task import Progress, Task

log = logging.getLogger("facet.batch")
PHOTOS = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
    ".jp2",
    ".avif",
    ".heic",
    ".heif",
)
"""Endings of files that count as photos; those that cannot be read are reported."""
DONE, SKIPPED, FAILED = "done", "skipped", "failed"
STRIP = 224
"""Side in pixels of the report's pictures."""
TURN = np.radians(35)


@dataclass(frozen=True)
class BatchOptions:
    """What is made of every photo.

    Attributes:
        moves: sliders for all heads; views: pictures from all sides; mesh: ending of a mesh file, "" for none.
        again: do also what an earlier run has done.
    """

    moves: Mapping[str, float] = field(default_factory=dict)
    views: bool = False
    mesh: str = ""
    again: bool = False


@dataclass(frozen=True)
class BatchEntry:
    """One photo's line in the report.

    Attributes:
        photo: file name; name: of what was made of it; state: "done", "skipped" (by an earlier run) or "failed".
        what, hint: the error's sentences; scores: of the inversion; seconds: it took.
    """

    photo: str
    name: str
    state: str
    what: str = ""
    hint: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class BatchReport:
    """All lines, in the order of the photos' names."""

    entries: tuple[BatchEntry, ...]
    folder: Path
    moves: Mapping[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, or 3 when a photo failed."""
        return BadInput.exit_code if any(entry.state == FAILED for entry in self.entries) else 0

    def count(self, state: str) -> int:
        """How many photos are in a state."""
        return sum(entry.state == state for entry in self.entries)

    def as_record(self) -> dict:
        """For JSON."""
        counts = {state: self.count(state) for state in (DONE, SKIPPED, FAILED)}
        return {"photos": [asdict(entry) for entry in self.entries], "moves": dict(self.moves), **counts}


def photos_in(folder: Path) -> list[tuple[Path, str]]:
    """The folder's photos by name, each with the name that its results get.

    Raises:
        BadInput: there is no such folder, or no photo in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder.", "Give a folder of photos.")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTOS and p.is_file())
    if not found:
        raise BadInput(f"There is no photo in {folder}.", f"Photos end in {', '.join(PHOTOS)}.")
    named, taken = [], set()
    for path in found:
        name, number = path.stem, 2
        while name in taken:
            name, number = f"{path.stem}-{number}", number + 1
        taken.add(name)
        named.append((path, name))
    return named


def run_batch(
    folder: Path, out: Path, model: FaceModel, options: BatchOptions | None = None
) -> Task[BatchReport]:
    """A task that writes ``out/<name>.facet`` for every photo, and report.html, .csv, .json and sheet.jpg.

    The report is written after every photo, so a run that was stopped left one too. A photo that fails is
    reported and the others go on. What an earlier run has done is skipped.

    Raises:
        BadInput: see :func:`photos_in`.
        UsageError: a move names no slider of the model.
        OutputUnwritable: the folder cannot be made or written.
    """
    options = options or BatchOptions()
    options = replace(options, moves=checked_moves(options.moves, model.card.sliders))
    named = photos_in(folder)
    out = Path(out)
    try:
        (out / "pictures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"The folder {out} cannot be made ({error.strerror}).", "Choose another."
        ) from error
    earlier = {} if options.again else _earlier(out, options.moves)
    entries: list[BatchEntry] = []
    for number, (photo, name) in enumerate(named):
        where = f"{number + 1}/{len(named)} {photo.name}"
        known = earlier.get(photo.name)
        if known is not None and _is_done(known, name, photo, out, options):
            entries.append(replace(known, state=SKIPPED))
            yield Progress(number + 1, len(named), where)
            continue
        entries.append((yield from _one(photo, name, out, model, options, number, len(named))))
        write_report(BatchReport(tuple(entries), out, options.moves))
    report = BatchReport(tuple(entries), out, options.moves)
    write_report(report)
    yield Progress(len(named), len(named), "done")
    return report


def _one(photo, name, out, model, options, number: int, total: int) -> Task[BatchEntry]:
    """The entry of one photo; what goes wrong with it is told there."""
    where = f"{number + 1}/{total} {photo.name}"
    try:
        yield Progress(number, total, where)
        portrait = pipeline.open_portrait(photo)
        steps = 1 + options.views + bool(options.mesh)
        task = pipeline.invert(portrait, model)
        inversion = yield from _within(task, number, 0, 1 / steps, total, where)
        _write_pictures(inversion, options.moves, model, out / "pictures" / f"{name}.jpg")
        if options.views:
            task = write_views(inversion, model, out / name)
            yield from _within(task, number, 1 / steps, 2 / steps, total, where)
        if options.mesh:
            from inversion_core.geometry.export import export_mesh

            head = pipeline.edit(inversion, options.moves, model)
            task = export_mesh(head, out / f"{name}.{options.mesh}")
            yield from _within(task, number, 1 - 1 / steps, 1, total, where)
        # The project comes last: where it is, everything is.
        project = Project(inversion, dict(options.moves), inversion.portrait.camera)
        save_project(project, out / f"{name}.facet", model)
        scores = {key: round(float(v), 4) for key, v in inversion.scores.items() if np.isfinite(v)}
        return BatchEntry(photo.name, name, DONE, "", "", scores, round(float(inversion.seconds), 2))
    except OutputUnwritable:
        # The disk is full or the folder went away: the next photos would fare no better.
        raise
    except FacetError as error:
        return BatchEntry(photo.name, name, FAILED, error.what, error.hint)
    except Exception as error:
        log.exception("%s", photo)
        return BatchEntry(photo.name, name, FAILED, f"Something unexpected happened: {error!r}.", "")


def write_report(report: BatchReport) -> None:
    """Write report.json, .csv, .html and, where a photo worked, sheet.jpg into the report's folder.

    Raises:
        OutputUnwritable: it cannot be written.
    """
    folder, record = report.folder, report.as_record()
    write_atomic(folder / "report.json", msgspec.json.format(msgspec.json.encode(record), indent=2))
    scores = sorted({key for entry in report.entries for key in entry.scores})
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["photo", "state", "project", *scores, "seconds", "error", "next step"])
    for entry in report.entries:
        project = "" if entry.state == FAILED else f"{entry.name}.facet"
        own = [entry.scores.get(key, "") for key in scores]
        rows.writerow([entry.photo, entry.state, project, *own, entry.seconds or "", entry.what, entry.hint])
    write_atomic(folder / "report.csv", table.getvalue().encode("utf-8-sig"))
    write_atomic(folder / "report.html", _page(report, scores).encode())
    cells = []
    for entry in report.entries:
        strip = _picture(folder / "pictures" / f"{entry.name}.jpg") if entry.state != FAILED else None
        if strip is not None:
            side = strip.shape[0]
            cells += [(entry.name if i == 0 else "", strip[:, i * side : (i + 1) * side]) for i in range(3)]
    if cells:
        write_atomic(folder / "sheet.jpg", encode(sheet(cells, 6), "JPEG", 88))


def _write_pictures(inversion: Inversion, moves: Mapping[str, float], model: FaceModel, path: Path) -> None:
    """The photo's crop, the head through its camera, and the head turned, side by side."""
    head = pipeline.edit(inversion, moves, model)
    cameras = (inversion.portrait.camera, pipeline.turntable_camera(inversion, TURN, 0.0))
    views = [to_uint8(pipeline.view(head, camera, STRIP, 2).over(BACKGROUND)) for camera in cameras]
    import cv2

    crop = cv2.resize(inversion.portrait.image, (STRIP, STRIP), interpolation=cv2.INTER_AREA)
    write_atomic(path, encode(np.concatenate([crop, *views], 1), "JPEG", 88))


def _picture(path: Path) -> NDArray[np.uint8] | None:
    from inversion_core.image import decode

    try:
        return decode(path.read_bytes(), path.name)
    except (OSError, ImageUnreadable):
        return None


def _earlier(out: Path, moves: Mapping[str, float]) -> dict[str, BatchEntry]:
    """Entries that worked of an earlier run with the same moves, by photo; none where no report can be read."""
    try:
        record = msgspec.json.decode((out / "report.json").read_bytes())
        if record["moves"] != dict(moves):
            return {}
        entries = [msgspec.convert(entry, BatchEntry) for entry in record["photos"]]
    except (OSError, KeyError, TypeError, msgspec.MsgspecError):
        return {}
    return {entry.photo: entry for entry in entries if entry.state != FAILED}


def _is_done(entry: BatchEntry, name: str, photo: Path, out: Path, options: BatchOptions) -> bool:
    wanted = [out / f"{name}.facet"]
    if options.views:
        wanted.append(out / name / "metrics.json")
    if options.mesh:
        wanted.append(out / f"{name}.{options.mesh}")
    if entry.name != name or not all(path.is_file() for path in wanted):
        return False
    return wanted[0].stat().st_mtime >= photo.stat().st_mtime


def _within(task: Task, number: int, start: float, end: float, total: int, where: str) -> Task:
    """The task's result, its progress told as a part of one photo's step."""
    try:
        while True:
            step = next(task)
            done = number + start + (end - start) * step.fraction
            yield Progress(done, total, f"{where}: {step.note}" if step.note else where)
    except StopIteration as stop:
        return stop.value
    finally:
        task.close()


def _page(report: BatchReport, scores: list[str]) -> str:
    counts = ", ".join(f"{report.count(state)} {state}" for state in (DONE, SKIPPED, FAILED))
    head = "".join(f"<th>{html.escape(key)}</th>" for key in scores)
    rows = []
    for entry in report.entries:
        name, own = html.escape(entry.photo), quote(entry.name)
        if entry.state == FAILED:
            told = f"<b>{html.escape(entry.what)}</b> {html.escape(entry.hint)}"
            rows.append(f'<tr class="failed"><td>{name}</td><td colspan="{len(scores) + 3}">{told}</td></tr>')
            continue
        picture = f'<img src="pictures/{own}.jpg" alt="{name}: photo, front, turned" loading="lazy">'
        cells = "".join(
            f"<td>{entry.scores[k]:.3g}</td>" if k in entry.scores else "<td></td>" for k in scores
        )
        link = f'<a href="{own}.facet">{html.escape(entry.name)}.facet</a>'
        rows.append(
            f"<tr><td>{name}</td><td>{picture}</td><td>{link}<br>{entry.state}</td>{cells}"
            f"<td>{entry.seconds:.1f} s</td></tr>"
        )
    return _PAGE.format(counts=counts, head=head, rows="\n".join(rows))


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Facet: batch report</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  background: #f6f5f3; color: #232426; }}
table {{ border-collapse: collapse; width: 100%; background: #fff; }}
th, td {{ padding: .5rem .7rem; text-align: left; border-bottom: 1px solid #ddd; vertical-align: middle; }}
img {{ height: 112px; display: block; border-radius: 4px; }}
.failed td {{ background: #fbeeea; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #191a1c; color: #e6e6e3; }} table {{ background: #212225; }}
  th, td {{ border-color: #36383d; }} a {{ color: #e0a15e; }} .failed td {{ background: #3a2622; }} }}
</style>
<h1>Batch report</h1>
<p>{counts}</p>
<table><tr><th>photo</th><th>photo, front, turned</th><th>project</th>{head}<th>time</th></tr>
{rows}
</table>
</html>
"""
