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
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


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
