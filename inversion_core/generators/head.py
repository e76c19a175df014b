"""A head ready to be drawn: its layers in the current pose, and the light on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inversion_core.drawing import Sheet, Stack, stacked
from inversion_core.generators.template import vertex_normals
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.layer import Layer

HAIR_LEAD = 0.007
"""World units by which hair counts as nearer than it is: what lies close under it must not poke through."""


@dataclass(frozen=True)
class Head:
    """The result of an edit.

    Attributes:
        detail: the photo's contribution, shared by all edits of an inversion.
        head, hair, shell: layers moved to this edit's pose.
        normals: (V, 3) of the head layer; behind: (V,) as in :class:`HeadTemplate`.
        light, hair_light, shell_light: (V, 3) factors on the layers' colours.
        skin_light: (3,) factors on typical skin, for what shines through the hair's edge.
        coarse: (C, 3) coarse vertices, for landmarks and export.
    """

    detail: PhotoDetail
    head: Layer
    hair: Layer
    shell: Layer
    normals: NDArray[np.float32]
    behind: NDArray[np.float32]
    light: NDArray[np.float32]
    hair_light: NDArray[np.float32]
    shell_light: NDArray[np.float32]
    skin_light: NDArray[np.float32]
    coarse: NDArray[np.float32]

    @cached_property
    def hair_normals(self) -> NDArray[np.float32]:
        """(N, 3) of the hair layer in this pose; made once, for all cameras."""
        return vertex_normals(self.hair.vertices, self.hair.faces)

    @cached_property
    def shell_normals(self) -> NDArray[np.float32]:
        """(N, 3) of the shell in this pose; made once, for all cameras."""
        return vertex_normals(self.shell.vertices, self.shell.faces)

    @cached_property
    def stack(self) -> Stack:
        """All layers as one mesh, for drawing; made once, for all cameras."""
        at_its_place = np.zeros(len(self.shell.vertices), np.float32)
        leading = np.full(len(self.hair.vertices), HAIR_LEAD, np.float32)
        return stacked(
            _sheet(self.head, self.light, self.normals, -self.behind),
            _sheet(self.shell, self.shell_light, self.shell_normals, at_its_place),
            _sheet(self.hair, self.hair_light, self.hair_normals, leading),
        )


def _sheet(layer: Layer, light: NDArray, normals: NDArray, nearer: NDArray) -> Sheet:
    return Sheet(layer.vertices, layer.faces, layer.attributes, light, normals, nearer)
