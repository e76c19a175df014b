"""Long work as a generator: each ``yield`` is progress, a stop point and an optional preview."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a task is.

    Attributes:
        done: finished steps, in the unit of ``total``.
        total: all steps; 0 when unknown.
        note: what is being done, in a few words.
        preview: something worth showing already (a Rendering), or None.
    """

    done: float
    total: float
    note: str = ""
    preview: Any = None

    @property
    def fraction(self) -> float:
        """Finished share in [0, 1]; 0 when the total is unknown."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


Task = Generator[Progress, None, T]


def finish(task: Task[T], on_progress: Callable[[Progress], None] | None = None) -> T:
    """The task's result, after driving it to its end.

    An exception raised by ``on_progress`` (``Cancelled``, say) closes the task and propagates.
    """
    try:
        while True:
            progress = next(task)
            if on_progress is not None:
                on_progress(progress)
    except StopIteration as stop:
        return stop.value
    finally:
        task.close()


def one_of(task: Task[T], index: int, count: int) -> Task[T]:
    """The task's result; its progress becomes that of item ``index`` among ``count``."""
    try:
        while True:
            step = next(task)
            yield replace(step, done=index + step.fraction, total=count)
    except StopIteration as stop:
        return stop.value
    finally:
        task.close()
