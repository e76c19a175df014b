"""Writes generator pickles in the official layout, by classes of the official names that exist only here.

Everything an official file has is there: persistence records with module source, nested networks, embedded
legacy storages, EasyDicts, plain torch containers, numpy scalars.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import torch

from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator

MODULE_SOURCE = "raise SystemExit('the module source was executed')\n" + "#" * 5000


class EasyDict(dict):
    pass


def _reconstruct_persistent_obj(meta):
    raise AssertionError("pickled by name only")


class Persistent(torch.nn.Module):
    """What the official ``persistent_class`` decorator makes of a module."""

    class_name = ""

    def __reduce__(self):
        meta = {
            "type": "class",
            "version": 6,
            "module_src": MODULE_SOURCE,
            "class_name": self.class_name,
            "state": dict(self.__dict__),
        }
        return _reconstruct_persistent_obj, (meta,)


class OSGDecoder(torch.nn.Module):
    pass


class ImportanceRenderer(torch.nn.Module):
    pass


class MipRayMarcher2(torch.nn.Module):
    pass


class RaySampler(torch.nn.Module):
    pass


_HOMES = {
    "dnnlib.util": (EasyDict,),
    "torch_utils.persistence": (_reconstruct_persistent_obj,),
    "training.triplane": (OSGDecoder,),
    "training.volumetric_rendering.renderer": (ImportanceRenderer,),
    "training.volumetric_rendering.ray_marcher": (MipRayMarcher2,),
    "training.volumetric_rendering.ray_sampler": (RaySampler,),
}


@contextlib.contextmanager
def official_modules():
    """The official module names, importable while a pickle is written."""
    saved = {}
    try:
        for home, members in _HOMES.items():
            parts = home.split(".")
            for depth in range(1, len(parts) + 1):
                name = ".".join(parts[:depth])
                if name not in saved:
                    saved[name] = sys.modules.get(name)
                    sys.modules[name] = types.ModuleType(name)
            for member in members:
                member.__module__ = home
                setattr(sys.modules[home], member.__name__, member)
        yield
    finally:
        for name, module in saved.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def rendering_kwargs(settings: EG3DSettings, **changes) -> EasyDict:
    volume = settings.volume
    return EasyDict(
        {
            "image_resolution": 512,
            "disparity_space_sampling": volume.disparity_space_sampling,
            "clamp_mode": "softplus",
            "superresolution_module": f"training.superresolution.{settings.superresolution}",
            "c_gen_conditioning_zero": settings.c_gen_conditioning_zero,
            "gpc_reg_prob": np.float64(0.8),
            "c_scale": settings.c_scale,
            "superresolution_noise_mode": settings.superresolution_noise_mode,
            "density_reg": 0.25,
            "density_reg_p_dist": 0.004,
            "reg_type": "l1",
            "decoder_lr_mul": settings.decoder_lr_mul,
            "sr_antialias": settings.sr_antialias,
            "white_back": volume.white_back,
            "depth_resolution": volume.depth_resolution,
            "depth_resolution_importance": volume.depth_resolution_importance,
            "ray_start": "auto" if volume.ray_start is None else volume.ray_start,
            "ray_end": "auto" if volume.ray_end is None else volume.ray_end,
            "box_warp": volume.box_warp,
            "avg_camera_radius": settings.camera_radius,
            "avg_camera_pivot": list(settings.camera_pivot),
            **changes,
        }
    )


def init_kwargs(settings: EG3DSettings, **changes) -> dict:
    superres = {"channel_base": settings.channel_base, "channel_max": settings.channel_max}
    return {
        "c_dim": settings.c_dim,
        "img_resolution": {"8XDC": 512, "8X": 512, "4X": 256, "2X": 128, "Deepfp32": 256}[
            settings.superresolution.removeprefix("SuperresolutionHybrid")
        ],
        "img_channels": 3,
        "z_dim": settings.z_dim,
        "w_dim": settings.w_dim,
        "mapping_kwargs": EasyDict(num_layers=settings.mapping_layers),
        "channel_base": settings.channel_base,
        "channel_max": settings.channel_max,
        "num_fp16_res": settings.num_fp16_res,
        "conv_clamp": settings.conv_clamp,
        "fused_modconv_default": "inference_only",
        "rendering_kwargs": rendering_kwargs(settings),
        "sr_num_fp16_res": settings.sr_num_fp16_res,
        "sr_kwargs": EasyDict(**superres, fused_modconv_default="inference_only"),
        **changes,
    }


def official_twin(generator: TriPlaneGenerator, kwargs: dict) -> Persistent:
    """A module tree of the official classes with the generator's tensors."""
    kinds = {"decoder": OSGDecoder, "decoder.net": torch.nn.Sequential, "decoder.net.1": torch.nn.Softplus}

    def twin(module: torch.nn.Module, name: str) -> torch.nn.Module:
        kind = kinds.get(name, Persistent)
        result = kind()
        if kind is Persistent:
            result.class_name = type(module).__name__
            result._init_args, result._init_kwargs = (), {"w_dim": 512}
        result._parameters = dict(module._parameters)
        result._buffers = dict(module._buffers)
        for key, child in module.named_children():
            result._modules[key] = twin(child, f"{name}.{key}".removeprefix("."))
        return result

    root = twin(generator, "")
    root._init_kwargs = kwargs
    root.renderer = ImportanceRenderer()
    root.renderer.ray_marcher = MipRayMarcher2()
    root.renderer.plane_axes = torch.eye(3).repeat(3, 1, 1)
    root.ray_sampler = RaySampler()
    root.neural_rendering_resolution = generator.settings.neural_rendering_resolution
    root.rendering_kwargs = kwargs["rendering_kwargs"]
    root._last_planes = None
    return root.eval().requires_grad_(False)


