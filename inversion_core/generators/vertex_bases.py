"""The canonical field read at the template's vertices: linear bases for colours, brows and hair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inversion_core.generators.heads_field import CanonicalField
from inversion_core.generators.template import EYES, SKIN, TEETH, TONGUE, HeadTemplate

THICKEST = 0.06
"""World units that hair stands off the head at most."""


@dataclass(frozen=True)
class VertexBases:
    """What colours a head's V vertices, all sRGB in [0, 1] where mixed by the codes that the field knows.

    Attributes:
        skin: (V, 1 + skin modes, 3), 0 off the skin; loose: (V, 1 + iris modes, 3) of eyes, teeth and tongue.
        brows: (V, brow styles) how much the hairs cover.
        thickness: (V, hair styles) world units; luminance: (V, hair styles), 0.5 is a style's average.
    """

    skin: NDArray[np.float32]
    loose: NDArray[np.float32]
    brows: NDArray[np.float32]
    thickness: NDArray[np.float32]
    luminance: NDArray[np.float32]


@torch.no_grad()
def vertex_bases(template: HeadTemplate, field: CanonicalField) -> VertexBases:
    """The field at the template's canonical vertices; about a second."""
    at = torch.from_numpy(template.canonical)
    skin_basis = np.zeros((len(at), 1 + field.sizes.skin_modes, 3), np.float32)
    loose_basis = np.zeros((len(at), 1 + field.sizes.iris_modes, 3), np.float32)
    brow_basis = np.zeros((len(at), len(field.brows)), np.float32)
    skin = np.flatnonzero(template.part == SKIN)
    basis, brows = field.surface_basis(at[skin])
    skin_basis[skin], brow_basis[skin] = basis.numpy(), brows.numpy()
    for part in (EYES, TEETH, TONGUE):
        index = np.flatnonzero(template.part == part)
        loose = field.part_basis(at[index], part).numpy()
        loose_basis[index, : loose.shape[1]] = loose
    _, _, hair, luminance = field.distances(at)
    # The head lies inside the hair by as much as the hair is thick.
    grown = (template.part == SKIN) & (template.interior < 0.5)
    thickness = np.clip(-hair.numpy(), 0, THICKEST) * grown[:, None]
    return VertexBases(skin_basis, loose_basis, brow_basis, thickness.astype(np.float32), luminance.numpy())


def tame_hair(template: HeadTemplate, thickness: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V, styles) without fringes over the eyes and hair through the ears, which smooth maps make stains of."""
    grown = np.clip(np.maximum(3 * template.scalp, 1.5 * template.mantle - 0.3), 0, 1)
    return (thickness * (grown * (1 - template.ears))[:, None]).astype(np.float32)
