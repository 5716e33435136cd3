"""The program's purpose, version, licences and privacy statement. Reads one file."""

from __future__ import annotations

import platform

from PySide6.QtCore import Qt, QUrl, qVersion
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QTextBrowser, QVBoxLayout, QWidget

from cret_desktop import paths
from cret_desktop.gui.appearance.theme import SPACE
from cret_desktop.gui.shell import other_programs

ICON = 64


class AboutDialog(QDialog):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("About CRET Desktop"))
        self.resize(680, 560)
        picture = QLabel()
        picture.setPixmap(self.windowIcon().pixmap(ICON, ICON))
        title = QLabel(paths.APP_NAME)
        title.setProperty("kind", "title")
        self.versions = QLabel(
            self.tr("Version {version} \u00b7 Python {python} \u00b7 Qt {qt}").format(
                version=paths.version(), python=platform.python_version(), qt=qVersion()
            ),
            wordWrap=True,
        )
        self.versions.setProperty("kind", "muted")
        self.versions.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.promise = QLabel(
            self.tr(
                "Find moments in your own videos by describing them. Everything runs on this computer: "
                "nothing is sent, nothing is tracked. Nothing is downloaded except a model that you choose."
            ),
            wordWrap=True,
        )
        caption = QLabel(self.tr("Licences (in English)"))
        caption.setProperty("kind", "caption")
        self.licences = _Notices()
        self.licences.setAccessibleName(self.tr("Licences"))
        caption.setBuddy(self.licences)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        if page := paths.releases_page():
            updates = buttons.addButton(self.tr("Check for a newer version"), QDialogButtonBox.ButtonRole.HelpRole)
            updates.setToolTip(self.tr("Opens {page} in your browser").format(page=page))
            updates.clicked.connect(lambda: other_programs.open_url(QUrl(page)))
        names = QVBoxLayout()
        names.setSpacing(SPACE // 2)
        names.addWidget(title)
        names.addWidget(self.versions)
        head = QHBoxLayout()
        head.setSpacing(SPACE * 2)
        head.addWidget(picture)
        head.addLayout(names, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE * 3 // 2)
        column.addLayout(head)
        column.addWidget(self.promise)
        column.addWidget(caption)
        column.addWidget(self.licences, 1)
        column.addWidget(buttons)


class _Notices(QTextBrowser):
    """The notices as a document that loads nothing: a link opens in the system's browser, and only on a click."""

    def __init__(self) -> None:
        super().__init__(openExternalLinks=True)
        self.setTabChangesFocus(True)
        self.document().setDocumentMargin(SPACE)
        self.setMarkdown(paths.resource("licences", "NOTICES.md").read_text(encoding="utf-8"))

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        return None