def _bystander(class_name: str) -> Persistent:
    """One of the file's other networks, with what their attributes hold."""
    other = Persistent()
    other.class_name = class_name
    other.register_buffer("p", torch.ones([]))
    other.weight = torch.nn.Parameter(torch.randn(40, 40))
    other.act_gain, other.size, other.enabled = np.sqrt(2), np.int64(4), np.bool_(True)
    other._init_args, other._init_kwargs = (), EasyDict(xflip=1, scale=np.float32(0.2))
    return other


def write_official(path: Path, generator: TriPlaneGenerator, protocol: int = 4, **changes) -> Path:
    """The path, after writing the generator as an official network pickle there."""
    with official_modules():
        module = official_twin(generator, init_kwargs(generator.settings, **changes))
        with path.open("wb") as stream:
            pickle.dump(
                {
                    "training_set_kwargs": EasyDict(
                        class_name="training.dataset.ImageFolderDataset", xflip=True
                    ),
                    "G": _bystander("TriPlaneGenerator"),
                    "D": _bystander("DualDiscriminator"),
                    "G_ema": module,
                    "augment_pipe": _bystander("AugmentPipe"),
                },
                stream,
                protocol=protocol,
            )
    return path


def tiny_settings(**changes) -> EG3DSettings:
    """Official layout, few channels."""
    return EG3DSettings(**{"channel_base": 1024, "channel_max": 16, **changes})


def tiny_generator(seed: int = 0, **changes) -> TriPlaneGenerator:
    """A seeded generator whose noise, biases and densities all matter."""
    torch.manual_seed(seed)
    generator = TriPlaneGenerator(tiny_settings(**changes))
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.1)
        elif name.endswith("bias"):
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    generator.backbone.mapping.w_avg.normal_(0, 0.3)
    generator.decoder.net[2].weight.data[0] *= 8
    generator.decoder.net[2].bias.data[0] -= 6
    return generator.eval().requires_grad_(False)
