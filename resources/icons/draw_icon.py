"""Draws Facet's icon, a head cut like a stone, and the small marks of its controls beside this script."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE, OVER = 256, 4
GROUND = "#232427"
SHADE, ACCENT, GLOW = (92, 52, 20), (224, 161, 94), (255, 238, 214)
LIGHT = np.array([-0.52, -0.50, 0.69])
"""Direction to the light: from the upper left, before the face."""

TURN = 0.62
"""The cosine at which a facet has the accent colour itself."""

# Corners of one half of the head: x from the middle to the right, y down, z towards the onlooker.
CORNERS = {
    "crown": (0, 20, 4),
    "crown_side": (46, 34, -16),
    "temple": (78, 84, -34),
    "forehead": (0, 62, 44),
    "brow_mid": (0, 104, 50),
    "brow": (36, 100, 40),
    "brow_end": (68, 108, 4),
    "eye": (38, 118, 22),
    "eye_in": (16, 120, 32),
    "nose_tip": (0, 152, 88),
    "nose_wing": (18, 156, 44),
    "cheek": (56, 146, 26),
    "ear": (80, 136, -40),
    "lip": (0, 172, 56),
    "mouth": (26, 180, 36),
    "jaw": (66, 188, -16),
    "chin_top": (0, 196, 46),
    "chin": (0, 222, 50),
    "chin_side": (30, 216, 26),
}
FACETS = (
    *(
        "crown crown_side forehead",
        "crown_side brow forehead",
        "crown_side temple brow",
        "temple brow_end brow",
    ),
    *("forehead brow brow_mid", "brow_mid brow eye_in", "brow eye eye_in", "brow brow_end eye"),
    *("brow_mid eye_in nose_tip", "eye_in nose_wing nose_tip", "eye_in eye cheek", "eye_in cheek nose_wing"),
    *("eye brow_end cheek", "brow_end temple ear", "brow_end ear cheek", "nose_tip nose_wing lip"),
    *(
        "nose_wing mouth lip",
        "nose_wing cheek mouth",
        "cheek ear jaw",
        "cheek jaw mouth",
        "lip mouth chin_top",
    ),
    *("mouth chin_side chin_top", "mouth jaw chin_side", "chin_top chin_side chin"),
)


def draw(size: int = SIZE) -> Image.Image:
    """The icon, (size, size) RGBA."""
    scale = size * OVER / SIZE
    image = Image.new("RGBA", (size * OVER, size * OVER))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, size * OVER - 1, size * OVER - 1), 52 * scale, GROUND)
    for facet in FACETS:
        for side in (1, -1):
            corners = np.array([CORNERS[name] for name in facet.split()], float) * (side, 1, 1)
            normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
            normal *= np.sign(normal[2]) / np.linalg.norm(normal)
            # Small icons fill their square a little more.
            across = 1.0 if size >= 40 else 1.17
            points = [((128 + x * across) * scale, (128 + (y - 122) * across) * scale) for x, y, _ in corners]
            colour = _lit(float(normal @ LIGHT))
            # A thin line of the same colour closes the seams between neighbours.
            pen.polygon(points, colour, colour)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _lit(lightness: float) -> tuple[int, int, int]:
    """The colour of a facet whose normal meets the light at this cosine."""
    low, high = (0.0, TURN) if lightness < TURN else (TURN, 1.0)
    from_, to = (SHADE, ACCENT) if lightness < TURN else (ACCENT, GLOW)
    share = min(max((lightness - low) / (high - low), 0.0), 1.0)
    return tuple(round(a + (b - a) * share) for a, b in zip(from_, to, strict=True))


def draw_line(points: tuple[tuple[int, int], ...], colour: str) -> Image.Image:
    """A thick line through points of a square of 26, (26, 26) RGBA."""
    image = Image.new("RGBA", (26 * OVER, 26 * OVER))
    corners = [(x * OVER, y * OVER) for x, y in points]
    ImageDraw.Draw(image).line(corners, colour, 3 * OVER, "curve")
    return image.resize((26, 26), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("facet.png"))
    check = draw_line(((6, 13), (11, 18), (20, 8)), "#1a1410")
    check.save(Path(__file__).with_name("check.png"))
    chevron = draw_line(((4, 9), (13, 18), (22, 9)), "#8a8c92")
    chevron.save(Path(__file__).with_name("chevron.png"))
