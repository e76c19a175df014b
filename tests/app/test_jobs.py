"""Lanes: order, latest wins, stopping, closing."""

from __future__ import annotations

import threading
import time

import pytest
from PySide6.QtCore import QObject, Slot

from app.jobs import Lane, Rest
from inversion_core.task import Progress


class Ear(QObject):
    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self.finished: list[tuple[int, object]] = []
        self.failed: list[tuple[int, Exception]] = []
        self.cancelled: list[int] = []
        self.notes: list[str] = []
        self.threads: set[threading.Thread] = set()
        lane.finished.connect(self.on_finished)
        lane.failed.connect(self.on_failed)
        lane.cancelled.connect(self.on_cancelled)
        lane.progressed.connect(self.on_progress)

    @Slot(int, object)
    def on_finished(self, number, result):
        self.threads.add(threading.current_thread())
        self.finished.append((number, result))

    @Slot(int, object)
    def on_failed(self, number, error):
        self.failed.append((number, error))

    @Slot(int)
    def on_cancelled(self, number):
        self.cancelled.append(number)

    @Slot(int, object)
    def on_progress(self, number, step):
        self.notes.append(step.note)


@pytest.fixture
def lane(qtbot):
    lane = Lane("test")
    yield lane
    assert lane.close(5)


@pytest.fixture
def ear(lane):
    return Ear(lane)


def test_queued_jobs_run_in_order_off_the_main_thread(qtbot, lane, ear):
    names = []

    def work():
        names.append(threading.current_thread().name)
        return len(names)

    numbers = [lane.enqueue(work) for _ in range(5)]
    qtbot.waitUntil(lambda: len(ear.finished) == 5)
    assert ear.finished == list(zip(numbers, range(1, 6), strict=True))
    assert set(names) == {"test"}
    assert ear.threads == {threading.main_thread()}


def test_of_a_burst_the_last_job_arrives_and_none_after_it(qtbot, lane, ear):
    for burst in range(20):
        for i in range(100):
            last = lane.submit(lambda value=(burst, i): value)
        qtbot.waitUntil(lambda last=last: bool(ear.finished) and ear.finished[-1][0] == last)
        assert ear.finished[-1][1] == (burst, 99)


def test_progress_is_told_and_the_generator_returns(qtbot, lane, ear):
    def work():
        yield Progress(0, 2, "first")
        yield Progress(1, 2, "second")
        return "result"

    lane.enqueue(work)
    qtbot.waitUntil(lambda: bool(ear.finished))
    assert ear.notes == ["first", "second"]
    assert ear.finished[0][1] == "result"


def test_cancel_closes_the_generator_and_says_so(qtbot, lane, ear):
    closed = threading.Event()

    def work():
        try:
            while True:
                yield Progress(0, 0, "on and on")
                time.sleep(0.002)
        finally:
            closed.set()

    number = lane.enqueue(work)
    waiting = lane.enqueue(lambda: "never")
    qtbot.waitUntil(lambda: bool(ear.notes))
    started = time.perf_counter()
    lane.cancel()
    qtbot.waitUntil(lambda: ear.cancelled == [number])
    assert time.perf_counter() - started < 1
    assert closed.is_set() and not lane.busy
    assert waiting not in [n for n, _ in ear.finished]


def test_a_rest_ends_when_newer_work_comes(qtbot, lane, ear):
    def work():
        yield Progress(0, 1, "resting")
        yield Rest(30)
        return "late"

    lane.submit(work)
    qtbot.waitUntil(lambda: ear.notes == ["resting"])
    lane.submit(lambda: "new")
    qtbot.waitUntil(lambda: bool(ear.finished), timeout=3000)
    assert [result for _, result in ear.finished] == ["new"]


def test_an_exception_is_told_and_the_lane_goes_on(qtbot, lane, ear):
    def work():
        raise ValueError("broken")

    number = lane.enqueue(work)
    lane.enqueue(lambda: "fine")
    qtbot.waitUntil(lambda: bool(ear.finished))
    assert ear.failed[0][0] == number and str(ear.failed[0][1]) == "broken"
    assert ear.finished[0][1] == "fine"


def test_closing_with_a_running_job_is_quick_and_silent(qtbot):
    lane = Lane("test")
    ear = Ear(lane)

    def work():
        while True:
            yield Progress(0, 0, "busy")
            time.sleep(0.002)

    lane.enqueue(work)
    qtbot.waitUntil(lambda: bool(ear.notes))
    started = time.perf_counter()
    assert lane.close(5)
    assert time.perf_counter() - started < 1
    qtbot.wait(20)
    assert not ear.finished and not ear.failed and not ear.cancelled
