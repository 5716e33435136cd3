"""No connection outlives its receiver: by what the source says, and by opening, closing and then changing everything.

A lambda is called as long as the sender lives. Where the sender is older than what the lambda works on (the settings,
the engine, a controller, the theme), the next signal after a dialog has closed meets widgets that are gone.
"""

from __future__ import annotations

import ast
import gc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject, Signal
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

import cret_desktop
from cret_desktop.app import Application
from cret_desktop.engine import protocol
from cret_desktop.gui.bridge.background import Deliveries
from cret_desktop.gui.bridge.connections import connect_for
from cret_desktop.gui.shell.tray import Tray
from cret_desktop.library.indexing.progress import FileIndexed, IndexProgress, IndexTotals, Phase
from cret_desktop.messages import Message
from cret_desktop.settings import Settings
from tests.gui.conftest import WAIT
from tests.gui.test_annotations import file_named
from tests.gui.test_search import names

GUI = Path(cret_desktop.__file__).parent / "gui"

# --- by the source --------------------------------------------------------------------------------------------------


def _assignments(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """What is assigned to which name or attribute, tuples taken apart."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    yield from zip(map(ast.unparse, target.elts), node.value.elts, strict=True)
                else:
                    yield ast.unparse(target), node.value


def _parameters(tree: ast.AST) -> set[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {argument.arg for f in functions for argument in (*f.args.args, *f.args.kwonlyargs)} - {"self"}


class _Function:
    """One function: which senders are its own or its object's, and which slots are closures."""

    def __init__(self, function: ast.FunctionDef, given: set[str]) -> None:
        """`given`: the attributes of the object that came from outside."""
        self._parameters = _parameters(function)
        self._given = given
        self._assigned = dict(_assignments(function))
        inner = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef) and node is not function]
        self._closures = {node.name for node in inner}
        self._closures |= {name for name, value in self._assigned.items() if isinstance(value, ast.Lambda)}

    def owns(self, sender: ast.expr) -> bool:
        """Whether a sender was made here, or is a part of what was: it dies no later than what it was made for."""
        if isinstance(sender, ast.Call) and isinstance(sender.func, ast.Name):
            return sender.func.id[0].isupper() or sender.func.id.startswith(("make_", "build_"))
        if isinstance(sender, ast.Call):
            return self.owns(sender.func)  # menu.addAction(...)
        if isinstance(sender, ast.Attribute | ast.Subscript):
            return ast.unparse(sender) not in self._given and self.owns(sender.value)
        if not isinstance(sender, ast.Name) or sender.id in self._parameters:
            return False
        return sender.id == "self" or (sender.id in self._assigned and self.owns(self._assigned[sender.id]))

    def is_closure(self, slot: ast.expr) -> bool:
        if isinstance(slot, ast.Call):
            return ast.unparse(slot.func).rpartition(".")[2] == "partial"
        return isinstance(slot, ast.Lambda) or ast.unparse(slot) in self._closures


def _outliving(source: str) -> list[str]:
    """The connections of a closure to a signal of what may live longer than the closure's own things."""
    found = []
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bodies: list[tuple[ast.stmt, set[str]]] = [(node, set()) for node in tree.body if node not in classes]
    for cls in classes:
        given: set[str] = set()
        for method in cls.body:
            parameters = _parameters(method)
            given |= {
                name for name, value in _assignments(method) if ast.unparse(value).partition(".")[0] in parameters
            }
        bodies += [(method, given) for method in cls.body]
    for function, given in bodies:
        if not isinstance(function, ast.FunctionDef):
            continue
        scope = _Function(function, given)
        for node in ast.walk(function):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "connect"
            ):
                continue
            if scope.is_closure(node.args[0]) and not scope.owns(node.func.value):
                found.append(f"{node.lineno} {ast.unparse(node)}")
    return found


def test_closures_are_connected_only_to_what_their_own_object_has_made() -> None:
    found = {
        path.relative_to(GUI).as_posix(): _outliving(path.read_text(encoding="utf-8")) for path in GUI.rglob("*.py")
    }
    # The one place that ends such a connection itself.
    assert [line.partition(" ")[2] for line in found.pop("bridge/connections.py")] == [
        "receiver.destroyed.connect(lambda: QObject.disconnect(connection))"
    ]
    assert {path: lines for path, lines in found.items() if lines} == {}


