"""GOAE's official weights -> our modules. Parameter names are the same on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
import torch
from torch import Tensor, nn

from inversion_core.checkpoints.generator_keys import check_shapes
from inversion_core.encoders.goae import GOAEEncoder, GOAESettings
from inversion_core.encoders.swin import WindowAttention, relative_position_index
from inversion_core.errors import CheckpointRefused
from inversion_core.refine.afa import AFA, AFASettings

Settings = TypeVar("Settings", GOAESettings, AFASettings)
Module = TypeVar("Module", bound=nn.Module)


def encoder_with(settings: GOAESettings, tensors: Mapping[str, Tensor]) -> GOAEEncoder:
    """The encoder with these tensors, frozen, ready to evaluate.

    Raises:
        CheckpointRefused: tensors are missing, left over, of other shapes, or point outside their tables.
    """
    encoder = _filled(GOAEEncoder, settings, tensors)
    for name, module in encoder.named_modules():
        if isinstance(module, WindowAttention) and not torch.equal(
            module.relative_position_index, relative_position_index(module.window)
        ):
            raise CheckpointRefused(
                f"{name}.relative_position_index is damaged.",
                "Download the file again from its official source.",
            )
    return encoder


def afa_with(settings: AFASettings, tensors: Mapping[str, Tensor]) -> AFA:
    """The feature alignment with these tensors, frozen, ready to evaluate.

    Raises:
        CheckpointRefused: tensors are missing, left over, or of other shapes.
    """
    return _filled(AFA, settings, tensors)


def settings_from_card(values: object, kind: type[Settings]) -> Settings:
    """Encoder or alignment settings as a card holds them.

    Raises:
        CheckpointRefused: they make no sense.
    """
    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise CheckpointRefused(
            f"The card's settings make no sense ({str(error)[:120]}).", "Convert the model again."
        ) from error


def _filled(kind: type[Module], settings: object, tensors: Mapping[str, Tensor]) -> Module:
    with torch.device("meta"):
        module = kind(settings)
    check_shapes(module, tensors)
    module.load_state_dict(dict(tensors), assign=True)
    return module.eval().requires_grad_(False)
