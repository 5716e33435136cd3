"""The models, each as a card: purpose, size, licence, and actions.

Shows the state of `ModelController` and forwards the user's requests to it; decides nothing.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.engine.protocol import DownloadProgress, ModelCard, ModelState
from cret_desktop.gui.appearance import formatting, i18n
from cret_desktop.gui.appearance.formatting import translate
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.models.model_controller import ModelController

_STEPS = 1000  # of the bar


def purpose(name: str) -> str:
    """Return a description of a model's purpose."""
    words = {
        "starter": translate("models", "Knows objects and scenes. Included, and ready from the first minute."),
        "pe-core-t16": translate("models", "Understands whole sentences. The smallest one, for slow computers."),
        "pe-core-s16": translate("models", "Understands whole sentences. The best choice for most computers."),
        "pe-core-b16": translate("models", "Finds more, but indexing takes several times as long without a GPU."),
        "pe-core-l14": translate("models", "The most accurate. For computers with a fast GPU."),
        "siglip2-b32": translate("models", "Understands many languages. The faster of the two that do."),
        "siglip2-b16": translate("models", "Understands many languages, and recognises smaller things."),
        "paper": translate("models", "CRET as published, for research: train it, then import it."),
    }
    return words.get(name, translate("models", "An imported model."))


class ModelFrame(QFrame):
    """The card of one model.

    Signals: `download_wanted()`, `cancel_wanted()`, `use_wanted()`, `remove_wanted()`.
    """

    download_wanted = Signal()
    cancel_wanted = Signal()
    use_wanted = Signal()
    remove_wanted = Signal()

    def __init__(self, card: ModelCard, answering: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "banner")
        self.title = QLabel(card.title, textFormat=Qt.TextFormat.PlainText)
        self.title.setProperty("kind", "heading")
        self.purpose = QLabel(purpose(card.name), wordWrap=True)
        self.facts = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self.facts.setProperty("kind", "muted")
        self.state = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self.bar = QProgressBar(textVisible=False, maximum=_STEPS)
        self.bar.setAccessibleName(self.tr("Progress of the download"))
        self.download = QPushButton()
        self.cancel = QPushButton(self.tr("Cancel"))
        self.use = QPushButton(self.tr("Use"))
        self.remove = QPushButton(self.tr("Remove\u2026"))
        buttons = QVBoxLayout()
        buttons.setSpacing(SPACE)
        for button in (self.download, self.cancel, self.use, self.remove):
            button.setAutoDefault(False)  # Enter elsewhere in the dialog must not start a download
            buttons.addWidget(button)
        buttons.addStretch()
        words = QVBoxLayout()
        words.setSpacing(SPACE // 2)
        for part in (self.title, self.purpose, self.facts, self.bar, self.state):
            words.addWidget(part)
        words.addStretch()
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE * 2, SPACE * 3 // 2, SPACE * 2, SPACE * 3 // 2)
        row.setSpacing(SPACE * 2)
        row.addLayout(words, 1)
        row.addLayout(buttons)
        self.download.clicked.connect(self.download_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)
        self.use.clicked.connect(self.use_wanted)
        self.remove.clicked.connect(self.remove_wanted)
        self.show_card(card, answering)

    def show_card(self, card: ModelCard, answering: str) -> None:
        """Show a model; `answering` is the title of the model that searches use."""
        self.card = card
        self.setAccessibleName(card.title)
        here = card.state is ModelState.READY
        fetching = card.state is ModelState.DOWNLOADING
        partial = card.state is ModelState.PARTIAL
        self.facts.setText(self._facts(card))
        self.bar.setVisible(fetching)
        if not fetching:
            self.bar.setValue(0)
        words = self._state(card, answering)
        self.state.setText(words)
        self.state.setVisible(bool(words))
        self.download.setText(self.tr("Resume") if partial else self.tr("Download"))
        self.download.setVisible(partial or card.state is ModelState.DOWNLOADABLE)
        self.cancel.setVisible(fetching)
        self.use.setVisible(here and not card.wanted)
        self.remove.setVisible(
            partial or (here and not card.wanted and not card.answers and (card.removable or card.clips > 0))
        )
        for button in (self.download, self.cancel, self.use, self.remove):
            button.setAccessibleName(f"{button.text()} {card.title}")

    def show_progress(self, progress: DownloadProgress) -> None:
        self.bar.setMaximum(_STEPS if progress.stage == "fetching" else 0)  # 0: busy, duration unknown
        if progress.total:
            self.bar.setValue(round(_STEPS * progress.done / progress.total))
        if progress.stage == "fetching":
            words = self.tr("{done} of {total}").format(
                done=formatting.download_size(progress.done), total=formatting.download_size(progress.total)
            )
        elif progress.stage == "asking":
            words = self.tr("Contacting the server\u2026")
        else:
            words = self.tr("Verifying the download\u2026")
        self.state.setText(words)
        self.state.show()

    def _facts(self, card: ModelCard) -> str:
        languages = {"en": self.tr("English"), "many": self.tr("Many languages")}
        size = formatting.download_size(card.size) if card.size else ""
        if size and card.state is not ModelState.READY:
            size = self.tr("about {size}").format(size=size)
        facts = (size, languages.get(card.languages, ""), card.licence)
        return " \u00b7 ".join(fact for fact in facts if fact)

    def _state(self, card: ModelCard, answering: str) -> str:
        if card.state is ModelState.PARTIAL:
            return self.tr("{fetched} already downloaded.").format(fetched=formatting.download_size(card.fetched))
        if card.state is ModelState.DOWNLOADING:
            return self.tr("Queued\u2026")
        indexed = self.tr("{clips} indexed with it").format(clips=formatting.clips(card.clips)) if card.clips else ""
        if card.wanted and card.answers:
            return " \u00b7 ".join(part for part in (self.tr("In use"), indexed) if part)
        if card.wanted:
            return self.tr("Indexing your videos with it; searches use {title} until that is done.").format(
                title=answering
            )
        if card.answers:
            return self.tr("In use until the new index is complete.")
        if card.clips:
            return self.tr("{clips} indexed with it, {size}").format(
                clips=formatting.clips(card.clips), size=formatting.download_size(card.index_bytes)
            )
        return ""


class ModelDialog(QDialog):
    """Follows its controller while it is open."""

    def __init__(self, controller: ModelController, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self.frames: dict[str, ModelFrame] = {}
        self.setWindowTitle(self.tr("Models"))
        self.resize(760, 640)
        heading = QLabel(self.windowTitle())
        heading.setProperty("kind", "heading")
        words = QLabel(
            self.tr(
                "A model compares pictures with words, on this computer. Another model re-indexes all videos; you can "
                "keep searching meanwhile, and the old index is kept. Nothing is downloaded until you choose it."
            ),
            wordWrap=True,
        )
        words.setProperty("kind", "muted")
        self.estimate = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self.estimate.setProperty("kind", "muted")
        self.problem = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.problem.hide()
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, SPACE, 0)
        self._column.setSpacing(SPACE)
        self._column.addStretch()
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setAccessibleName(self.windowTitle())
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        self.take_in = QPushButton(self.tr("Import"))
        self.take_in.setToolTip(self.tr("Import a model that was downloaded on another computer, or trained"))
        menu = QMenu(self.take_in)
        self.from_folder = menu.addAction(self.tr("From a folder\u2026"), self._choose_folder)
        self.from_zip = menu.addAction(self.tr("From a zip\u2026"), self._choose_zip)
        self.take_in.setMenu(menu)
        theme.give_icon(self.take_in, "folder-add")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.take_in, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE)
        column.addWidget(heading)
        column.addWidget(words)
        column.addWidget(self.estimate)
        column.addWidget(self.problem)
        column.addWidget(area, 1)
        column.addWidget(buttons)
        self._connect_signals()
        self._show(controller.cards)
        controller.read()

    def _connect_signals(self) -> None:
        self._controller.changed.connect(self._show)
        self._controller.progressed.connect(self._on_progress)
        self._controller.failed.connect(self._on_failed)

    def _show(self, cards: tuple[ModelCard, ...]) -> None:
        self.estimate.setText(
            self.tr("Your library has {length} of video. You will see an estimate once indexing has started.").format(
                length=formatting.clock(self._controller.video_seconds)
            )
        )
        self.estimate.setVisible(self._controller.video_seconds > 0)
        answering = next((card.title for card in cards if card.answers), "")
        for name in [name for name in self.frames if name not in {card.name for card in cards}]:
            gone = self.frames.pop(name)
            gone.hide()
            gone.deleteLater()
        for place, card in enumerate(cards):
            frame = self.frames.get(card.name)
            if frame is None:
                frame = self.frames[card.name] = self._frame(card, answering)
            else:
                frame.show_card(card, answering)
            if self._column.indexOf(frame) != place:
                self._column.insertWidget(place, frame)

    def _frame(self, card: ModelCard, answering: str) -> ModelFrame:
        frame = ModelFrame(card, answering)
        frame.download_wanted.connect(lambda: self._download(card.name))
        frame.cancel_wanted.connect(lambda: self._controller.cancel(card.name))
        frame.use_wanted.connect(lambda: self._controller.use(card.name))
        frame.remove_wanted.connect(lambda: self._ask_to_remove(frame.card))
        return frame

    def _download(self, name: str) -> None:
        self.problem.hide()
        self._controller.download(name)

    def _on_progress(self, progress: DownloadProgress) -> None:
        frame = self.frames.get(progress.name)
        if frame is not None and frame.card.state is ModelState.DOWNLOADING:
            frame.show_progress(progress)

    def _on_failed(self, error: BaseException) -> None:
        self.problem.setText(i18n.said(error))
        self.problem.setAccessibleName(i18n.said(error))
        self.problem.show()

    def _choose_folder(self) -> None:
        self._choose(QFileDialog.FileMode.Directory, self.tr("Import a model from a folder"))

    def _choose_zip(self) -> None:
        self._choose(QFileDialog.FileMode.ExistingFile, self.tr("Import a model from a zip file"))

    def _choose(self, mode: QFileDialog.FileMode, title: str) -> None:
        self.problem.hide()
        dialog = QFileDialog(self, title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(mode)
        dialog.fileSelected.connect(self._controller.take_in)
        dialog.open()

    def _ask_to_remove(self, card: ModelCard) -> None:
        question = QMessageBox(self)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setIcon(QMessageBox.Icon.Question)
        question.setWindowTitle(self.tr("Remove a model"))
        frees = formatting.download_size(card.fetched + card.index_bytes + (card.size if card.removable else 0))
        question.setText(self.tr("Remove \u201c{title}\u201d and free {size}?").format(title=card.title, size=frees))
        question.setInformativeText(self.tr("Its index is removed as well. Your videos, tags and notes are kept."))
        remove = question.addButton(self.tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
        keep = question.addButton(self.tr("Keep"), QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(keep)
        question.setEscapeButton(keep)
        remove.clicked.connect(lambda: self._controller.remove(card.name))
        question.open()