GOOD = """
class Dialog(QDialog):
    changed = Signal()
    def __init__(self, preferences, theme):
        self._preferences = preferences
        self.button, self.line = QPushButton(), QLineEdit()
        self.button.clicked.connect(lambda: self.line.clear())
        self._preferences.changed.connect(self._show)
        menu = QMenu(self)
        action = menu.addAction("x")
        action.triggered.connect(lambda: self.line.clear())
        self.changed.connect(partial(print, 1))
        rows = self.line
        rows.textChanged.connect(lambda: self.line.clear())
        connect_for(self, preferences.changed, lambda: self.line.clear())
"""


def test_what_belongs_together_may_be_connected() -> None:
    assert _outliving(GOOD) == []


@pytest.mark.parametrize(
    "planted",
    [
        "preferences.changed.connect(lambda: self.line.clear())",
        "self._preferences.changed.connect(lambda before, now: self.line.clear())",
        "self._preferences.part.changed.connect(lambda: self.line.clear())",
        "theme.changed.connect(partial(self._show, 1))",
        "theme.changed.connect(functools.partial(self._show, 1))",
        "QGuiApplication.clipboard().dataChanged.connect(lambda: self.line.clear())",
        "clipboard = QGuiApplication.clipboard(); clipboard.dataChanged.connect(lambda: self.line.clear())",
        "known = self._preferences; known.changed.connect(lambda: self.line.clear())",
        "show = lambda: self.line.clear(); theme.changed.connect(show)",
        "for sender in (theme, preferences): sender.changed.connect(lambda: self.line.clear())",
    ],
)
def test_planted_violations_are_found(planted: str) -> None:
    assert len(_outliving(f"{GOOD}        {planted}\n")) == 1


def test_a_planted_local_function_is_found() -> None:
    inner = "        def show():\n            self.line.clear()\n        theme.changed.connect(show)\n"
    assert len(_outliving(GOOD + inner)) == 1


# --- one connection -------------------------------------------------------------------------------------------------


class _Sender(QObject):
    changed = Signal(int)


def test_a_closure_is_forgotten_with_its_receiver(qapp: QApplication) -> None:
    sender, receiver, heard = _Sender(), QObject(), list[int]()
    gone = weakref.ref(receiver)
    connect_for(receiver, sender.changed, lambda value, kept=receiver: heard.append(value))
    sender.changed.emit(1)
    shiboken6.delete(receiver)
    sender.changed.emit(2)
    assert heard == [1]
    del receiver
    gc.collect()
    assert gone() is None, "the sender held it"


# --- the whole window -----------------------------------------------------------------------------------------------


def _later(application: Application, changed: Settings) -> None:
    """Every preference changed, and every signal of what outlives a dialog fired."""
    window, bridge = application.window, application.bridge
    preferences = application.preferences
    for field in fields(Settings):
        if getattr(changed, field.name) != getattr(preferences.settings, field.name) and field.name != "unknown":
            before = preferences.settings
            after = replace(before, **{field.name: getattr(changed, field.name)})
            preferences.settings = after
            preferences.changed.emit(before, after)
    application.shortcuts.changed.emit()
    progress = IndexProgress(Phase.INDEXING, 1, 2, 3, 4.0, 0, 5.0, 6.0, "/videos/a.mp4")
    events: list[protocol.Event] = [
        protocol.EngineStarted(False, True, (Message("backup.restored"),), paused=True),
        protocol.PauseChanged(False),
        progress,
        FileIndexed("/videos/a.mp4", 1),
        protocol.IndexFinished(IndexTotals(1, 1, 1.0, 0, 0, 1.0, 1, False)),
        protocol.Optimising(True),
        protocol.Optimising(False),
        protocol.ExportProgress(0.5, "/videos/a.mp4"),
        protocol.DownloadProgress("starter", "fetching", 1, 2),
        protocol.CopyProgress(1, 2),
        protocol.DeviceLost(Message("model.gpu-lost", failure="x")),
        protocol.ModelsChanged(),
        protocol.LibraryChanged(frozenset(protocol.LibraryPart)),
        protocol.EngineLost(Message("engine.restarting", code=-9), False),
    ]
    for event in events:
        bridge._publish(event)
    bridge.locked_out.emit()
    window.storage.changed.emit()
    window.storage.told.emit("told")
    window.storage.failed.emit(RuntimeError("failed"))
    window.storage.progressed.emit(protocol.CopyProgress(1, 2))
    window.models.changed.emit(window.models.cards)
    window.models.failed.emit(RuntimeError("failed"))
    window.models.progressed.emit(protocol.DownloadProgress("starter", "fetching", 1, 2))
    window.library.failed.emit(RuntimeError("failed"))
    window.exports.failed.emit(RuntimeError("failed"))
    window.annotations.tags_changed.emit((("holiday", 1),))


