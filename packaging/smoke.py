"""Starts a built bundle as a stranger would and checks what it makes: ``smoke.py BUNDLE_OR_ARCHIVE``.

The bundle runs from a folder with a space in its name, with an empty environment, a home of its own, no Python on
the path and, where the system permits it, without a network.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import trimesh

PATIENCE = 600.0
"""Seconds after which a command is taken to hang."""
WINDOW_SECONDS = 10.0
"""From the start to the window, on two cores: the limit once the machine has the files in memory."""


class Stranger:
    """A person's machine: the bundle in a folder of theirs, a fresh home, and nothing else."""

    def __init__(self, given: Path, place: Path) -> None:
        self.folder = place / "a stranger's folder"
        self.work = self.folder / "my work"
        self.work.mkdir(parents=True)
        self.home = place / "home"
        self.home.mkdir()
        if given.is_dir():
            self.bundle = given.resolve()
        else:
            with tarfile.open(given) as archive:
                archive.extractall(self.folder, filter="data")
            self.bundle = next(path for path in self.folder.iterdir() if path != self.work)
        self.alone = [] if os.name == "nt" else _without_network()

    def command(self, name: str, *words: str) -> list[str]:
        return [*self.alone, str(self.bundle / name), *words]

    def environment(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": "/nowhere", "LC_ALL": "C.UTF-8", **more}

    def run(self, *words: str) -> tuple[str, str]:
        """What the command printed, and how long it took; its errors end the test."""
        start, before = time.monotonic(), _processor_seconds()
        done = subprocess.run(
            self.command("facet", *words),
            cwd=self.work,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if done.returncode != 0:
            sys.exit(f"facet {' '.join(words)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        used = _processor_seconds() - before
        return done.stdout, f"{time.monotonic() - start:.1f} s ({used:.1f} s of processor time)"

    def open_window(self) -> Iterator[tuple[str, float]]:
        """Milestones of the window and their seconds after the start, the last one its end."""
        start = time.monotonic()
        with subprocess.Popen(
            self.command("Facet", "--exit-after-first-picture"),
            cwd=self.work,
            env=self.environment(QT_QPA_PLATFORM="offscreen"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as window:
            for line in window.stdout:
                yield line.strip(), time.monotonic() - start
            said = window.stderr.read()
        if window.returncode != 0:
            sys.exit(f"Facet: exit code {window.returncode}\n{said}")
        yield "closed", time.monotonic() - start


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _without_network() -> list[str]:
    """The words that start a program without a network, where that is permitted here."""
    unshare = shutil.which("unshare")
    for words in (["--net"], ["--map-root-user", "--net"]):
        if unshare and subprocess.run([unshare, *words, "true"], capture_output=True).returncode == 0:
            return [unshare, *words]
    print("The network stays on: this system does not let go of it.")
    return []


def main(given: Path) -> None:
    """Run everything; an error message and exit status 1 at the first thing that is wrong."""
    with tempfile.TemporaryDirectory() as place:
        stranger = Stranger(given, Path(place))
        version, took = stranger.run("--version")
        print(f"{version.strip()}: {took}")

        text, took = stranger.run("doctor", "--json")
        found = json.loads(text)
        assert found["problems"] == [], found["problems"]
        print(f"doctor: all is well, {took}")

        for temper in ("first", "second"):
            before = _processor_seconds()
            milestones = dict(stranger.open_window())
            used = _processor_seconds() - before
            assert {"window", "picture", "closed"} <= set(milestones), milestones
            spoken = ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in milestones.items())
            print(f"{temper} start of the window: {spoken} ({used:.1f} s of processor time)")
        assert milestones["window"] <= WINDOW_SECONDS, milestones

        photo = stranger.work / "my photo.png"
        shutil.copy(next(stranger.bundle.rglob("astronaut.png")), photo)
        for temper in ("first", "second"):
            _, took = stranger.run("invert", photo.name, "-o", "heads", "--json")
            print(f"{temper} inversion: {took}")
        project = "heads/my photo.facet"
        _, took = stranger.run("export", project, "-o", "head.glb")
        print(f"export: {took}")
        check_mesh(stranger.work / "head.glb")
        # The unwrapping runs in a process of its own.
        _, took = stranger.run("export", project, "--watertight", "-o", "closed.ply")
        closed = trimesh.load(stranger.work / "closed.ply", force="mesh", process=True)
        assert closed.is_watertight, "the closed mesh has holes"
        print(f"closed export: {len(closed.faces)} faces, {took}")
        _, took = stranger.run(
            "render", project, "--turntable", "--seconds", "0.3", "--size", "128", "-o", "t.mp4"
        )
        assert (stranger.work / "t.mp4").stat().st_size > 1000
        print(f"turntable: {took}")
        assert not list(stranger.bundle.rglob("__pycache__")), "the bundle wrote into itself"
    print("8 passed, 0 failed")


def check_mesh(path: Path) -> None:
    """A head of a person's size, textured, with faces that all lie on its vertices."""
    scene = trimesh.load(path, force="scene")
    meshes = list(scene.geometry.values())
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    height = float(np.ptp(vertices, axis=0)[1])
    faces = sum(len(mesh.faces) for mesh in meshes)
    assert faces > 1000 and np.isfinite(vertices).all(), (faces, path)
    assert 0.15 < height < 0.9, f"the head is {height} metres high"
    assert any(getattr(mesh.visual, "uv", None) is not None for mesh in meshes), "no texture coordinates"
    print(f"{path.name}: {faces} faces, {height:.2f} m high, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
