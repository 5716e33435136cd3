"""What the window or the command line and the engine say to each other: frozen dataclasses, a module a subject.

Requests get exactly one `Reply` or `Failure`; events come when they come. Nothing here does anything.
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
