"""How hair grows out from behind the photo's outline while the view turns."""

import numpy as np

from inversion_core.refine.reveal import REACH, hair_trim

SIZE = 200


def test_trim_is_the_mask_inside_and_falls_with_distance_outside():
    masks = np.zeros((SIZE, SIZE, 2), np.float32)
    masks[:, :80, 0] = 1
    masks[:, 40:80, 1] = 0.7
    trim = hair_trim(masks)
    assert np.allclose(trim[:, 40:80], 0.7) and (trim[:, :40] == 0).all()
    steps = np.arange(1, REACH * SIZE)
    assert np.allclose(trim[100, 80 : 80 + len(steps)], -steps / (REACH * SIZE), atol=0.03)
    assert (trim[:, 80 + int(REACH * SIZE) + 1 :] == -1).all()
