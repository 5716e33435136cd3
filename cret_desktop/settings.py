"""What a person has chosen, kept as JSON: a frozen dataclass, handed down as values. Nothing below reads it.

A file that cannot be understood is set aside under a name that says so, never overwritten and never an error: the
app starts with what could be read, and says a word. Keys of a newer version are kept. Files and their folder are for
this person alone, also where an older version or a copy has left them open, and are never written through a link. This
module never shows anything and never asks whether a device or a model is there.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from cret_desktop.atomic_write import atomic_write
from cret_desktop.domain.clips import DEVICES, USUAL_SAMPLING
from cret_desktop.errors import StorageError
from cret_desktop.foreign import Unusable, reason_of
from cret_desktop.messages import Message

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger(__name__)

T = TypeVar("T", bound="DataclassInstance")

THEMES = ("system", "light", "dark")
EXPORT_MODES = ("copy", "exact")
CLOSING = ("quit", "tray")
CLIP_SECONDS = (5.0, 10.0, 20.0)
THUMBNAIL_WIDTHS = (320, 240, 160)
_LARGEST = 2**31 - 1  # whole number that is believed: what the window's toolkit takes


def _choice(default: Any, *choices: Any) -> Any:
    """A field that holds one of a few values."""
    return field(default=default, metadata={"choices": choices})


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is one choice; the window's words about them are in `gui.settings.settings_dialog`.

    library:          the folder that the library was moved to; '' for the usual one (see `paths`)
    theme:            light, dark, or as the system has it
    language:         of the window, from its next start on: a code such as de, or as the system has it
    model:            a model's name, or its folder
    device:           what the model runs on; auto takes the fastest there is
    gentle:           index in the background's priority, so that other programs go first
    pause_on_battery: index only on mains power
    clip_seconds:     the longest a clip may be, of videos that are indexed from now on
    thumbnail_width:  the widest a thumbnail may be, in pixels, from now on
    disk_budget:      how many GB the library may take up before indexing stops; 0 for no bound
    leave_out:        patterns of files and folders, relative to a library's folder, that are not indexed
    external_player:  the program that plays a file outside of the window; '' for the system's
    closing:          what closing the window does: end the app, or leave it in the tray
    history:          keep what was searched
    export_mode:      copy the source's packets, or encode anew, right to a frame
    export_handles:   seconds added at either end of an exported moment
    export_folder:    '' for the folder that was used last
    offer_models:     say once that there is a better model than the one that comes with the app
    shortcuts:        keys by command, only where they are not the command's own (see `gui.settings.shortcuts`)
    unknown:          what a newer version has written; kept as it is
    """

    library: str = ""
    theme: str = _choice("system", *THEMES)
    language: str = "system"
    model: str = "starter"
    device: str = _choice("auto", *DEVICES)
    gentle: bool = True
    pause_on_battery: bool = True
    clip_seconds: float = _choice(USUAL_SAMPLING.clip_seconds, *CLIP_SECONDS)
    thumbnail_width: int = _choice(USUAL_SAMPLING.tile_width, *THUMBNAIL_WIDTHS)
    disk_budget: float = field(default=0.0, metadata={"least": 0.0, "most": 1e6})
    leave_out: tuple[str, ...] = ()
    external_player: str = ""
    closing: str = _choice("quit", *CLOSING)
    history: bool = True
    export_mode: str = _choice("copy", *EXPORT_MODES)
    export_handles: float = field(default=0.0, metadata={"least": 0.0, "most": 60.0})
    export_folder: str = ""
    offer_models: bool = True
    shortcuts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: dict[str, Any] = field(default_factory=dict)


