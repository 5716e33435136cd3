"""The settings, each with an explanation. Choices apply at once; there is nothing to confirm.

Shows and changes `Preferences`, never applies a setting itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QItemSelectionModel, Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.domain.clips import DEVICES
from cret_desktop.engine.protocol import Device, ModelCard
from cret_desktop.gui.appearance import formatting, i18n
from cret_desktop.gui.appearance.theme import SPACE, pad
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.shell.tray import Tray
from cret_desktop.settings import CLIP_SECONDS, THUMBNAIL_WIDTHS, Settings

if TYPE_CHECKING:  # importing the name at run time would load its whole package
    from cret_desktop.domain.records import LibrarySize

INDEXING_PAGE = 1
MODEL_PAGE = 2
PATTERN_LINES = 4
CONTROL_WIDTH = 320


class SettingsDialog(QDialog):
    """The dialog of all settings.

    Signals: `models_wanted()`, `shortcuts_wanted()`, `history_cleared()`, `restart_wanted()`; `devices_wanted()`,
    answered by `show_devices` or `show_no_devices`; `space_wanted()`, and `free_wanted()` by a button, answered by
    `show_space` or `show_no_space`.
    """

    models_wanted = Signal()
    shortcuts_wanted = Signal()
    history_cleared = Signal()
    restart_wanted = Signal()
    devices_wanted = Signal()
    space_wanted = Signal()
    free_wanted = Signal()

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self._titles: dict[str, str] = {}  # of models, by name
        self._showers: list[Callable[[Settings], object]] = []  # each sets one control to the present value
        self.setWindowTitle(self.tr("Settings"))
        self.resize(760, 620)
        self.pages = QListWidget()
        self.pages.setProperty("kind", "pages")
        self.pages.setAccessibleName(self.tr("Settings pages"))
        self._stack = QStackedWidget()
        self._add_page(self.tr("General"), self._general())
        self._add_page(self.tr("Indexing"), self._indexing())
        self._add_page(self.tr("Model"), self._model())
        self._add_page(self.tr("Playback and export"), self._playing())
        self.pages.setFixedWidth(self.pages.sizeHintForColumn(0) + 7 * SPACE)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        middle = QHBoxLayout()
        middle.setSpacing(SPACE)
        middle.addWidget(self.pages)
        middle.addWidget(self._stack, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE)
        column.addLayout(middle, 1)
        column.addWidget(buttons)
        self._show(preferences.settings)
        self._connect_signals()
        self.pages.setCurrentRow(0, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _connect_signals(self) -> None:
        self.pages.currentRowChanged.connect(self._on_page)
        self._preferences.changed.connect(self._on_preferences)
        self.finished.connect(self._take_patterns)
        self.finished.connect(self._take_budget)

    def _on_page(self, number: int) -> None:
        self._stack.setCurrentIndex(number)
        if number == INDEXING_PAGE:
            self.space_wanted.emit()
        if number == MODEL_PAGE:  # not before: the engine loads torch to answer
            self.devices_wanted.emit()

    # --- the pages --------------------------------------------------------------------------------------------

    def _general(self) -> QVBoxLayout:
        themes = {"system": self.tr("Same as system"), "light": self.tr("Light"), "dark": self.tr("Dark")}
        own_names = {i18n.SOURCE: "English", "de": "Deutsch"}  # each in its own language, so that its speakers find it
        languages = {"system": self.tr("Same as system")}
        languages |= {code: own_names.get(code, code) for code in i18n.available()}
        closing = {"quit": self.tr("Quit"), "tray": self.tr("Keep running in the tray")}
        closing_box = self._combo("closing", closing)
        tray_words = self.tr("New videos are still found and indexed while the window is closed.")
        if not Tray.is_available():
            _enable(closing_box, "tray", False)
            tray_words = self.tr("No system tray here, so closing the window quits.")
        history = self._check("history", self.tr("Remember my searches"))
        clear = QPushButton(self.tr("Clear the history"))
        clear.clicked.connect(self.history_cleared)
        clear.clicked.connect(lambda: clear.setEnabled(False))
        keys = QPushButton(self.tr("Keyboard shortcuts\u2026"))
        keys.clicked.connect(self.shortcuts_wanted)
        page = QVBoxLayout()
        _row(page, self.tr("Appearance"), self._combo("theme", themes))
        _row(page, self.tr("Language"), self._combo("language", languages))
        page.addWidget(self._build_restart())
        _row(page, self.tr("When the window is closed"), closing_box, tray_words)
        _row(page, self.tr("History"), history, self.tr("Kept on this computer only."))
        page.addWidget(clear, alignment=Qt.AlignmentFlag.AlignLeft)
        _row(page, self.tr("Keys"), keys, self.tr("View and change shortcuts."))
        return page

    def _build_restart(self) -> QWidget:
        """Build the restart button for a new language: texts are translated when their widgets are built."""
        spoken = i18n.chosen(self._preferences.settings.language)
        words = QLabel(self.tr("Takes effect after a restart."), textFormat=Qt.TextFormat.PlainText)
        words.setProperty("kind", "muted")
        self.restart = QPushButton(self.tr("Restart now"))
        self.restart.clicked.connect(self.restart_wanted)
        self._showers.append(lambda settings: self.restart.setVisible(i18n.chosen(settings.language) != spoken))
        return _side_by_side(words, self.restart)

    def _indexing(self) -> QVBoxLayout:
        self.patterns = QPlainTextEdit()
        self.patterns.setTabChangesFocus(True)
        self.patterns.setPlaceholderText(self.tr("*.proxy.mp4\nRenders/*"))
        self.patterns.setFixedHeight(
            self.patterns.fontMetrics().lineSpacing() * PATTERN_LINES + 2 * SPACE + 2 * self.patterns.frameWidth()
        )
        self._showers.append(lambda settings: self.patterns.setPlainText("\n".join(settings.leave_out)))
        self.patterns.installEventFilter(self)
        lengths = {
            5.0: self.tr("Fine: at most 5 seconds"),
            10.0: self.tr("Default: at most 10 seconds"),
            20.0: self.tr("Coarse: at most 20 seconds"),
        }
        assert set(lengths) == set(CLIP_SECONDS)
        widths = {320: self.tr("Large"), 240: self.tr("Medium"), 160: self.tr("Small")}
        assert tuple(widths) == THUMBNAIL_WIDTHS
        page = QVBoxLayout()
        _row(
            page,
            self.tr("Clips"),
            self._combo("clip_seconds", lengths),
            self.tr(
                "Shorter clips find briefer moments, but take longer to index and use more space. Applies to newly "
                "indexed videos; for the others, use \u201cIndex again\u201d in a folder's menu."
            ),
        )
        _row(
            page,
            self.tr("Thumbnails"),
            self._combo("thumbnail_width", widths),
            self.tr("Applies to newly indexed videos; \u201cFree space\u201d shrinks existing thumbnails."),
        )
        page.addWidget(self._build_space())
        _row(
            page,
            self.tr("Disk space"),
            self._build_budget(),
            self.tr("Indexing stops at this library size. Nothing is deleted."),
        )
        gentle = self._check("gentle", self.tr("Give other programs priority"))
        _row(page, self.tr("Priority"), gentle, self.tr("Indexing takes longer while the computer is busy."))
        battery = self._check("pause_on_battery", self.tr("Pause while on battery"))
        _row(page, self.tr("Power"), battery, self.tr("Indexing resumes when the computer is plugged in."))
        _row(
            page,
            self.tr("Exclude"),
            self.patterns,
            self.tr("One file or folder pattern per line; * matches any characters."),
        )
        return page

    def _build_space(self) -> QWidget:
        self.space = QLabel(self.tr("Measuring disk usage\u2026"), textFormat=Qt.TextFormat.PlainText)
        self.space.setProperty("kind", "muted")
        self.space.setWordWrap(True)
        self.free = QPushButton(self.tr("Free space"))
        self.free.setToolTip(self.tr("Shrink thumbnails to the chosen size, and delete unused ones"))
        self.free.clicked.connect(self._free)
        return _side_by_side(self.space, self.free)

    def _build_budget(self) -> QDoubleSpinBox:
        self.budget = QDoubleSpinBox(maximum=1e6, singleStep=5.0, decimals=1)
        self.budget.setSpecialValueText(self.tr("No limit"))
        self.budget.setSuffix(self.tr(" GB"))
        pad(self.budget)
        self.budget.editingFinished.connect(self._take_budget)  # not at each step: it restarts the engine
        self._showers.append(lambda settings: self.budget.setValue(settings.disk_budget))
        return self.budget

    def _take_budget(self) -> None:
        self._preferences.change(disk_budget=round(self.budget.value(), 1))

    def _free(self) -> None:
        self.free.setEnabled(False)
        self.space.setText(self.tr("Freeing space\u2026"))
        self.free_wanted.emit()

    def _model(self) -> QVBoxLayout:
        name = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._showers.append(lambda settings: name.setText(self._titles.get(settings.model, settings.model)))
        models = QPushButton(self.tr("Models\u2026"))
        models.clicked.connect(self.models_wanted)
        devices = {
            "auto": self.tr("Fastest available"),
            "cuda": self.tr("NVIDIA GPU (cuda)"),
            "mps": self.tr("Apple GPU (mps)"),
            "cpu": self.tr("Processor (cpu)"),
        }
        assert tuple(devices) == DEVICES
        self.device = self._combo("device", devices)
        page = QVBoxLayout()
        _row(
            page,
            self.tr("Model"),
            _side_by_side(name, models),
            self.tr("Compares pictures with words. Each model needs its own index."),
        )
        self.found = _row(page, self.tr("Runs on"), self.device, self.tr("Looking for devices\u2026"))
        return page

    def _playing(self) -> QVBoxLayout:
        self.player = QLineEdit()
        self.player.setPlaceholderText(self.tr("System default"))
        self.player.editingFinished.connect(
            lambda: self._preferences.change(external_player=self.player.text().strip())
        )
        self._showers.append(lambda settings: self.player.setText(settings.external_player))
        self.folder = QLineEdit()
        self.folder.setPlaceholderText(self.tr("Last used folder"))
        self.folder.editingFinished.connect(lambda: self._preferences.change(export_folder=self.folder.text().strip()))
        self._showers.append(lambda settings: self.folder.setText(settings.export_folder))
        handles = QDoubleSpinBox(minimum=0.0, maximum=60.0, singleStep=0.5, decimals=1)
        handles.setSuffix(self.tr(" s"))
        pad(handles)
        handles.valueChanged.connect(lambda value: self._preferences.change(export_handles=round(value, 1)))
        self._showers.append(lambda settings: handles.setValue(settings.export_handles))
        modes = {"copy": self.tr("Copy (fast): starts at a keyframe"), "exact": self.tr("Re-encode (exact): slower")}
        page = QVBoxLayout()
        _row(
            page,
            self.tr("Other player"),
            self._with_chooser(self.player, self._choose_player),
            self.tr("Plays videos outside this window."),
        )
        _row(page, self.tr("Clip export"), self._combo("export_mode", modes))
        _row(
            page,
            self.tr("Handles"),
            handles,
            self.tr("Extra time before and after each moment, where the video has it."),
        )
        _row(
            page,
            self.tr("Export to"),
            self._with_chooser(self.folder, self._choose_folder),
            self.tr("The default folder for exports."),
        )
        return page

    # --- controls ---------------------------------------------------------------------------------------------

    def _add_page(self, title: str, rows: QVBoxLayout) -> None:
        rows.setContentsMargins(SPACE * 2, SPACE, SPACE * 2, SPACE)
        rows.setSpacing(SPACE // 2)
        rows.addStretch()
        inside = QWidget()
        inside.setLayout(rows)
        page = QScrollArea(widgetResizable=True)
        page.setFrameShape(QFrame.Shape.NoFrame)
        page.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the widget inside has the focus, and is scrolled into view
        page.setWidget(inside)
        self.pages.addItem(title)
        self._stack.addWidget(page)

    def _combo(self, name: str, choices: Mapping[Any, str]) -> QComboBox:
        combo = QComboBox()
        for value, words in choices.items():
            combo.addItem(words, value)
        combo.activated.connect(lambda _: self._preferences.change(**{name: combo.currentData()}))
        self._showers.append(lambda settings: combo.setCurrentIndex(combo.findData(getattr(settings, name))))
        return combo

    def _check(self, name: str, words: str) -> QCheckBox:
        box = QCheckBox(words)
        box.toggled.connect(lambda on: self._preferences.change(**{name: on}))
        self._showers.append(lambda settings: box.setChecked(getattr(settings, name)))
        return box

    def _with_chooser(self, line: QLineEdit, choose: Callable[[], object]) -> QWidget:
        button = QPushButton(self.tr("Choose\u2026"))
        button.clicked.connect(choose)
        both = QWidget()
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(line, 1)
        row.addWidget(button)
        both.setFocusProxy(line)
        return both

    def _choose_player(self) -> None:
        self._choose(QFileDialog.FileMode.ExistingFile, self.tr("Choose a player"), "external_player")

    def _choose_folder(self) -> None:
        self._choose(QFileDialog.FileMode.Directory, self.tr("Choose a folder for exports"), "export_folder")

    def _choose(self, mode: QFileDialog.FileMode, title: str, name: str) -> None:
        dialog = QFileDialog(self, title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(mode)
        dialog.fileSelected.connect(lambda path: self._preferences.change(**{name: path}))
        dialog.open()

    # --- display ----------------------------------------------------------------------------------------------

    def _on_preferences(self, _before: Settings, now: Settings) -> None:
        self._show(now)

    def _show(self, settings: Settings) -> None:
        for show in self._showers:
            show(settings)

    def show_devices(self, found: tuple[Device, ...]) -> None:
        names = [device.name for device in found]
        for name in DEVICES[1:]:
            _enable(self.device, name, name in names or name == self._preferences.settings.device)
        self.found.setText(self.tr("Available: {devices}.").format(devices=", ".join(device.title for device in found)))

    def show_no_devices(self, error: BaseException) -> None:
        self.found.setText(self.tr("Devices could not be listed: {reason}").format(reason=i18n.said(error)))

    def show_models(self, cards: Sequence[ModelCard]) -> None:
        self._titles = {card.name: card.title for card in cards}
        self._show(self._preferences.settings)

    def show_space(self, size: LibrarySize) -> None:
        self.free.setEnabled(True)
        words = self.tr("Thumbnails: {thumbnails}. Other index data: {rest}. Free: {free}.")
        self.space.setText(
            words.format(
                thumbnails=formatting.size(size.thumbnails),
                rest=formatting.size(size.catalog + size.graphs),
                free=formatting.size(size.free),
            )
        )

    def show_no_space(self, error: BaseException) -> None:
        self.free.setEnabled(True)
        self.space.setText(i18n.said(error))

    def _take_patterns(self) -> None:
        lines = (line.strip() for line in self.patterns.toPlainText().splitlines())
        self._preferences.change(leave_out=tuple(line for line in lines if line))

    def eventFilter(self, watched: Any, event: Any) -> bool:
        # Not at every letter: each change of the patterns restarts the engine.
        if watched is self.patterns and event.type() == event.Type.FocusOut:
            self._take_patterns()
        return super().eventFilter(watched, event)


def _row(page: QVBoxLayout, title: str, control: QWidget, words: str = "") -> QLabel:
    """Add a caption, its control, and a muted explanation to a page. Return the explanation's label."""
    caption = QLabel(title)
    caption.setProperty("kind", "caption")
    caption.setContentsMargins(0, SPACE, 0, 0)
    target = control.focusProxy() or control
    caption.setBuddy(target)
    target.setAccessibleName(title)
    target.setAccessibleDescription(words)
    if isinstance(control, QComboBox | QDoubleSpinBox):
        control.setMaximumWidth(CONTROL_WIDTH)
    side = Qt.AlignmentFlag.AlignLeft if isinstance(control, QPushButton) else Qt.AlignmentFlag(0)
    line = QLabel(words, wordWrap=True, textFormat=Qt.TextFormat.PlainText)
    line.setProperty("kind", "muted")
    line.setVisible(bool(words))
    page.addWidget(caption)
    page.addWidget(control, alignment=side)
    page.addWidget(line)
    return line


def _side_by_side(words: QLabel, button: QPushButton) -> QWidget:
    line = QWidget()
    row = QHBoxLayout(line)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(words, 1 if words.wordWrap() else 0)
    row.addWidget(button)
    if not words.wordWrap():
        row.addStretch()
    return line


def _enable(combo: QComboBox, value: str, enabled: bool) -> None:
    model = combo.model()
    assert isinstance(model, QStandardItemModel)
    model.item(combo.findData(value)).setEnabled(enabled)
