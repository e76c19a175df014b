"""Lanes: one thread each, for work that must not hold up the window."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

log = logging.getLogger("facet.jobs")

Work = Callable[[], Any]
"""Gives the result, or a generator that yields :class:`Progress` or :class:`Rest` and returns the result."""


@dataclass(frozen=True)
class Rest:
    """Yielded by a job that has nothing to do for a while; newer work ends the wait.

    Attributes:
        seconds: the longest wait.
    """

    seconds: float


class Lane(QObject):
    """A queue of jobs with a thread of its own; what it tells arrives in the receiver's thread.

    Every job gets a number; after its number has been cancelled or superseded nothing more is heard of it except
    ``cancelled``. Receivers must be slots of living objects.
    """

    progressed = Signal(int, object)
    """Job number, the Progress it yielded."""
    finished = Signal(int, object)
    """Job number, its result."""
    failed = Signal(int, object)
    """Job number, the exception."""
    cancelled = Signal(int)
    """Number of a job that was running when it was stopped."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wake = threading.Condition()
        self._waiting: deque[tuple[int, Work]] = deque()
        self._stale: set[int] = set()
        self._running = 0
        self._last = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> int:
        """The number of a job that replaces whatever waits or runs: latest wins."""
        with self._wake:
            self._waiting.clear()
            if self._running:
                self._stale.add(self._running)
            return self._put(work)

    def enqueue(self, work: Work) -> int:
        """The number of a job that runs after those before it."""
        with self._wake:
            return self._put(work)

    def cancel(self) -> None:
        """Stop the running job at its next stop point and forget the waiting ones."""
        with self._wake:
            self._waiting.clear()
            if self._running:
                self._stale.add(self._running)
            self._wake.notify_all()

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._wake:
            return bool(self._running or self._waiting)

    def close(self, seconds: float = 10.0) -> bool:
        """Whether the thread has ended; running work is stopped at its next stop point."""
        with self._wake:
            self._closed = True
        self.cancel()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def drain(self, seconds: float) -> bool:
        """Whether all jobs were done within the time; blocks."""
        deadline = time.monotonic() + seconds
        while self.busy and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self.busy

    # ---- on the calling thread, with the condition held -------------------------------------------------------

    def _put(self, work: Work) -> int:
        self._last += 1
        if not self._closed:
            self._waiting.append((self._last, work))
            self._wake.notify_all()
        return self._last

    # ---- on the lane's thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                self._running, work = self._waiting.popleft()
            number = self._running
            try:
                result = work()
                if isinstance(result, Generator):
                    result = self._drive(number, result)
                self._tell(number, self.finished, result)
            except _Stopped:
                with self._wake:
                    quiet = self._closed
                if not quiet:
                    self.cancelled.emit(number)
            except Exception as error:
                log.exception("job %d failed", number)
                self._tell(number, self.failed, error)
            finally:
                with self._wake:
                    self._running = 0
                    self._stale.discard(number)
            del work
            result = None

    def _drive(self, number: int, task: Generator) -> Any:
        try:
            while True:
                step = next(task)
                if isinstance(step, Rest):
                    with self._wake:
                        if number not in self._stale:
                            self._wake.wait_for(lambda: number in self._stale, step.seconds)
                else:
                    self._tell(number, self.progressed, step)
                with self._wake:
                    if number in self._stale:
                        raise _Stopped
        except StopIteration as stop:
            return stop.value
        finally:
            task.close()

    def _tell(self, number: int, signal: Any, value: Any) -> None:
        with self._wake:
            stale = number in self._stale or self._closed
        if stale:
            raise _Stopped
        signal.emit(number, value)


class _Stopped(Exception):
    pass
