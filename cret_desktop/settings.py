"""The user's settings, stored as JSON: a frozen dataclass, passed down as values. Lower layers never import it.

A file that cannot be parsed is copied to a `.set-aside` file, never lost and never an error: the app starts with the
values that could be read, and shows a message. Keys of a newer version are kept. Files and their folder are readable by
the user alone, even if an older version or a copy left them open, and are never written through a link. This module
shows nothing and does not check whether a device or a model exists.
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
_LARGEST = 2**31 - 1  # largest integer that is accepted: the maximum of the window's toolkit


def _choice(default: Any, *choices: Any) -> Any:
    """Return a field that takes one of a few values."""
    return field(default=default, metadata={"choices": choices})


@dataclass(frozen=True, slots=True)
class Settings:
    """The user's choices; the window's texts for them are in `gui.settings.settings_dialog`.

    library:          the folder that the library was moved to; '' for the default (see `paths`)
    theme:            light, dark, or same as system
    language:         of the window: a code such as de, or same as system; takes effect after a restart
    model:            a model's name, or its folder
    device:           the device that the model runs on; auto selects the fastest available
    gentle:           index at background priority, so that other programs go first
    pause_on_battery: index only on mains power
    clip_seconds:     maximum clip length in seconds, for videos that are indexed from now on
    thumbnail_width:  maximum thumbnail width in pixels, for videos that are indexed from now on
    disk_budget:      size of the library in GB at which indexing stops; 0 for no limit
    leave_out:        patterns of files and folders, relative to a library's folder, that are not indexed
    external_player:  the program that plays a file outside the window; '' for the system's
    closing:          effect of closing the window: quit the app, or keep it running in the tray
    history:          keep recent searches
    export_mode:      copy the source's packets, or re-encode with frame-accurate cuts
    export_handles:   seconds added at either end of an exported moment
    export_folder:    '' for the folder used last
    offer_models:     offer once a better model than the one that ships with the app
    shortcuts:        keys by command, only those that differ from the default (see `gui.settings.shortcuts`)
    unknown:          keys of a newer version; kept as they are
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
    """Return a record of `kind` (a dataclass like Settings) from its file, and a message if a part was refused.

    The message is None if all is well or the file does not exist yet. Otherwise the file has been copied beside itself
    (`settings.json.set-aside`), and each refused value has its default. Never raises.
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
        # Characters that UTF-8 cannot encode become JSON escapes. Not flushed to the disk: that can stall the window,
        # and a setting is easily repeated.
        with atomic_write(path, private=True) as file:
            file.write(text.encode(errors="backslashreplace"))
    except OSError as error:
        raise StorageError("settings.not-written", path=path, reason=reason_of(error)) from error


def make_private_folder(folder: Path) -> None:
    """Create a folder that only the user may enter, or restrict an existing one. Raises: OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    keep_private(folder)


def keep_private(path: Path) -> None:
    """Remove other users' permissions for a file or folder of this user. A link is left as it is."""
    if os.name == "nt":
        return  # a user's folders are private there by inheritance
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return  # missing or unreadable: the next reader reports it
    try:
        there = os.fstat(descriptor)
        if there.st_uid == os.geteuid() and there.st_mode & 0o077:
            os.fchmod(descriptor, there.st_mode & 0o700)
    except OSError as error:  # some USB sticks and shares have no permissions
        log.info("%s could not be closed to others: %s", path, error)
    finally:
        os.close(descriptor)


def _understood(kind: Any, item: dataclasses.Field[Any], value: Any) -> Any:
    """Return a JSON value as the field's type. Raises: TypeError, ValueError, OverflowError."""
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
    if "least" in item.metadata and not item.metadata["least"] <= value <= item.metadata["most"]:  # also refuses NaN
        raise ValueError(value)
    return value


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(value)
    return tuple(value)


def _set_aside(path: Path) -> Message:
    """Copy an unusable file beside itself. Return the outcome as a part of a sentence."""
    aside = path.with_name(path.name + ".set-aside")
    try:
        content = path.read_bytes()
        with atomic_write(aside, private=True) as file:
            file.write(content)
    except OSError as error:
        return Message("settings.not-aside", reason=reason_of(error))
    return Message("settings.aside", name=aside.name)
