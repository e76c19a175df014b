"""The command line's manners: progress bars, JSON, and errors as one sentence with an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from inversion_core.errors import Cancelled, FacetError
from inversion_core.task import Task, finish

T = TypeVar("T")
EXIT_CODES = """\b
Exit codes:
  0  done
  2  the call is wrong (unknown command, option or slider)
  3  bad input (no face, damaged file, output that cannot be written)
  4  something is missing (weights, system libraries)
  5  cancelled
"""


def run(task: Task[T], title: str) -> T:
    """The task's result, with a bar on the terminal while it runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return finish(task)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        row = bar.add_task(title, total=1.0, note="")
        return finish(task, lambda step: bar.update(row, completed=step.fraction, note=step.note))


def say(record: dict[str, Any], as_json: bool, lines: Callable[[], Iterator[str]]) -> None:
    """Print the record as JSON, or the lines for people."""
    if as_json:
        click.echo(json.dumps(record, indent=2, sort_keys=True))
    else:
        for line in lines():
            click.echo(line)


@contextlib.contextmanager
def manners(debug: bool) -> Iterator[None]:
    """Turn every error that a user can meet into a sentence and an exit code."""
    try:
        yield
    except FacetError as error:
        _leave(error.what, error.hint, error.exit_code, debug)
    except KeyboardInterrupt:
        _leave("Cancelled.", "", Cancelled.exit_code, False)
    except BrokenPipeError:
        # The reader of our output went away; say nothing more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        _leave(
            f"The system refused: {error.strerror or error}{place}.",
            "Check the path, its rights and the disk.",
            3,
            debug,
        )


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside, being asked to end (SIGTERM) is Ctrl-C: what is half written is taken away first."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(what: str, hint: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    click.echo(f"facet: {what}" + (f"\n       {hint}" if hint else ""), err=True)
    sys.exit(code)