def load(kind: type[T], path: Path) -> tuple[T, Message | None]:
    """A record of `kind` (a dataclass like Settings) from its file, and a message where not all could be understood.

    The message is None where all is well or there is no file yet. Otherwise the file has been copied beside itself
    (`settings.json.set-aside`), and what could not be read has its default. Never raises.
    """
    defaults = kind()
    keep_private(path.parent)
    keep_private(path)
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(written, dict):
            raise Unusable(Message("settings.no-object"))
    except FileNotFoundError:
        return defaults, None
    except (OSError, ValueError, RecursionError) as error:  # ValueError covers broken JSON and broken UTF-8
        return defaults, Message("settings.unreadable", path=path, reason=reason_of(error), aside=_set_aside(path))
    types = get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind) if item.name != "unknown"}
    known: dict[str, Any] = {}
    refused = []
    for name, item in fields.items():
        if name in written:
            try:
                known[name] = _understood(types[name], item, written[name])
            except (TypeError, ValueError, OverflowError):
                refused.append(name)
    known["unknown"] = {name: value for name, value in written.items() if name not in fields}
    record = dataclasses.replace(defaults, **known)
    if not refused:
        return record, None
    return record, Message("settings.unusable", path=path, names=", ".join(refused), aside=_set_aside(path))


def save(record: Any, path: Path) -> None:
    """Write a record so that the file is always whole: the old one or the new one. Raises: StorageError."""
    values = {item.name: getattr(record, item.name) for item in dataclasses.fields(record) if item.name != "unknown"}
    text = json.dumps({**record.unknown, **values}, indent=2, ensure_ascii=False, default=str) + "\n"
    try:
        make_private_folder(path.parent)
        # What is no text is JSON's escape.
        # Not flushed to the disk: that can stall the window, and a choice is soon made again.
        with atomic_write(path, private=True) as file:
            file.write(text.encode(errors="backslashreplace"))
    except OSError as error:
        raise StorageError("settings.not-written", path=path, reason=reason_of(error)) from error


def make_private_folder(folder: Path) -> None:
    """Make a folder that only this person may enter; one that is there already becomes so. Raises: OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    keep_private(folder)


def keep_private(path: Path) -> None:
    """Take from others what they may do with a file or folder of this person's. A link is left as it is."""
    if os.name == "nt":
        return  # where a person's folders are closed to others by what they inherit
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return  # it is not there, or cannot be read: who reads it next says so
    try:
        there = os.fstat(descriptor)
        if there.st_uid == os.geteuid() and there.st_mode & 0o077:
            os.fchmod(descriptor, there.st_mode & 0o700)
    except OSError as error:  # some sticks and shares know no such thing
        log.info("%s could not be closed to others: %s", path, error)
    finally:
        os.close(descriptor)


def _understood(kind: Any, item: dataclasses.Field[Any], value: Any) -> Any:
    """A JSON value as the field's type. Raises: TypeError, ValueError, OverflowError."""
    if kind is float and type(value) is int:
        value = float(value)
    if kind == tuple[str, ...]:
        value = _strings(value)
    elif kind == dict[str, tuple[str, ...]]:
        if not isinstance(value, dict):
            raise TypeError(value)
        value = {name: _strings(keys) for name, keys in value.items()}
    elif type(value) not in (get_args(kind) or (kind,)):  # `type`, because True is an instance of int
        raise TypeError(value)
    if kind is int and abs(value) > _LARGEST:
        raise ValueError(value)
    if "choices" in item.metadata and value not in item.metadata["choices"]:
        raise ValueError(value)
    if "least" in item.metadata and not item.metadata["least"] <= value <= item.metadata["most"]:  # NaN is refused too
        raise ValueError(value)
    return value


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(value)
    return tuple(value)


def _set_aside(path: Path) -> Message:
    """Copy a file that cannot be used beside itself. Return what became of it, as a part of a sentence."""
    aside = path.with_name(path.name + ".set-aside")
    try:
        content = path.read_bytes()
        with atomic_write(aside, private=True) as file:
            file.write(content)
    except OSError as error:
        return Message("settings.not-aside", reason=reason_of(error))
    return Message("settings.aside", name=aside.name)
