"""Official EG3D generators -> our settings and modules. Parameter names are the same on both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields

import msgspec
import torch
from torch import Tensor

from inversion_core.checkpoints.reader import OfficialModule
from inversion_core.errors import CheckpointRefused
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.resample import low_pass_filter
from inversion_core.generators.superres import SHAPES
from inversion_core.generators.triplane import VolumeSettings

CLASS_NAME = "TriPlaneGenerator"
# Written into the module by some training runs, read by nothing that is used here.
_UNUSED_BUFFERS = {"dataset_label_std"}
_ADVICE = "It is no EG3D generator that this program knows; use an official file."
_LIMITS = {
    "z_dim": (0, 4096),
    "c_dim": (0, 4096),
    "w_dim": (1, 4096),
    "mapping_layers": (1, 64),
    "plane_resolution": (8, 1024),
    "plane_channels": (3, 256),
    "channel_base": (64, 1 << 20),
    "channel_max": (1, 4096),
    "num_fp16_res": (0, 16),
    "sr_num_fp16_res": (0, 16),
    "neural_rendering_resolution": (1, 1024),
}
# Options of the official constructors that only have one meaning here.
_FIXED: dict[str, tuple] = {
    "architecture": ("skip",),
    "resample_filter": ([1, 3, 3, 1],),
    "activation": ("lrelu",),
    "kernel_size": (3,),
    "clamp_mode": ("softplus",),
    "lr_multiplier": (0.01,),
    "embed_features": (),
    "layer_features": (),
}


def settings_from_official(module: OfficialModule) -> EG3DSettings:
    """The settings of an official generator, from its class name, constructor arguments and attributes.

    The attribute ``rendering_kwargs`` wins over the constructor's, as in the official scripts.

    Raises:
        CheckpointRefused: another class, or arguments that are missing, impossible or unknown.
    """
    if module.class_name != CLASS_NAME:
        raise CheckpointRefused(f"The network is a {module.class_name}, not a {CLASS_NAME}.", _ADVICE)
    names = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "sr_num_fp16_res")
    given = dict(
        zip((*names, "mapping_kwargs", "rendering_kwargs", "sr_kwargs"), module.init_args, strict=False)
    )
    given |= module.init_kwargs
    built = _table(given, "rendering_kwargs")
    options = _table(module.attributes, "rendering_kwargs") or built
    mapping, superres = _table(given, "mapping_kwargs"), _table(given, "sr_kwargs")
    for table in (given, built, options, mapping, superres):
        for key, allowed in _FIXED.items():
            value = table.get(key)
            if value is not None and value not in allowed:
                raise CheckpointRefused(f"The network is built with {key} = {str(value)[:40]}.", _ADVICE)
    if given.get("img_channels", 3) != 3:
        raise CheckpointRefused("The network makes pictures of other than three channels.", _ADVICE)
    superresolution = str(built.get("superresolution_module", "")).rpartition(".")[2]
    shape = SHAPES.get(superresolution)
    if shape is None or given.get("img_resolution") != shape.img_resolution:
        raise CheckpointRefused(
            f"The network's super-resolution is {superresolution[:60] or 'not named'}, which is unknown.",
            _ADVICE,
        )
    values = {
        "z_dim": given.get("z_dim"),
        "c_dim": given.get("c_dim"),
        "w_dim": given.get("w_dim"),
        "mapping_layers": mapping.get("num_layers", 8),
        "channel_base": given.get("channel_base", 32768),
        "channel_max": given.get("channel_max", 512),
        "num_fp16_res": given.get("num_fp16_res", 4),
        "conv_clamp": given.get("conv_clamp", 256),
        "use_noise": given.get("use_noise", True),
        "superresolution": superresolution,
        "sr_num_fp16_res": given.get("sr_num_fp16_res", 0),
        "sr_antialias": built.get("sr_antialias", True),
        "superresolution_noise_mode": options.get("superresolution_noise_mode", "none"),
        "decoder_lr_mul": built.get("decoder_lr_mul", 1),
        # Generators without pose conditioning have no c_scale: their label counts for nothing.
        "c_scale": options.get("c_scale", 0),
        "c_gen_conditioning_zero": bool(options.get("c_gen_conditioning_zero", False)),
        "neural_rendering_resolution": module.attributes.get("neural_rendering_resolution", 64),
        "volume": _volume(options),
        "camera_radius": options.get("avg_camera_radius", 2.7),
        "camera_pivot": options.get("avg_camera_pivot", (0, 0, 0)),
    }
    return settings_from_numbers(values)


def settings_from_numbers(values: Mapping) -> EG3DSettings:
    """Checked settings, as a card or an official file gives them.

    Raises:
        CheckpointRefused: a value is missing, of the wrong kind, or out of range.
    """
    try:
        settings = msgspec.convert(dict(values), EG3DSettings)
    except (msgspec.ValidationError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointRefused(
            f"The network's settings make no sense ({str(error)[:120]}).", _ADVICE
        ) from error
    volume = settings.volume
    for name, (low, high) in _LIMITS.items():
        if not low <= getattr(settings, name) <= high:
            raise CheckpointRefused(f"The network's {name} is {getattr(settings, name)}.", _ADVICE)
    floats = [getattr(part, f.name) for part in (settings, volume) for f in fields(part)]
    if not all(math.isfinite(value) for value in floats if isinstance(value, float)):
        raise CheckpointRefused("The network's settings hold numbers that are not finite.", _ADVICE)
    if not (2 <= volume.depth_resolution <= 4096 and 0 <= volume.depth_resolution_importance <= 4096):
        raise CheckpointRefused("The network's samples along a ray are out of range.", _ADVICE)
    if volume.box_warp <= 0 or (volume.ray_start is None) != (volume.ray_end is None):
        raise CheckpointRefused("The network's box or ray limits make no sense.", _ADVICE)
    if settings.channel_base < settings.plane_resolution:
        raise CheckpointRefused("The network's last planes would have no channels.", _ADVICE)
    if settings.plane_resolution & (settings.plane_resolution - 1) or settings.superresolution not in SHAPES:
        raise CheckpointRefused("The network's planes or super-resolution are of an unknown size.", _ADVICE)
    return settings


def settings_as_numbers(settings: EG3DSettings) -> dict:
    """Plain values for a card; :func:`settings_from_numbers` takes them back."""
    return asdict(settings)


def generator_with(settings: EG3DSettings, tensors: Mapping[str, Tensor]) -> TriPlaneGenerator:
    """The generator with these tensors as its parameters, frozen, ready to evaluate.

    Raises:
        CheckpointRefused: tensors are missing, left over, or of other shapes than the settings ask for.
    """
    with torch.device("meta"):
        generator = TriPlaneGenerator(settings)
    tensors = {name: tensor for name, tensor in tensors.items() if name not in _UNUSED_BUFFERS}
    check_shapes(generator, tensors)
    kernel = low_pass_filter()
    for name, tensor in tensors.items():
        if name.endswith("resample_filter") and not torch.allclose(tensor, kernel, atol=1e-6):
            raise CheckpointRefused(f"The network's {name} is not the usual filter.", _ADVICE)
    generator.load_state_dict(tensors, assign=True)
    return generator.eval().requires_grad_(False)


def check_shapes(module: torch.nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Nothing, if the tensors are exactly those that the module needs.

    Raises:
        CheckpointRefused: they are not.
    """
    wanted = module.state_dict()
    if wanted.keys() != tensors.keys():
        missing, extra = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
        example = f"{missing[0]} is missing" if missing else f"{extra[0][:80]} has no place"
        raise CheckpointRefused(
            f"The tensors do not fit: {len(missing)} missing, {len(extra)} left over ({example}).",
            "Use an official file of this architecture.",
        )
    for name, tensor in tensors.items():
        if (
            tensor.shape != wanted[name].shape
            or tensor.is_floating_point() != wanted[name].is_floating_point()
        ):
            raise CheckpointRefused(
                f"{name} is {tuple(tensor.shape)} where the network has {tuple(wanted[name].shape)}.",
                "Use an official file of this architecture.",
            )


def _table(source: Mapping, key: str) -> dict:
    value = source.get(key, {})
    if not isinstance(value, dict):
        raise CheckpointRefused(f"The network's {key} are no table.", _ADVICE)
    return value


def _volume(options: Mapping) -> VolumeSettings | dict:
    start, end = options.get("ray_start"), options.get("ray_end")
    automatic = start == end == "auto"
    return {
        "box_warp": options.get("box_warp"),
        "ray_start": None if automatic else start,
        "ray_end": None if automatic else end,
        "depth_resolution": options.get("depth_resolution"),
        "depth_resolution_importance": options.get("depth_resolution_importance", 0),
        "disparity_space_sampling": bool(options.get("disparity_space_sampling", False)),
        "white_back": bool(options.get("white_back", False)),
        "density_noise": options.get("density_noise") or 0,
    }
