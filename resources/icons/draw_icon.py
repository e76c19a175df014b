"""Draws Facet's icon, a head of flat planes, and the small marks of its controls beside this script."""

from pathlib import Path

from PIL import Image, ImageDraw

SIZE, OVER = 256, 4
PLANES = (
    ("#f0c48f", ((128, 22), (72, 52), (128, 84))),
    ("#d9984f", ((128, 22), (184, 52), (128, 84))),
    ("#e0a15e", ((72, 52), (58, 120), (128, 84))),
    ("#b87a38", ((184, 52), (198, 120), (128, 84))),
    ("#f6d9b3", ((58, 120), (128, 84), (114, 148))),
    ("#cf8d45", ((198, 120), (128, 84), (142, 148))),
    ("#ffe9cc", ((128, 84), (114, 148), (142, 148))),
    ("#d9984f", ((58, 120), (114, 148), (86, 200))),
    ("#9c632a", ((198, 120), (142, 148), (170, 200))),
    ("#e8b478", ((114, 148), (142, 148), (128, 236))),
    ("#c4843f", ((86, 200), (114, 148), (128, 236))),
    ("#a86c30", ((170, 200), (142, 148), (128, 236))),
)


def draw() -> Image.Image:
    """The icon, (256, 256) RGBA."""
    image = Image.new("RGBA", (SIZE * OVER, SIZE * OVER))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, SIZE * OVER - 1, SIZE * OVER - 1), 52 * OVER, "#232427")
    for colour, corners in PLANES:
        pen.polygon([(x * OVER, y * OVER) for x, y in corners], colour)
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


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
