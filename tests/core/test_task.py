"""Tasks: progress out, result at the end, cancelling closes them."""

import pytest

from inversion_core.errors import Cancelled
from inversion_core.task import Progress, finish, one_of


def _counting(upto, closed):
    try:
        for i in range(upto):
            yield Progress(i, upto)
        return upto * 10
    finally:
        closed.append(True)


def test_finish_drives_to_the_result_and_reports_each_step():
    steps, closed = [], []
    assert finish(_counting(4, closed), steps.append) == 40
    assert [step.done for step in steps] == [0, 1, 2, 3]
    assert closed == [True]


def test_an_exception_from_the_listener_closes_the_task_and_goes_on():
    closed = []

    def stop(step):
        if step.done == 2:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        finish(_counting(10, closed), stop)
    assert closed == [True]


def test_fraction_stays_within_bounds():
    assert Progress(1, 4).fraction == 0.25
    assert Progress(9, 4).fraction == 1.0
    assert Progress(3, 0).fraction == 0.0


def test_an_item_s_progress_is_its_share_of_all():
    def item():
        yield Progress(1, 4, "half way")
        return "done"

    seen = []
    assert finish(one_of(item(), 2, 5), seen.append) == "done"
    assert [(step.done, step.total, step.note) for step in seen] == [(2.25, 5, "half way")]
