"""What the operating system must provide, and the exact line that installs what is missing. Standard library only."""

from __future__ import annotations

import ctypes
import sys

NEEDED = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
}
"""Libraries that decoding pictures, finding faces and drawing windows open, and Debian's packages for them."""
WINDOW_NEEDED = {
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
}
SCREEN_NEEDED = {
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
"""What Qt's plugin for X11 loads when a window opens."""


def missing_packages(window: bool, screen: bool = False) -> list[str]:
    """Debian packages that this machine lacks; none are looked for outside Linux."""
    if not sys.platform.startswith("linux"):
        return []
    wanted = NEEDED | (WINDOW_NEEDED if window else {}) | (SCREEN_NEEDED if screen else {})
    missing = []
    for library, package in wanted.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    return missing


def main() -> int:
    """Print what is missing; exit status 4 if anything is."""
    missing = missing_packages("--window" in sys.argv, "--screen" in sys.argv)
    if missing:
        print(
            "Facet needs system libraries that are not installed. On Debian or Ubuntu, run:", file=sys.stderr
        )
        print(f"  sudo apt-get install {' '.join(missing)}", file=sys.stderr)
    return 4 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
