"""Silence for native libraries that write to standard error whatever one sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def native_stderr_silenced() -> Iterator[None]:
    """Sends file descriptor 2 to nowhere for the time of the block, where there is one.

    MediaPipe's graphs announce their delegates there, in the middle of the command line's progress bars. The
    whole process is silent meanwhile, so keep the block short. Exceptions are not touched.
    """
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
