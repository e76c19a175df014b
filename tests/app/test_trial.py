"""A trial start closes the window by itself once a head is drawn."""

from app.trial import Trial


def test_the_trial_ends_with_the_first_finished_picture(qtbot, opened, capsys, monkeypatch):
    quits = []
    monkeypatch.setattr("app.trial.QApplication.quit", lambda: quits.append(1))
    watch = Trial(opened)
    assert watch.status == 1
    qtbot.waitUntil(lambda: bool(quits), timeout=20_000)
    assert watch.status == 0
    assert capsys.readouterr().out.split() == ["window", "picture"]


def test_a_trial_without_a_picture_fails_in_the_end(qtbot, window, capsys, monkeypatch):
    quits = []
    monkeypatch.setattr("app.trial.QApplication.quit", lambda: quits.append(1))
    monkeypatch.setattr("app.trial.PATIENCE", 0.2)
    watch = Trial(window)
    qtbot.waitUntil(lambda: bool(quits), timeout=5_000)
    assert watch.status == 1
    assert capsys.readouterr().out.split() == ["window"]
