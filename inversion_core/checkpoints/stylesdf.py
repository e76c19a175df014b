"""StyleSDF and E3DGE from their official ``.pt`` files. Parameter names are the same on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from inversion_core.checkpoints.generator_keys import check_shapes
from inversion_core.checkpoints.reader import load_tensors
from inversion_core.errors import CheckpointRefused
from inversion_core.generators.stylesdf import StyleSDF, StyleSDFSettings

MeanLatents = tuple[Tensor, Tensor]
GLOBAL = "renderer.network.netGlobal."


def load_stylesdf(
    path: Path | str,
    mean_latents: MeanLatents | None = None,
    settings: StyleSDFSettings | None = None,
    device: torch.device | str = "cpu",
) -> StyleSDF:
    """The generator ``g_ema`` of an official file, frozen.

    Args:
        mean_latents: renderer (256,) or (9, 256), decoder (512,) or (10, 512); without them, the means
            of 10,000 codes drawn with seed 0: no official file holds them.

    Raises:
        CheckpointRefused: damaged, hostile, or of another architecture.
    """
    tensors = entry(Path(path), read_entries(Path(path)), "g_ema")
    # Inside E3DGE's own model the network sits one level deeper.
    tensors = {name.replace(GLOBAL, "renderer.network."): tensor for name, tensor in tensors.items()}
    with torch.device("meta"):
        generator = StyleSDF(settings)
    fill(generator, tensors)
    generator.set_mean_latents(_checked_means(mean_latents, generator.settings))
    return generator.to(device)


def read_entries(path: Path) -> Mapping:
    """The dictionary that an official file holds.

    Raises:
        CheckpointRefused: damaged, hostile, or something else than a dictionary.
    """
    content = load_tensors(path)
    if not isinstance(content, dict):
        raise CheckpointRefused(f"{path.name} holds no table of networks.", "Give the official file.")
    return content


def entry(path: Path, content: Mapping, name: str) -> dict[str, Tensor]:
    """The named tensors under ``name``, floats in single precision, without ``module.`` in front.

    Raises:
        CheckpointRefused: there is no such entry, or it holds something else.
    """
    found = content.get(name)
    if not isinstance(found, Mapping) or not found:
        raise CheckpointRefused(f"{path.name} has no network under {name!r}.", "Give the official file.")
    result = {}
    for key, value in found.items():
        if type(key) is not str or not isinstance(value, Tensor) or value.layout != torch.strided:
            raise CheckpointRefused(
                f"{path.name}: {name} holds something else than named tensors.", "Give the official file."
            )
        value = value.detach().contiguous()
        result[key.removeprefix("module.")] = value.float() if value.is_floating_point() else value
    return result


def fill(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Puts the tensors into a module made on the meta device, and freezes it.

    Raises:
        CheckpointRefused: tensors are missing, left over, or of other shapes.
    """
    check_shapes(module, tensors)
    module.load_state_dict(dict(tensors), assign=True)
    module.eval().requires_grad_(False)


def _checked_means(means: MeanLatents | None, settings: StyleSDFSettings) -> MeanLatents | None:
    if means is None:
        return None
    styles, ws = settings.renderer.num_styles, settings.decoder.num_ws
    sizes = ((styles, settings.renderer.style_dim), (ws, settings.decoder.w_dim))
    result = []
    for mean, (layers, size) in zip(means, sizes, strict=True):
        mean = torch.as_tensor(mean, dtype=torch.float32)
        if mean.numel() not in (size, layers * size) or mean.shape[-1] != size:
            raise CheckpointRefused(
                f"A mean latent is {tuple(mean.shape)} where ({size},) or ({layers}, {size}) belongs.",
                "Give the means of this generator, or none.",
            )
        result.append(mean.reshape(-1, size))
    return result[0], result[1]
