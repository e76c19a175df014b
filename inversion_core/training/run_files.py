"""What a training run leaves in its folder: the state that it goes on from, and its curves."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from inversion_core.errors import CheckpointRefused


def save_run(
    path: Path,
    parts: Mapping[str, Mapping[str, Tensor]],
    optimiser: torch.optim.Optimizer,
    step: int,
    spent: float,
    mark: dict | None = None,
) -> None:
    """Writes all that a run needs to go on, as safetensors with the counters in its header.

    Args:
        parts: named tensors, such as a network's ``state_dict()``, by a prefix without dots, which is not "adam".
        mark: says what it was a run of.
    """
    tensors = {f"{part}.{k}": v.detach().cpu().contiguous() for part in parts for k, v in parts[part].items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": torch.as_tensor(v).cpu().contiguous() for k, v in state.items()}
    partial = path.with_name(path.name + ".part")
    record = {"step": step, "seconds": spent} | ({} if mark is None else {"mark": mark})
    save_file(tensors, str(partial), metadata={"state": json.dumps(record)})
    partial.replace(path)


def restore_run(
    path: Path, optimiser: torch.optim.Optimizer, mark: dict | None = None
) -> tuple[int, float, dict[str, dict[str, Tensor]]]:
    """Steps, seconds and parts of the run that is gone on with, its optimiser restored; (0, 0, {}) without one.

    Raises:
        CheckpointRefused: it was a run of something else than ``mark``.
    """
    if not path.is_file():
        return 0, 0.0, {}
    with safe_open(str(path), framework="pt") as handle:
        state = json.loads(handle.metadata()["state"])
    if state.get("mark") != mark:
        raise CheckpointRefused(
            "The run in this folder has other photos or settings.", "Choose an empty folder."
        )
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in load_file(str(path)).items():
        part, _, key = name.partition(".")
        parts.setdefault(part, {})[key] = value
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in parts.pop("adam", {}).items():
        index, key = name.split(".")
        moments.setdefault(int(index), {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
    return int(state["step"]), float(state["seconds"]), parts


def save_torch(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a dictionary in torch's own format, the official files' one; the file is replaced whole."""
    beside = path.with_name(f".{path.name}")
    torch.save(content, beside)
    beside.replace(path)


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Adds a row to a CSV file, with the names above the first one."""
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def append_losses(path: Path, losses: Iterable[tuple[int, str, float]]) -> None:
    """Adds rows of step, loss and value to a CSV file without a head."""
    with path.open("a", newline="") as file:
        csv.writer(file).writerows(losses)
