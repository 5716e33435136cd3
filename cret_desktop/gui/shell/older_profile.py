"""The question before the first window whether to move the library of an older build to the present location."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton

from cret_desktop.engine.older_profile import OlderProfile
from cret_desktop.errors import CretError
from cret_desktop.gui.appearance import i18n


class OlderProfileQuestion(QMessageBox):
    """`move_button`, `begin_anew` and `quit` are its buttons; `problem` is the reason why the last attempt failed."""

    def __init__(self, profile: OlderProfile, problem: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setIcon(QMessageBox.Icon.Warning if problem else QMessageBox.Icon.Question)
        self.setWindowTitle(self.tr("Library of an older version"))
        self.setText(problem or self.tr("An older version of CRET Desktop kept its library elsewhere. Move it here?"))
        old, new = profile.moves[0]
        self.setInformativeText(
            self.tr(
                "From: {old}\nTo: {new}\n\nYour videos stay where they are. If you start empty, the old library is "
                "kept, and you will not be asked again."
            ).format(old=old, new=new)
        )
        self.move_button = self._add(self.tr("Move the library"), QMessageBox.ButtonRole.AcceptRole)
        self.begin_anew = self._add(self.tr("Start empty"), QMessageBox.ButtonRole.DestructiveRole)
        self.quit = self._add(self.tr("Quit"), QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(self.move_button)
        self.setEscapeButton(self.quit)

    def _add(self, words: str, role: QMessageBox.ButtonRole) -> QPushButton:
        button = self.addButton(words, role)
        button.setAccessibleName(words)
        return button


def offer(profile: OlderProfile) -> bool:
    """Ask, and move the library on request. Return whether the app should continue."""
    problem = ""
    while True:
        question = OlderProfileQuestion(profile, problem)
        question.exec()
        answer = question.clickedButton()
        if answer is not question.move_button:
            return answer is question.begin_anew
        try:
            profile.move()
            return True
        except CretError as error:
            problem = i18n.said(error)
