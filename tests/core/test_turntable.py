"""Turntables: as many frames as asked, one swing to either side, whole files."""

import av
import numpy as np
import pytest
from PIL import Image

from inversion_core.errors import OutputUnwritable
from inversion_core.image import read_image
from inversion_core.pipeline import edit
from inversion_core.task import finish
from inversion_core.turntable import save_turntable


@pytest.fixture(scope="module")
def head(inversion, model):
    return edit(inversion, {}, model)


def _save(head, inversion, path, steps=None):
    return finish(save_turntable(head, path, inversion, 1.2, 5, 48), steps)


def test_mp4_has_every_frame_at_its_rate(head, inversion, tmp_path):
    steps = []
    assert _save(head, inversion, tmp_path / "turn.mp4", steps.append) == tmp_path / "turn.mp4"
    with av.open(str(tmp_path / "turn.mp4")) as video:
        stream = video.streams.video[0]
        assert float(stream.average_rate) == 5
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(stream)]
    assert len(frames) == 6 and frames[0].shape == (48, 48, 3)
    assert len(steps) == 7 and steps[-1].note == "writing"
    assert [p.name for p in tmp_path.iterdir()] == ["turn.mp4"]


def test_gif_loops_and_lasts_as_long_as_asked(head, inversion, tmp_path):
    _save(head, inversion, tmp_path / "turn.gif")
    with Image.open(tmp_path / "turn.gif") as picture:
        assert picture.info["loop"] == 0
        lasting = []
        for i in range(picture.n_frames):
            picture.seek(i)
            lasting.append(picture.info["duration"])
    # Of six frames the 2nd and 3rd, and the 5th and 6th, are alike: a GIF shows such a pair once, twice as long.
    assert lasting == [200, 400, 200, 400]


def test_a_folder_of_pictures_swings_to_both_sides(head, inversion, tmp_path):
    _save(head, inversion, tmp_path / "frames")
    names = sorted(p.name for p in (tmp_path / "frames").iterdir())
    assert names == [f"{i:04d}.png" for i in range(6)]
    first, left, _, middle, right, _ = (read_image(tmp_path / "frames" / n).astype(int) for n in names)
    # Half way round the head looks ahead again; before and after it shows its two sides.
    assert np.abs(first - middle).max() <= 2
    assert np.abs(left - right).max() > 60


def test_other_endings_are_refused_before_anything_is_drawn(head, inversion, tmp_path):
    with pytest.raises(OutputUnwritable, match=r"turn\.avi"):
        next(save_turntable(head, tmp_path / "turn.avi", inversion))


@pytest.mark.parametrize("name", ["turn.mp4", "turn.gif"])
def test_a_missing_folder_is_an_error_without_leftovers(head, inversion, tmp_path, name):
    with pytest.raises(OutputUnwritable):
        _save(head, inversion, tmp_path / "no" / name)
    assert not list(tmp_path.iterdir())


def test_stopping_half_way_leaves_no_file(head, inversion, tmp_path):
    task = save_turntable(head, tmp_path / "turn.mp4", inversion, 1, 5, 32)
    next(task)
    next(task)
    task.close()
    assert not list(tmp_path.iterdir())
