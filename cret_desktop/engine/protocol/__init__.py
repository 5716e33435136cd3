"""The messages between the window or the command line and the engine: frozen dataclasses, a module per subject.

Each request gets exactly one `Reply` or `Failure`; events arrive at any time. This package has no behaviour.
"""

from cret_desktop.domain.clips import SearchAnswer as SearchAnswer
from cret_desktop.domain.clips import Sort as Sort
from cret_desktop.domain.records import SavedSearch as SavedSearch
from cret_desktop.engine.protocol.annotations import *
from cret_desktop.engine.protocol.backups import *
from cret_desktop.engine.protocol.base import *
from cret_desktop.engine.protocol.events import *
from cret_desktop.engine.protocol.exports import *
from cret_desktop.engine.protocol.library import *
from cret_desktop.engine.protocol.models import *
from cret_desktop.engine.protocol.searching import *
