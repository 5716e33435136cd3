"""The window's language: selects it and installs the translations of the app and of Qt's own dialogs.

The source is English, so English needs no file. A change takes effect after a restart. Never touches a widget.
"""

from __future__ import annotations

import logging

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from cret_desktop import paths
from cret_desktop.errors import CretError
from cret_desktop.messages import Message, render

log = logging.getLogger(__name__)

SOURCE = "en"
_spoken = SOURCE  # since the last `install`


def available() -> list[str]:
    """Return the codes of the available languages, the source language first."""
    found = paths.resource("translations").glob("cret_desktop_*.qm")
    return [SOURCE, *sorted(path.stem.removeprefix("cret_desktop_") for path in found)]


def chosen(language: str) -> str:
    """Return the language code for a setting: for "system" the first available one of the system's languages."""
    languages = available()
    if language != "system":
        return language if language in languages else SOURCE
    wanted = (name.replace("_", "-").partition("-")[0] for name in QLocale.system().uiLanguages())
    return next((name for name in wanted if name in languages), SOURCE)


def install(application: QCoreApplication, language: str) -> list[QTranslator]:
    """Install the translations for a language, before the first widget is built. Return them for `remove`."""
    global _spoken
    code = _spoken = chosen(language)
    QLocale.setDefault(QLocale.system() if QLocale.system().name().startswith(code) else QLocale(code))
    if code == SOURCE:
        return []
    translators = []
    qt = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    for name, folder in (("qtbase", qt), ("cret_desktop", str(paths.resource("translations")))):
        translator = QTranslator(application)
        if translator.load(f"{name}_{code}", folder):
            application.installTranslator(translator)
            translators.append(translator)
        else:
            log.warning("The translation %s_%s is not in %s.", name, code, folder)
    return translators


def said(what: BaseException | Message) -> str:
    """Return a message, or that of an error, in the language of the window."""
    if isinstance(what, CretError):
        what = what.message
    return render(what, _spoken) if isinstance(what, Message) else str(what)


def remove(application: QCoreApplication, translators: list[QTranslator]) -> None:
    global _spoken
    _spoken = SOURCE
    for translator in translators:
        application.removeTranslator(translator)
        translator.deleteLater()
