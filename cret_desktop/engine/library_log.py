"""The log in a library's folder, for bug reports."""

from __future__ import annotations

import logging
import logging.handlers
from io import TextIOWrapper

from cret_desktop.engine.log_lines import LineFormatter
from cret_desktop.library_files import LOG, LibraryFiles
from cret_desktop.paths import LibraryPaths

log = logging.getLogger(__name__)


class LibraryLog(logging.handlers.RotatingFileHandler):
    """A log of 1 MB and its predecessor. `LibraryFiles` creates its files, like all others of a library."""

    def __init__(self, files: LibraryFiles) -> None:
        self._files = files
        super().__init__(files.root / LOG, maxBytes=1_000_000, backupCount=1, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        self._files.own(LOG)
        if not self._files.has(LOG):
            self._files.create(LOG)
        return super()._open()

    def doRollover(self) -> None:  # noqa: N802 - its name in the standard library
        if self.stream is not None:
            self.stream.close()
        self._files.rename(LOG, f"{LOG}.1")
        self.stream = self._open()


def log_to(paths: LibraryPaths) -> None:
    """Write this process's log to a small file beside the catalog."""
    try:
        handler = LibraryLog(paths.files)
    except OSError as error:  # for example a link; the library is served all the same
        log.warning("No log is kept in %s: %s", paths.root, error)
        return
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("cret_desktop").addHandler(handler)
