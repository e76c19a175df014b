"""E3DGE's heads asked point by point: the photo's local features as its own view has them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from inversion_core.generators.distance_cache import Field
from inversion_core.generators.stylesdf_points import field_of
from inversion_core.refine.e3dge import E3DGEInversion
from inversion_core.refine.e3dge_several import SeveralInversion
from inversion_core.refine.local_features import hybrid_modulation
from inversion_core.task import Progress, Task


@torch.no_grad()
def point_field(inversion: E3DGEInversion | SeveralInversion) -> Task[Field]:
    """A task that gives the field of one head, its local features being those of the photo's own view.

    Of several photos, the first one's. How other views align the photo is left to the network's pictures.
    """
    model, azim, elev = inversion.model, inversion.azim[:1], inversion.elev[:1]
    if isinstance(inversion, SeveralInversion):
        base = inversion.views.base
        first = replace(base, **{name: value[:1] for name, value in vars(base).items()})
        aligned, reference = inversion.aligned_to(first, azim, elev)
        depth = first.depth
    else:
        aligned = model.aligner(inversion.residual, inversion.base.thumb)
        reference, depth = inversion.reference, inversion.base.depth
    yield Progress(1, 2, "aligning the photo")
    query = model.feature_map(aligned, depth, azim, elev)

    def change(points: Tensor, features: Tensor) -> Tensor:
        # Every point as a ray of one sample.
        modulation = hybrid_modulation(
            model.local, model.fusion, reference, query, points.transpose(1, 2)[..., None]
        )
        return modulation(points[:, :, None, None], features[:, :, None, None])[:, :, 0, 0]

    return field_of(model.generator, inversion.codes, azim, elev, change)
