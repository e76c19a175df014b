"""The inside of the mouth."""

import numpy as np
import pytest

from inversion_core.refine.mouth import beside_the_opening


def test_teeth_beside_an_open_mouth_look_as_in_it_and_far_off_as_the_model_s():
    photo, mouth = np.zeros((512, 512, 3), np.float32), np.zeros((512, 512), np.float32)
    photo[..., 0], mouth[240:270, 200:300] = 0.2, 1
    photo[240:270, 200:300] = 0.9
    uv = np.array([[250, 255], [305, 255], [340, 255]], np.float32) / 512
    colours, close = beside_the_opening(uv, photo, mouth, 0.1)
    assert np.allclose(colours[:2], 0.9, atol=0.02)
    assert close[:, 0] == pytest.approx([1, 1, 0], abs=0.02)
    assert not beside_the_opening(uv, photo, mouth, 0.01)[1].any()
