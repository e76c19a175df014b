"""A folder of photos becomes a folder of projects, with a report, and a run that was stopped goes on."""

import csv
import json
import os
import shutil

import pytest
from click.testing import CliRunner

from inversion_core import batch, cli
from inversion_core.batch import DONE, FAILED, SKIPPED, BatchOptions, run_batch
from inversion_core.errors import BadInput, OutputUnwritable, UsageError
from inversion_core.sample import sample_portrait
from inversion_core.task import finish


@pytest.fixture
def folder(tmp_path, monkeypatch, inversion):
    """Two photos that work and one that does not; inverting them is the session's own inversion."""

    def found(portrait, model):
        yield from ()
        return inversion

    monkeypatch.setattr(batch.pipeline, "invert", found)
    monkeypatch.setattr(batch, "STRIP", 48)
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a & b.png").write_bytes(sample_portrait())
    (folder / "c.PNG").write_bytes(sample_portrait())
    (folder / "text.jpg").write_text("Milk, bread, eggs. " * 50)
    (folder / "notes.txt").write_text("no photo")
    return folder


def _states(report):
    return {entry.photo: entry.state for entry in report.entries}


def test_every_photo_is_done_or_told_about(folder, tmp_path, model):
    out = tmp_path / "out"
    told = []
    report = finish(run_batch(folder, out, model, BatchOptions({"smile": 0.5})), told.append)
    assert _states(report) == {"a & b.png": DONE, "c.PNG": DONE, "text.jpg": FAILED}
    assert report.exit_code == 3
    assert (out / "a & b.facet").is_file() and not (out / "text.facet").exists()
    fractions = [step.fraction for step in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    page = (out / "report.html").read_text()
    assert "a &amp; b.png" in page and "a%20%26%20b.facet" in page and "text.jpg" in page
    rows = list(csv.DictReader((out / "report.csv").read_text("utf-8-sig").splitlines()))
    assert [row["state"] for row in rows] == [DONE, DONE, FAILED] and float(rows[0]["psnr"]) > 20
    assert "text.jpg" in rows[2]["error"] and rows[2]["next step"]
    assert (out / "sheet.jpg").stat().st_size > 2000


def test_a_second_run_skips_what_is_done(folder, tmp_path, model, monkeypatch):
    out = tmp_path / "out"
    first = finish(run_batch(folder, out, model))
    (folder / "text.jpg").write_bytes(sample_portrait())
    second = finish(run_batch(folder, out, model))
    assert _states(second) == {"a & b.png": SKIPPED, "c.PNG": SKIPPED, "text.jpg": DONE}
    assert second.exit_code == 0 and second.entries[0].scores == first.entries[0].scores
    # A newer photo, other sliders, or --again are done again.
    os.utime(folder / "c.PNG", (2e9, 2e9))
    assert _states(finish(run_batch(folder, out, model)))["c.PNG"] == DONE
    assert finish(run_batch(folder, out, model, BatchOptions({"age": 1.0}))).count(SKIPPED) == 0
    assert finish(run_batch(folder, out, model, BatchOptions(again=True))).count(SKIPPED) == 0


def test_a_run_that_is_stopped_leaves_a_report_and_goes_on(folder, tmp_path, model):
    out = tmp_path / "out"
    task = run_batch(folder, out, model)
    for step in task:
        if step.note.startswith("2/3"):
            break
    task.close()
    assert [entry["photo"] for entry in json.loads((out / "report.json").read_text())["photos"]] == [
        "a & b.png"
    ]
    assert _states(finish(run_batch(folder, out, model)))["a & b.png"] == SKIPPED


def test_names_that_collide_are_numbered(folder, tmp_path, model):
    shutil.copy(folder / "c.PNG", folder / "c.png")
    report = finish(run_batch(folder, tmp_path / "out", model))
    assert sorted(entry.name for entry in report.entries) == ["a & b", "c", "c-2", "text"]


def test_refusals(folder, tmp_path, model):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "absent", tmp_path / "empty"):
        with pytest.raises(BadInput):
            finish(run_batch(place, tmp_path / "out", model))
    with pytest.raises(UsageError):
        finish(run_batch(folder, tmp_path / "out", model, BatchOptions({"sneer": 1.0})))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable):
        finish(run_batch(folder, tmp_path / "file", model))


@pytest.mark.slow
def test_the_command_writes_meshes_and_says_what_happened(folder, tmp_path, model, monkeypatch):
    monkeypatch.setattr("inversion_core.model.load_model", lambda path=None: model)
    (folder / "c.PNG").unlink()
    words = ["batch", str(folder), "-o", str(tmp_path / "out"), "--mesh", "ply", "--json"]
    done = CliRunner().invoke(cli.facet, words, catch_exceptions=False)
    assert done.exit_code == 3
    record = json.loads(done.stdout)
    assert (record[DONE], record[FAILED]) == (1, 1)
    assert (tmp_path / "out" / "a & b.ply").is_file()
    plain = CliRunner().invoke(cli.facet, [*words[:4], "--mesh", "ply"], catch_exceptions=False)
    assert "skipped" in plain.stdout and "report.html" in plain.stdout
