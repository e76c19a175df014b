"""The smallest generator with codes that still has every part of EG3D."""

from inversion_core.generators.eg3d import EG3DSettings
from inversion_core.generators.triplane import VolumeSettings

TINY_EG3D = EG3DSettings(
    z_dim=12,
    c_dim=0,
    w_dim=16,
    plane_resolution=32,
    plane_channels=4,
    channel_base=256,
    channel_max=8,
    superresolution="FacetSuperresolution2X",
    sr_num_fp16_res=0,
    neural_rendering_resolution=12,
    volume=VolumeSettings(0.9, 2.2, 3.2, 8, 4, white_back=True),
    camera_pivot=(0.0, 0.0, 0.0),
)
