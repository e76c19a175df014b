"""Icons of the bundle, drawn by resources/icons/draw_icon.py: ``icons.py FOLDER`` writes PNGs, facet.ico and facet.icns."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "resources" / "icons"))

from draw_icon import draw

SIZES = (16, 24, 32, 48, 64, 128, 256)


def write_icons(folder: Path) -> None:
    """Write FOLDER/icons/facet-SIZE.png, FOLDER/facet.ico for Windows and FOLDER/facet.icns for macOS."""
    pictures = {size: draw(size) for size in (*SIZES, 512)}
    (folder / "icons").mkdir(parents=True, exist_ok=True)
    for size, picture in pictures.items():
        picture.save(folder / "icons" / f"facet-{size}.png")
    rest = [pictures[size] for size in SIZES[:-1]]
    pictures[256].save(folder / "facet.ico", sizes=[(size, size) for size in SIZES], append_images=rest)
    others = [pictures[size] for size in (32, 64, 128, 256)]
    pictures[512].save(folder / "facet.icns", append_images=others)


if __name__ == "__main__":
    write_icons(Path(sys.argv[1]))
