"""Says before a build on Linux which system libraries the bundle will lack because this machine lacks them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from inversion_core.system_check import missing_packages

if __name__ == "__main__":
    if missing := missing_packages(window=True, screen=True):
        print(
            f"This machine lacks {', '.join(missing)}, so the bundle will expect them on the user's machine.\n"
            f"To take them into it, run first: sudo apt-get install {' '.join(missing)}"
        )
