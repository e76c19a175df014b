"""The whole error family: what went wrong, where, and what to do next.

Every error that a user can meet derives from :class:`FacetError` and carries the exit code that the command
line documents. ``assert`` is for our own invariants only.
"""

from __future__ import annotations


class FacetError(Exception):
    """One sentence that says what is wrong, and one that says what to do next.

    Attributes:
        what: the sentence that states the fact, naming the file or value concerned.
        hint: the next step for the person who reads it.
        exit_code: the process exit code on the command line.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what} {hint}".strip())
        self.what = what
        self.hint = hint


class UsageError(FacetError):
    """The call itself is wrong: an unknown slider, a value that is not a number."""

    exit_code = 2


class BadInput(FacetError):
    """A file or value that was handed in cannot be used."""

    exit_code = 3


class ImageUnreadable(BadInput):
    """The file is no picture, is truncated, or is of a kind that is not decoded."""


class NoFace(BadInput):
    """No face was found, or the requested one does not exist."""


class ProjectUnreadable(BadInput):
    """The .facet file is damaged, foreign, or from a newer version."""


class CheckpointRefused(BadInput):
    """The checkpoint is damaged, hostile, or of an unknown architecture."""


class OutputUnwritable(BadInput):
    """The result cannot be written: folder missing, read-only, or disk full."""


class MissingResource(FacetError):
    """Something that belongs to the installation is not there: weights, a system library."""

    exit_code = 4


class Cancelled(FacetError):
    """The user stopped the job."""

    exit_code = 5
