"""The dialog that asks for the format and destination of an export: clips or a list, each with an explanation.

Emits a request for the engine; never writes anything itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.engine.protocol import ExportClips, ExportList, Passage
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import SPACE, pad

CLIPS = ("copy", "exact")
LISTS = ("fcpxml", "edl", "csv")
WIDTH = 600
INDENT = 3 * SPACE + 3  # indents an explanation under its choice
MOST_HANDLES = 60.0
_NOT_IN_NAMES = '<>:"/\\|?*'


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """The initial and final state of the dialog. `form` is one of CLIPS or LISTS."""

    form: str
    folder: str
    handles: float = 0.0


class ExportDialog(QDialog):
    """Signals: `chosen(ExportClips or ExportList, ExportChoice)` when it is closed with Export."""

    chosen = Signal(object, object)

    def __init__(self, passages: Sequence[Passage], start: ExportChoice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._passages = tuple(passages)
        self.setWindowTitle(self.tr("Export"))
        self.setMinimumWidth(WIDTH)
        count = len(self._passages)
        heading = QLabel(self.tr("Export 1 moment") if count == 1 else self.tr("Export %n moments", "", count))
        heading.setProperty("kind", "heading")
        self.forms = QButtonGroup(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE // 2)
        column.addWidget(heading)
        for number, (form, title, words) in enumerate(self._forms()):
            if form in (CLIPS[0], LISTS[0]):
                column.addSpacing(SPACE)
            button = QRadioButton(title)
            button.setObjectName(f"form_{form}")
            button.setAccessibleDescription(words)
            button.setChecked(form == start.form)
            about = QLabel(words, wordWrap=True)
            about.setProperty("kind", "muted")
            about.setContentsMargins(INDENT, 0, 0, SPACE // 2)
            self.forms.addButton(button, number)
            column.addWidget(button, alignment=Qt.AlignmentFlag.AlignLeft)
            column.addWidget(about)
        column.addSpacing(SPACE)
        column.addStretch()
        column.addLayout(self._where(start))
        column.addSpacing(SPACE)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.export = self._buttons.addButton(self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.export.setProperty("kind", "primary")
        column.addWidget(self._buttons)
        self._choose.setAutoDefault(False)
        self.export.setDefault(True)
        self._connect_signals()
        self._update()
        self.resize(WIDTH, column.heightForWidth(WIDTH))  # the hint of wrapping labels is larger
        if (chosen := self.forms.checkedButton()) is not None:
            chosen.setFocus()

    def _forms(self) -> tuple[tuple[str, str, str], ...]:
        return (
            (
                "copy",
                self.tr("&Copy (fast)"),
                self.tr("Fast and lossless. Each clip starts at the last keyframe before its moment."),
            ),
            (
                "exact",
                self.tr("Re-encode (e&xact)"),
                self.tr("Frame-accurate. Re-encodes to H.264 in MP4; slower."),
            ),
            (
                "fcpxml",
                self.tr("&FCPXML list"),
                self.tr("For Final Cut Pro and DaVinci Resolve. Refers to the videos without copying them."),
            ),
            (
                "edl",
                self.tr("&EDL list"),
                self.tr("For almost every editing program, old ones included. One frame rate; names are shortened."),
            ),
            ("csv", self.tr("C&SV table"), self.tr("For spreadsheets and scripts: times, timecodes, names and paths.")),
        )

    def _where(self, start: ExportChoice) -> QFormLayout:
        self.handles = QDoubleSpinBox(minimum=0.0, maximum=MOST_HANDLES, singleStep=0.5, decimals=1)
        self.handles.setSuffix(self.tr(" s"))
        pad(self.handles)
        self.handles.setValue(start.handles)
        self.handles.setToolTip(self.tr("Extra time before and after each moment, where the video has it."))
        self.name = QLineEdit(self._first_name())
        self.folder = QLineEdit(start.folder)
        self._choose = QPushButton(self.tr("C&hoose\u2026"))
        self._choose.setAccessibleName(self.tr("Choose the folder"))
        place = QHBoxLayout()
        place.addWidget(self.folder, 1)
        place.addWidget(self._choose)
        rows = QFormLayout()
        rows.setSpacing(SPACE)
        rows.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        rows.addRow(self.tr("&Handles"), self.handles)
        rows.addRow(self.tr("&Name"), self.name)
        rows.addRow(self.tr("F&older"), place)
        self.handles.setAccessibleName(self.tr("Handles"))
        self.name.setAccessibleName(self.tr("Name"))
        self.folder.setAccessibleName(self.tr("Folder"))
        self._rows = rows
        label = rows.labelForField(place)
        if isinstance(label, QLabel):
            label.setBuddy(self.folder)
        return rows

    def _connect_signals(self) -> None:
        self.forms.idToggled.connect(self._update)
        self.name.textChanged.connect(self._update)
        self.folder.textChanged.connect(self._update)
        self._choose.clicked.connect(self._choose_folder)
        self._buttons.accepted.connect(self._accept)
        self._buttons.rejected.connect(self.reject)

    @property
    def form(self) -> str:
        return (*CLIPS, *LISTS)[self.forms.checkedId()]

    def _update(self) -> None:
        clips = self.form in CLIPS
        self._rows.setRowVisible(self.handles, clips)
        self._rows.setRowVisible(self.name, not clips)
        named = clips or bool(self._file_name())
        self.export.setEnabled(named and os.path.isabs(self.folder.text().strip()))

    def _first_name(self) -> str:
        """Return the video's name if all moments are from one."""
        videos = {passage.path for passage in self._passages}
        if len(videos) == 1:
            return os.path.splitext(formatting.file_name(next(iter(videos))))[0]
        return self.tr("Moments")

    def _file_name(self) -> str:
        name = "".join(letter for letter in self.name.text() if letter.isprintable() and letter not in _NOT_IN_NAMES)
        return name.strip(" .")

    def _choose_folder(self) -> None:
        chooser = QFileDialog(self, self.tr("Choose a folder for exports"), self.folder.text())
        chooser.setFileMode(QFileDialog.FileMode.Directory)
        chooser.setOption(QFileDialog.Option.ShowDirsOnly)
        chooser.fileSelected.connect(self.folder.setText)
        chooser.finished.connect(chooser.deleteLater)
        chooser.open()

    def _accept(self) -> None:
        folder = self.folder.text().strip()
        choice = ExportChoice(self.form, folder, round(self.handles.value(), 1))
        request: ExportClips | ExportList
        if self.form in CLIPS:
            mode = cast(Literal["copy", "exact"], self.form)
            request = ExportClips(self._passages, folder, mode, choice.handles)
        else:
            name = self._file_name()
            path = os.path.join(folder, f"{name}.{self.form}")
            request = ExportList(self._passages, path, cast(Literal["csv", "edl", "fcpxml"], self.form), name)
        self.chosen.emit(request, choice)
        self.accept()
