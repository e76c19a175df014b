"""``python -m app [PHOTO|PROJECT]``: opens the window; without a file, on the sample portrait.

``--exit-after-first-picture`` closes it once a finished head is drawn, and tells when: what a build is tested with.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.native_dialog import tell
from inversion_core.errors import BadInput, FacetError

USAGE = "usage: python -m app [PHOTO|PROJECT]"
TRIAL = "--exit-after-first-picture"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code, once the window has been closed; 4 where no window can be opened, with a sentence."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    trial = given[:1] == [TRIAL]
    given = given[1:] if trial else given
    if len(given) > 1 or (given and given[0].startswith("-")):
        tell(USAGE)
        return 2
    try:
        from app.system_check import check_system

        check_system()
        if given and not Path(given[0]).is_file():
            raise BadInput(f"{given[0]} does not exist or is no file.", "Give a photo or a .facet project.")
    except FacetError as error:
        tell(f"{error.what}\n{error.hint}")
        return error.exit_code
    return run(given[0] if given else "sample:astronaut", trial)


def run(name: str, trial: bool = False) -> int:
    """Open the window on a file or "sample:NAME" and wait until it is closed, or for a trial until a head is drawn."""
    from PySide6.QtWidgets import QApplication

    from app.collector import Collector
    from app.recover_notice import offer_recovery
    from app.settings import Settings
    from app.translations import install
    from app.window import MainWindow

    application = QApplication.instance() or QApplication(sys.argv[:1])
    application.setApplicationName("Facet")
    application.setOrganizationName("Facet")
    collector = Collector(application)
    install(application)
    settings = Settings()
    keep_log(settings.log)
    window = MainWindow(settings=settings)
    sys.excepthook = window.notices.unexpected
    window.show()
    watch = None
    if trial:
        from app.trial import Trial

        watch = Trial(window)
    if trial or not offer_recovery(window):
        window.open(name)
    code = application.exec()
    collector.stop()
    # The lanes have been closed by the window; flush before the interpreter takes Qt down.
    logging.shutdown()
    return code or (watch.status if watch else 0)


def keep_log(path: Path) -> None:
    """Write warnings and errors of the application to a file that stays small."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=300_000, backupCount=1, encoding="utf-8"
        )
    except OSError:
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("facet")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    logger.info("started, process %d", os.getpid())


if __name__ == "__main__":
    sys.exit(main())
