"""The smallest EG3D generator with GOAE, as an installed model's folder; its weights are random."""

from pathlib import Path

import numpy as np
import torch

from inversion_core.checkpoints.load import save_goae
from inversion_core.directions import EditDirection, install_directions
from inversion_core.encoders.goae import GOAEEncoder, GOAESettings
from inversion_core.encoders.swin import SwinSettings
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.triplane import VolumeSettings
from inversion_core.refine.afa import AFA, AFASettings
from inversion_core.refine.goae import GOAE


def tiny_goae_folder(folder: Path, name: str = "small") -> Path:
    """The folder of a model with the sliders "age" and "glass"."""
    torch.manual_seed(0)
    generator = TriPlaneGenerator(
        EG3DSettings(
            z_dim=16,
            w_dim=32,
            plane_resolution=64,
            plane_channels=8,
            channel_base=1024,
            channel_max=16,
            superresolution="SuperresolutionHybrid4X",
            volume=VolumeSettings(depth_resolution=6, depth_resolution_importance=6),
        )
    )
    # A field that is dense in some places and empty in others.
    generator.decoder.net[2].weight.data[0] *= 30
    generator.decoder.net[2].bias.data[0] += 42
    swin = SwinSettings(64, 4, 8, (1, 1, 2, 1), (1, 2, 2, 4), 4, (3, 3, 3, 2))
    encoder = GOAEEncoder(GOAESettings(swin=swin, w_dim=32, levels=(3, 3, 3), hidden=48))
    afa = AFA(AFASettings(stages=(16, 32), blocks=1, channels=16, hidden=24))
    save_goae(GOAE(encoder.eval(), afa.eval(), generator.eval()), folder, name)
    offsets = np.random.default_rng(0).normal(size=(10, 32)).astype(np.float32)
    install_directions(folder, [EditDirection("age", offsets, -2, 2), EditDirection("glass", offsets[::-1])])
    return folder
