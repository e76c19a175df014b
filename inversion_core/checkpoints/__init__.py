"""Models from files: official ones, read without running anything in them, and our own folders."""

from inversion_core.checkpoints.load import (
    convert_generator,
    convert_goae,
    load_generator,
    load_goae,
)
from inversion_core.checkpoints.stylesdf import load_e3dge, load_stylesdf

__all__ = ["convert_generator", "convert_goae", "load_e3dge", "load_generator", "load_goae", "load_stylesdf"]
