"""Models from files: official ones, read without running anything in them, and our own folders."""

from inversion_core.checkpoints.load import (
    convert_generator,
    convert_goae,
    load_generator,
    load_goae,
)

__all__ = ["convert_generator", "convert_goae", "load_generator", "load_goae"]
