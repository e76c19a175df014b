"""The folder of views holds what it promises."""

import json

import numpy as np
import pytest

from inversion_core import contact_sheet
from inversion_core.contact_sheet import clay_picture, normal_picture, save_sheet, sheet, write_views
from inversion_core.errors import OutputUnwritable
from inversion_core.image import read_image
from inversion_core.metrics import iou
from inversion_core.pipeline import edit
from inversion_core.rendering import Rendering
from inversion_core.task import finish

NAMES = {
    *("input.png", "front.png", "mask.png", "person.png", "normals.png", "sheet.png", "metrics.json"),
    *(f"yaw{yaw}.png" for yaw in ("-45", "-30", "-15", "+00", "+15", "+30", "+45")),
}


@pytest.fixture(scope="module")
def folder(inversion, model, tmp_path_factory):
    # Small pictures: what is written where does not depend on their size.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contact_sheet, "SIZE", 128)
        return finish(write_views(inversion, model, tmp_path_factory.mktemp("views") / "new" / "folder"))


def test_every_promised_file_is_there(folder):
    assert {p.name for p in folder.iterdir()} == NAMES


def test_pictures_have_one_size_and_the_sheet_holds_all(folder, inversion):
    assert np.array_equal(read_image(folder / "input.png"), inversion.portrait.image)
    for name in NAMES - {"input.png", "sheet.png", "metrics.json"}:
        assert read_image(folder / name).shape == (128, 128, 3), name
    # Photo, front, seven turned views, form, three edits: thirteen cells, seven a row.
    assert read_image(folder / "sheet.png").shape == (2 * 256, 7 * 256, 3)


def test_mask_and_silhouette_are_masks(folder, inversion):
    mask = read_image(folder / "mask.png")[..., 0]
    assert 0.05 < (mask > 127).mean() < 0.5
    person = read_image(folder / "person.png")[..., 0] / 255
    assert iou(person, inversion.portrait.person[2::4, 2::4]) > 0.9


def test_metrics_are_the_inversion_s(folder, inversion):
    record = json.loads((folder / "metrics.json").read_text())
    assert record["scores"] == pytest.approx(dict(inversion.scores))
    assert record["model"] == "facet-head" and record["seconds"] == inversion.seconds


def test_a_folder_that_cannot_be_made(inversion, model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputUnwritable):
        finish(write_views(inversion, model, tmp_path / "file" / "views"))


def test_cells_keep_their_order_and_blanks_fill_the_last_row():
    cells = [(str(i), np.full((64, 64, 3), 20 * i, np.uint8)) for i in range(4)]
    picture = sheet(cells, columns=3)
    cell = contact_sheet.CELL
    assert picture.shape == (2 * cell, 3 * cell, 3)
    for i in range(4):
        row, column = divmod(i, 3)
        assert (picture[row * cell + 20, column * cell + 20] == 20 * i).all()
    assert (picture[cell + 20, 2 * cell + 20] == np.round(np.array(contact_sheet.BACKGROUND) * 255)).all()


def test_normals_become_colours():
    normals = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]], np.float32)
    depth = np.array([[1, 1, 1, 0]], np.float32)
    rendering = Rendering(np.zeros((1, 4, 3), np.float32), depth, depth, normals)
    picture = normal_picture(rendering)
    assert picture[0].tolist() == [[255, 128, 128], [128, 255, 128], [128, 128, 255], [0, 0, 0]]
    clay = clay_picture(rendering).astype(int)
    assert clay[0, 2].sum() > clay[0, 1].sum() > clay[0, 3].sum()


def test_one_picture_of_a_head_from_all_sides(inversion, model, tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "SIZE", 64)
    path = finish(save_sheet(edit(inversion, {"smile": 1.0}, model), inversion, tmp_path / "sheet.png"))
    picture = read_image(path)
    # Photo, front, seven turned views and the form: ten cells, five a row.
    assert picture.shape == (512, 1280, 3)
    assert picture.reshape(-1, 3).std() > 20
    with pytest.raises(OutputUnwritable):
        finish(save_sheet(edit(inversion, {}, model), inversion, tmp_path / "no" / "sheet.png"))
