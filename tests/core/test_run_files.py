"""A run's state comes back as it was, and only to the run that it is of."""

import csv

import pytest
import torch

from inversion_core.errors import CheckpointRefused
from inversion_core.training.run_files import append_losses, append_row, restore_run, save_run, save_torch


def _started(steps):
    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    optimiser = torch.optim.Adam(net.parameters(), 0.1)
    _go_on(net, optimiser, steps)
    return net, optimiser


def _go_on(net, optimiser, steps):
    for _ in range(steps):
        optimiser.zero_grad()
        net(torch.ones(2, 3)).square().sum().backward()
        optimiser.step()


def test_a_restored_run_is_the_unbroken_one(tmp_path):
    path = tmp_path / "state.safetensors"
    net, optimiser = _started(2)
    save_run(path, {"net": net.state_dict(), "kept": {"deep.name": torch.arange(3)}}, optimiser, 2, 1.5)
    _go_on(net, optimiser, 3)
    other, again = _started(0)
    step, spent, parts = restore_run(path, again)
    assert (step, spent) == (2, 1.5)
    assert set(parts) == {"net", "kept"}
    assert parts["kept"]["deep.name"].tolist() == [0, 1, 2]
    other.load_state_dict(parts["net"])
    _go_on(other, again, 3)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_run_without_a_file_begins(tmp_path):
    assert restore_run(tmp_path / "none.safetensors", _started(0)[1]) == (0, 0.0, {})


def test_a_run_of_something_else_is_refused(tmp_path):
    net, optimiser = _started(1)
    path = tmp_path / "state.safetensors"
    save_run(path, {"net": net.state_dict()}, optimiser, 1, 0.1, {"photos": "a"})
    assert restore_run(path, optimiser, {"photos": "a"})[0] == 1
    for mark in (None, {"photos": "b"}):
        with pytest.raises(CheckpointRefused):
            restore_run(path, optimiser, mark)


def test_curves_grow(tmp_path):
    for step in (1, 2):
        append_row(tmp_path / "rows.csv", {"step": step, "loss": 0.5})
        append_losses(tmp_path / "losses.csv", [(step, "latent", 0.25)])
    assert list(csv.reader((tmp_path / "rows.csv").open())) == [["step", "loss"], ["1", "0.5"], ["2", "0.5"]]
    assert (tmp_path / "losses.csv").read_text().split() == ["1,latent,0.25", "2,latent,0.25"]


def test_the_official_format_is_written_whole(tmp_path):
    save_torch(tmp_path / "runner.pt", {"iter": 7})
    assert torch.load(tmp_path / "runner.pt", weights_only=True) == {"iter": 7}
    assert [p.name for p in tmp_path.iterdir()] == ["runner.pt"]
