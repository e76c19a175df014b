"""Options that commands share, and what their words mean."""

from __future__ import annotations

from pathlib import Path

import click

from inversion_core.errors import UsageError

PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
model_option = click.option("--model", type=PATH, help="Model folder; the bundled model when left out.")
set_option = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Move a slider; repeatable."
)


def moves_of(settings: tuple[str, ...]) -> dict[str, float]:
    """Slider moves of NAME=VALUE words.

    Raises:
        UsageError: a word is not of that form.
    """
    moves = {}
    for word in settings:
        name, separator, value = word.partition("=")
        try:
            moves[name.strip()] = float(value)
        except ValueError:
            separator = ""
        if not separator:
            raise UsageError(f"{word!r} is not of the form NAME=VALUE.", "For example: --set smile=0.7")
    return moves