def _openers(application: Application) -> dict[str, Callable[[], object]]:
    """Every way to open a dialog, by a name for it."""
    window = application.window
    everyday, dialogs, annotations = window.everyday, window.library_dialogs, window.annotation_dialogs
    file = file_named(window, "green.mp4")
    passage = protocol.Passage(file.path, 0.0, 1.0)
    folder = protocol.Folder("/videos", 1, 1, 0, 0, False)

    def inside(name: str, press: Callable[[Any], object]) -> Callable[[], object]:
        """A dialog that another one opens."""

        def open_both() -> None:
            getattr(everyday, f"show_{name}")()
            press(everyday._open[name])

        return open_both

    return {
        "settings": everyday.show_settings,
        "a player, in the settings": inside("settings", lambda dialog: dialog._choose_player()),
        "a folder, in the settings": inside("settings", lambda dialog: dialog._choose_folder()),
        "storage": everyday.show_storage,
        "a backup": inside("storage", lambda dialog: dialog._choose_backup()),
        "restoring": inside("storage", lambda dialog: dialog._ask_to_restore("/backup")),
        "moving": inside("storage", lambda dialog: dialog._ask_to_move("/elsewhere")),
        "exported tags": inside("storage", lambda dialog: dialog._choose_export()),
        "imported tags": inside("storage", lambda dialog: dialog._choose_import()),
        "models": everyday.show_models,
        "a model's folder": inside("models", lambda dialog: dialog._choose_folder()),
        "removing a model": inside("models", lambda dialog: dialog._ask_to_remove(window.models.cards[0])),
        "shortcuts": everyday.show_shortcuts,
        "about": everyday.show_about,
        "export": lambda: window.exports.export_passage(passage),
        "failures": lambda: window.library.failures_ready.emit(
            (protocol.FailedFile("/videos/a.mp4", Message("file.empty")),)
        ),
        "tags": lambda: annotations.edit_tags([file]),
        "a note": lambda: annotations.edit_note(file),
        "a folder": dialogs.choose_folder,
        "files": dialogs.choose_files,
        "removing a folder": lambda: dialogs.ask_to_remove(folder),
        "a search's name": lambda: window.searching.rename(protocol.SavedSearch("red", "red")),
        "a defect": lambda: window.show_details(RuntimeError("a defect")),
    }


def test_every_dialog_is_opened_and_closed_and_nothing_of_it_is_left(
    indexed: Application, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = indexed.window
    monkeypatch.setattr(indexed.bridge, "restart", lambda **_: None)  # of the engine, for a setting of its
    monkeypatch.setattr(Tray, "is_available", lambda: True)
    qtbot.waitUntil(lambda: len(names(indexed)) == 3 and bool(window.models.cards), timeout=WAIT)
    others = {field.name: _another(field, getattr(Settings(), field.name)) for field in fields(Settings)}
    before, changed, opened = indexed.preferences.settings, Settings(**others), set()
    for name, open_dialog in _openers(indexed).items():
        open_dialog()
        dialogs = window.findChildren(QDialog)
        assert dialogs, f"{name} opened no dialog"
        opened |= {type(dialog) for dialog in dialogs}
        held = {f"{type(dialog).__name__} of {name}": weakref.ref(dialog) for dialog in dialogs}
        for dialog in reversed(dialogs):
            dialog.close()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        del dialogs, dialog
        gc.collect()
        assert window.findChildren(QDialog) == [], f"{name} was closed and is not deleted"
        assert [what for what, there in held.items() if there() is not None] == []
        with qtbot.captureExceptions() as raised:
            _later(indexed, changed if indexed.preferences.settings == before else before)
        assert raised == [], name
    written = {
        node.name
        for path in GUI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "QDialog" for base in node.bases)
    }
    assert written - {kind.__name__ for kind in opened} == set(), "a dialog that is opened by no name above"


def _another(field: Field[Any], value: Any) -> Any:
    """A value that a field does not have by itself."""
    if choices := field.metadata.get("choices"):
        return next(choice for choice in choices if choice != value)
    match value:
        case bool():
            return not value
        case float():
            return value + 1.0
        case str():
            return "other"
        case tuple():
            return ("*.proxy.mp4",)
    return {"undo": ("Ctrl+U",)} if field.name == "shortcuts" else {}


def test_work_that_outlives_its_window_ends_in_silence(qtbot: QtBot, caplog: pytest.LogCaptureFixture) -> None:
    owner = QObject()
    future: Future[str] = Future()
    told: list[object] = []
    Deliveries(owner).deliver(future, told.append, told.append)
    shiboken6.delete(owner)
    future.set_result("late")
    QCoreApplication.processEvents()
    assert told == []
    assert caplog.records == []
