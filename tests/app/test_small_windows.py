"""What the window shows where there is little room: few columns of cards, short names, one line of status."""

import time
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication

from app.activities import Activity
from app.welcome import ROW, WelcomePage


@pytest.mark.parametrize(("width", "columns"), [(900, ROW), (520, 3), (370, 2), (320, 1)])
def test_cards_fold_into_as_many_columns_as_there_is_room_for(qtbot, width, columns):
    page = WelcomePage()
    qtbot.addWidget(page)
    page.show_files([(f"{i}.facet", f"head {i}", QPixmap(8, 8)) for i in range(6)])
    page.resize(width, 600)
    page.show()
    cards = [page.cards.itemAt(i).widget() for i in range(6)]
    qtbot.waitUntil(lambda: all(card.width() > 1 for card in cards))
    places = [card.mapTo(page.widget(), QPoint()) for card in cards]
    assert len({place.x() for place in places}) == columns
    assert max(place.x() for place in places) + cards[0].width() <= page.viewport().width()


def test_the_window_fits_small_screens(window):
    window.welcome.show_files([(f"{i}.facet", f"head {i}", QPixmap(8, 8)) for i in range(8)])
    window.resize(1024, 700)
    assert (window.width(), window.height()) == (1024, 700)


def test_long_names_push_no_edge(qtbot, window, tmp_path):
    before = window.minimumSizeHint().width()
    photo = tmp_path / ("a_photo_with_a_name_that_nobody_ought_to_give" * 4 + ".jpg")
    photo.write_bytes(b"a face")
    window.open(str(photo))
    qtbot.waitUntil(lambda: window.session.inversion is not None, timeout=10_000)
    assert photo.name not in window.photo.scores.text() and window.photo.scores.toolTip() == photo.name
    activity = Activity("photo", f"Opening {photo.name}", note="carrying colours over the skin")
    window.status.show_activity(replace(activity, fraction=0.3, started=time.monotonic() - 9))
    assert window.status.work.toolTip() == activity.doing
    QApplication.processEvents()
    assert window.minimumSizeHint().width() == before <= 1024


def test_a_message_never_hides_what_runs(window):
    window.status.showMessage("Saved work.facet", 8000)
    window.status.show_activity(Activity("photo", "Opening a.jpg", started=time.monotonic()))
    assert window.status.stop.isVisible() and not window.status.currentMessage()
