"""Pictures -> a video file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from inversion_core.errors import OutputUnwritable


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float = 60.0, crf: int = 17) -> int:
    """How many frames were written to the H.264 MP4; the file appears when it is complete.

    Args:
        frames: (H, W, 3) uint8 of one size; an odd row or column at the end is dropped.
        crf: constant rate factor; lower is better and larger.

    Raises:
        OutputUnwritable: missing folder, no permission, disk full, no frame.
    """
    path, count = Path(path), 0
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            beside = Path(folder) / "video.mp4"
            with av.open(str(beside), "w", options={"movflags": "+faststart"}) as container:
                stream = None
                for frame in frames:
                    even = np.ascontiguousarray(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])
                    if stream is None:
                        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                        stream.height, stream.width = even.shape[:2]
                        stream.pix_fmt, stream.options = "yuv420p", {"crf": str(crf)}
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
                    count += 1
                if stream is not None:
                    container.mux(stream.encode())
            if count:
                beside.replace(path)
    except (OSError, av.FFmpegError) as error:
        raise OutputUnwritable(
            f"{path} cannot be written ({getattr(error, 'strerror', None) or error}).",
            "Choose a folder that exists, that you may write to, and that has room.",
        ) from error
    finally:
        with contextlib.suppress(AttributeError):
            frames.close()
    if not count:
        raise OutputUnwritable(f"{path} would have no frame.", "Ask for at least one frame.")
    return count
