"""The appearance of the window: one palette per scheme, the source of the Qt palette, the style sheet and the icons.

No other module of `gui` names a colour. This module never imports a widget of the app.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from string import Template

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication

from cret_desktop import paths
from cret_desktop.domain.clips import Match
from cret_desktop.gui.bridge.connections import connect_for

SPACE = 8  # logical pixels; every margin is a multiple of it
RADIUS = 6
SCRIM, ON_SCRIM = "#b4000000", "#ffffff"  # behind text on a picture, and that text, in every scheme
FAVOURITE = "#ffd257"  # on a scrim
ICON_SIZES = (20, 40, 96)  # pixels; others are scaled down from the next larger one
STAGE = "#000000"  # around a video's picture, in every scheme


class Scheme(StrEnum):
    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Colors:
    """The colours of one scheme. Text colours are readable (4.5:1) on `window`, `panel` and `raised`."""

    window: str
    panel: str  # the library at the left, the progress line
    raised: str  # inputs, buttons, the selected card
    line: str
    text: str
    muted: str
    accent: str
    on_accent: str
    well: str  # behind a picture that does not fill its place
    strong: str
    possible: str
    weak: str
    danger: str

    def match(self, match: Match) -> QColor:
        return QColor({Match.STRONG: self.strong, Match.POSSIBLE: self.possible, Match.WEAK: self.weak}[match])


DARK = Colors(
    window="#15171a",
    panel="#1b1e22",
    raised="#262a30",
    line="#343941",
    text="#eceef0",
    muted="#a0a8b2",
    accent="#6ba6ff",
    on_accent="#0c1420",
    well="#0c0d0f",
    strong="#58c992",
    possible="#e0b64a",
    weak="#8b949f",
    danger="#f58a86",
)
LIGHT = Colors(
    window="#f7f8f9",
    panel="#eef0f2",
    raised="#ffffff",
    line="#d3d8de",
    text="#1a1d21",
    muted="#565f6a",
    accent="#1a63d6",
    on_accent="#ffffff",
    well="#dfe2e6",
    strong="#197a48",
    possible="#8f6200",
    weak="#626b76",
    danger="#b3312c",
)

STYLE_SHEET = Template("""
QToolTip { color: $text; background: $raised; border: 1px solid $line; padding: 4px; }
QMenuBar { background: $panel; padding: 2px 6px; }
QMenuBar::item { padding: 4px 8px; border-radius: 4px; background: transparent; }
QMenuBar::item:selected { background: $raised; }
QMenu { background: $raised; border: 1px solid $line; padding: 4px; }
QMenu::item { padding: 6px 24px 6px 12px; border-radius: 4px; }
QMenu::item:selected { background: $accent; color: $on_accent; }
QMenu::item:disabled { color: $muted; }
QMenu::separator { height: 1px; background: $line; margin: 4px 8px; }
QPushButton { background: $raised; border: 1px solid $line; border-radius: 6px; padding: 6px 14px; }
QPushButton:hover { border-color: $muted; }
QPushButton:pressed { background: $line; }
QPushButton:focus { border: 1px solid $accent; }
QPushButton:disabled { color: $muted; border-color: $line; }
QPushButton[kind="primary"] { background: $accent; color: $on_accent; border-color: $accent; }
QPushButton[kind="primary"]:focus { border: 1px solid $text; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; } /* theirs are of another style */
QPushButton[kind="quiet"] { background: transparent; border-color: transparent; color: $accent; text-align: left; }
QPushButton[kind="quiet"]:hover, QPushButton[kind="quiet"]:focus { border-color: $line; }
QPushButton[kind="alert"] { background: transparent; border-color: transparent; color: $danger; text-align: left; }
QPushButton[kind="alert"]:hover, QPushButton[kind="alert"]:focus { border-color: $danger; }
QLineEdit, QComboBox { background: $raised; border: 1px solid $line; border-radius: 6px;
    padding: 5px 8px; selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit:focus, QComboBox:focus, QPlainTextEdit:focus, QTextBrowser:focus, QTableView:focus { border-color: $accent; }
QLineEdit:disabled, QComboBox:disabled { color: $muted; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox::down-arrow { image: url("$arrow"); width: 12px; height: 12px; }
QAbstractSpinBox { background: $raised; border: 1px solid $line; border-radius: 6px; min-height: 26px; }
QAbstractSpinBox:focus { border-color: $accent; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { background: transparent; border: none; width: 22px; }
QAbstractSpinBox::up-arrow { image: url("$arrow_up"); width: 9px; height: 9px; }
QAbstractSpinBox::down-arrow { image: url("$arrow"); width: 9px; height: 9px; }
QComboBox QAbstractItemView { background: $raised; border: 1px solid $line; padding: 4px; }
QComboBox QAbstractItemView::item { padding: 5px 6px; }
QComboBox QAbstractItemView::item:selected { background: $accent; color: $on_accent; }
QCheckBox { border: 1px solid transparent; border-radius: 4px; padding: 3px 4px; }
QCheckBox:focus { border-color: $accent; }
QRadioButton { border: 1px solid transparent; border-radius: 4px; padding: 3px 4px; }
QRadioButton:focus { border-color: $accent; }
QCheckBox::indicator, QListView::indicator { width: 14px; height: 14px; border: 1px solid $muted; border-radius: 3px;
    background: $window; }
QCheckBox::indicator:checked, QListView::indicator:checked { image: url("$check"); }
QListView::indicator:indeterminate { image: url("$partial"); }
QRadioButton::indicator { width: 12px; height: 12px; border: 2px solid $muted; border-radius: 8px; }
QRadioButton::indicator:checked { width: 8px; height: 8px; border: 4px solid $accent; background: $on_accent; }
QListView[kind="pages"]::item { padding: 8px 10px; border-radius: 6px; border: 1px solid transparent; }
QListView[kind="pages"]::item:selected { background: $raised; color: $text; border-color: $line; }
QToolButton { border: 1px solid transparent; border-radius: 6px; padding: 4px; }
QToolButton:hover { background: $raised; }
QToolButton:checked { background: $raised; border-color: $line; }
QToolButton:focus { border-color: $accent; }
QToolButton::menu-indicator { image: none; }
QFrame[kind="search"] { background: $raised; border: 1px solid $line; border-radius: 10px; }
QFrame[kind="search"][focused="true"] { border-color: $accent; }
QLineEdit[kind="bare"] { background: transparent; border: none; padding: 5px 2px; font-size: 12pt;
    selection-background-color: $accent; selection-color: $on_accent; }
QPushButton[kind="chip"], QPushButton[kind="picture-chip"] { background: $panel; border: 1px solid $line;
    border-radius: 6px; padding: 4px 8px; }
QPushButton[kind="picture-chip"] { padding-right: 46px; } /* its layout runs from right to left: this is the left */
QPushButton[kind="chip"]:hover, QPushButton[kind="picture-chip"]:hover { border-color: $muted; }
QPushButton[kind="chip"]:focus, QPushButton[kind="picture-chip"]:focus { border-color: $accent; }
QFrame[kind="popup"] { background: $raised; border: 1px solid $line; border-radius: 6px; }
QListView { background: transparent; border: none; outline: none; }
QListView[kind="popup"] { background: $raised; border: 1px solid $line; padding: 4px; }
QListView[kind="pages"] { border: 1px solid transparent; border-radius: 6px; padding: 4px; }
QListView[kind="pages"]:focus { border-color: $accent; }
QListView[kind="boxed"]::item { padding: 3px 2px; }
QListView[kind="boxed"] { background: $raised; border: 1px solid $line; border-radius: 6px; padding: 4px; }
QTableView, QPlainTextEdit, QTextBrowser { background: $panel; border: 1px solid $line; border-radius: 6px; }
QTableView { outline: none; } /* whole rows are chosen: no cell has a frame of its own */
QPlainTextEdit[readOnly="false"] { background: $raised; }
QAbstractScrollArea::corner { background: transparent; border: none; }
QTableView::item { padding: 4px 6px; border: none; }
QTableView::item:selected { background: $line; color: $text; }
QTableView[kind="results"] { background: $window; border: none; }
QHeaderView::section { background: $panel; color: $muted; border: none; border-bottom: 1px solid $line;
    padding: 6px 9px; } /* a cell's 6 and the 3 that a table adds */
QSplitter::handle { background: $line; }
QScrollBar { background: transparent; border: none; }
QScrollBar:vertical { width: 12px; }
QScrollBar:horizontal { height: 12px; }
QScrollBar::handle { background: $line; border-radius: 4px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QProgressBar { background: $line; border: none; max-height: 3px; }
QProgressBar::chunk { background: $accent; }
QLabel[kind="title"] { font-size: 17pt; font-weight: 600; }
QLabel[kind="heading"] { font-size: 12pt; font-weight: 600; }
QLabel[kind="caption"] { color: $muted; font-weight: 600; }
QLabel[kind="muted"] { color: $muted; }
QFrame[kind="panel"] { background: $panel; }
QFrame[kind="banner"] { background: $raised; border: 1px solid $line; border-radius: 6px; }
QFrame[kind="preview"] { background: $panel; border: 1px solid $line; border-radius: 12px; }
QFrame[kind="drop"] { background: $window; border: 2px dashed $accent; }
""")


def pad(box: QAbstractSpinBox) -> None:
    """Indent the text of a spin box as in a line edit, which no style sheet does."""
    box.lineEdit().setTextMargins(8, 0, 0, 0)


def _drawn(svg: str, sizes: Sequence[int]) -> Iterator[QPixmap]:
    renderer = QSvgRenderer(QByteArray(svg.encode()))
    renderer.setAspectRatioMode(Qt.AspectRatioMode.KeepAspectRatio)
    for size in sizes:
        pixmap = QPixmap(size, size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter, QRectF(0, 0, size, size))
        painter.end()
        yield pixmap


class Theme(QObject):
    """Applies a scheme to the application and follows the system's if set so.

    Signals: `changed()` after colours or icons have changed.
    """

    changed = Signal()

    def __init__(self, application: QApplication, scheme: Scheme, parent: QObject) -> None:
        super().__init__(parent)
        self._application = application
        self._scheme = scheme
        self._icons: dict[tuple[str, str], QIcon] = {}
        application.setStyle("Fusion")
        application.styleHints().colorSchemeChanged.connect(self._follow_system)
        self.set_scheme(scheme)

    @property
    def scheme(self) -> Scheme:
        return self._scheme

    @property
    def colors(self) -> Colors:
        if self._scheme is Scheme.SYSTEM:
            # Dark if the system reports no scheme: pictures look best on it.
            light = self._application.styleHints().colorScheme() == Qt.ColorScheme.Light
            return LIGHT if light else DARK
        return LIGHT if self._scheme is Scheme.LIGHT else DARK

    def set_scheme(self, scheme: Scheme) -> None:
        self._scheme = scheme
        wanted = {Scheme.LIGHT: Qt.ColorScheme.Light, Scheme.DARK: Qt.ColorScheme.Dark}
        self._application.styleHints().setColorScheme(wanted.get(scheme, Qt.ColorScheme.Unknown))
        self._apply()

    @contextmanager
    def styled_at_the_end(self) -> Iterator[None]:
        """Apply the style sheet once, after everything inside the block is built.

        Qt restyles a widget, with all its children, whenever it gets another parent: a third of the time to build the
        window.
        """
        self._application.setStyleSheet("")
        yield
        self._application.setStyleSheet(self._style_sheet())

    def icon(self, name: str, color: str | None = None) -> QIcon:
        """Return an icon of `resources/icons` with the scheme's colour for `currentColor`."""
        color = color or self.colors.text
        if (name, color) in self._icons:
            return self._icons[name, color]
        svg = paths.resource("icons", f"{name}.svg").read_text(encoding="utf-8")
        # Not a custom icon engine, which would draw on demand: PySide and the icon both delete it, and garbage
        # collection crashes.
        icon = self._icons[name, color] = QIcon()
        for mode, tint, sizes in (
            (QIcon.Mode.Normal, color, ICON_SIZES),
            (QIcon.Mode.Disabled, self.colors.weak, ICON_SIZES[1:2]),
        ):
            for pixmap in _drawn(svg.replace("currentColor", tint), sizes):
                icon.addPixmap(pixmap, mode)
        return icon

    def give_icon(self, target: QAbstractButton | QAction, name: str) -> None:
        """Set an icon that follows the scheme for as long as `target` lives."""

        def paint() -> None:
            target.setIcon(self.icon(name))

        paint()
        connect_for(target, self.changed, paint)

    def _follow_system(self) -> None:
        if self._scheme is Scheme.SYSTEM:
            self._apply()

    def _apply(self) -> None:
        self._application.setPalette(qt_palette(self.colors))
        self._application.setStyleSheet(self._style_sheet())
        self._icons.clear()
        self.changed.emit()

    def _style_sheet(self) -> str:
        colors = self.colors
        names = {name: getattr(colors, name) for name in Colors.__dataclass_fields__}
        # A style sheet takes only files: these have colours that are visible in both schemes.
        files = {"arrow": "arrow-down", "arrow_up": "arrow-up", "check": "check", "partial": "partial"}
        for name, file in files.items():
            names[name] = paths.resource("icons", f"{file}.svg").as_posix()
        return STYLE_SHEET.substitute(names)


def qt_palette(colors: Colors) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: colors.window,
        QPalette.ColorRole.WindowText: colors.text,
        QPalette.ColorRole.Base: colors.raised,
        QPalette.ColorRole.AlternateBase: colors.panel,
        QPalette.ColorRole.Text: colors.text,
        QPalette.ColorRole.PlaceholderText: colors.muted,
        QPalette.ColorRole.Button: colors.raised,
        QPalette.ColorRole.ButtonText: colors.text,
        QPalette.ColorRole.BrightText: colors.danger,
        QPalette.ColorRole.ToolTipBase: colors.raised,
        QPalette.ColorRole.ToolTipText: colors.text,
        QPalette.ColorRole.Highlight: colors.accent,
        QPalette.ColorRole.HighlightedText: colors.on_accent,
        QPalette.ColorRole.Accent: colors.accent,
        QPalette.ColorRole.Link: colors.accent,
        QPalette.ColorRole.Light: colors.raised,
        QPalette.ColorRole.Midlight: colors.line,
        QPalette.ColorRole.Mid: colors.line,
        QPalette.ColorRole.Dark: colors.line,
        QPalette.ColorRole.Shadow: colors.well,
    }
    for role, color in roles.items():
        palette.setColor(role, QColor(color))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(colors.weak))
    return palette
