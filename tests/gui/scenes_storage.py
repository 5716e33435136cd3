"""Pictures of backup and storage: at rest, while a copy is made, what came of it, a removed folder's way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtTest import QTest

from cret_desktop.engine.protocol import CopyProgress

if TYPE_CHECKING:
    from tests.gui.screenshots import Photographer

READ_MS = 500


def storage(at: Photographer) -> None:
    controller, everyday = at.window.storage, at.window.everyday
    everyday.show_storage()
    dialog = everyday._open["storage"]
    QTest.qWait(READ_MS)  # sizes are read
    at.take("66-storage", dialog)
    controller.under_way = "Backing up"
    controller.changed.emit()
    controller.progressed.emit(CopyProgress(61_000_000, 148_000_000))
    at.take("67-backing-up", dialog)
    controller.under_way = ""
    controller.changed.emit()
    controller.told.emit("Backed up to /media/Backups/CRET Desktop 2026-11-23: 15 videos.")
    at.take("68-backed-up", dialog)
    dialog.close()
    at.window.library.removed.emit(str(at.stage.videos))
    at.take("69-removed")
    at.window.banner.hide()
