"""The widgets of a search: the bar, the filters' form, pictures, history and saved searches.

Connects them with the SearchController, which decides the requests. This module never shows a result.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QMimeData, QObject, Qt, Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QInputDialog, QWidget

from cret_desktop.domain.clips import Moment, Picture, Thumbnail
from cret_desktop.engine.protocol import LibraryStatus, SavedSearch
from cret_desktop.gui.appearance.theme import Theme
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.bridge.thumbnail_cache import Place, ThumbnailCache
from cret_desktop.gui.search.chips import PICTURE
from cret_desktop.gui.search.filters import Filters
from cret_desktop.gui.search.pictures import PictureLoader, picture_paths, to_image
from cret_desktop.gui.search.saved_searches import SavedSearches
from cret_desktop.gui.search.search_bar import SearchBar
from cret_desktop.gui.search.search_controller import SearchController
from cret_desktop.gui.search.suggestions import Vocabulary
from cret_desktop.library.searching import query


class Searching(QObject):
    """Signals: `failed(Exception)`, `sorted(Sort, bool)` the order of a recalled search."""

    failed = Signal(object)
    sorted = Signal(object, bool)

    def __init__(
        self,
        bridge: EngineBridge,
        bar: SearchBar,
        search: SearchController,
        saved: SavedSearches,
        thumbnails: ThumbnailCache,
        theme: Theme,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._bar = bar
        self._search = search
        self._saved = saved
        self._thumbnails = thumbnails
        self._window = window
        self._liked: Thumbnail | None = None
        self._folders: tuple[str, ...] = ()
        self._tags: tuple[tuple[str, int], ...] = ()
        self.filters = Filters(theme, window)
        self.pictures = PictureLoader(bridge, self)
        self._connect_signals()

    def _connect_signals(self) -> None:
        bar, search = self._bar, self._search
        bar.searched.connect(search.search)
        bar.excluded.connect(search.exclude)
        bar.resembled.connect(search.resemble)
        bar.cleared.connect(search.clear)
        bar.picture_pasted.connect(self.take_picture)
        bar.filters_wanted.connect(self.open_filters)
        bar.save_wanted.connect(self.save)
        self.filters.changed.connect(bar.set_filters)
        self.pictures.loaded.connect(self.like_picture)
        self.pictures.failed.connect(self.failed)
        self._saved.failed.connect(self.failed)
        self._saved.changed.connect(self._show_whether_saved)
        search.changed.connect(self._show_whether_saved)
        self._thumbnails.ready.connect(self._on_thumbnail)

    # --- the library's contents -------------------------------------------------------------------------------

    def set_status(self, status: LibraryStatus) -> None:
        self._search.set_files(status.files)
        folders = tuple(folder.path for folder in status.folders)
        if folders != self._folders:
            self._folders = folders
            self.filters.set_folders(folders)
            self._tell_vocabulary()

    def set_tags(self, tags: tuple[tuple[str, int], ...]) -> None:
        self._tags = tags
        self.filters.set_tags(tags)
        self._tell_vocabulary()

    def _tell_vocabulary(self) -> None:
        self._bar.line.vocabulary = Vocabulary(self._folders, tuple(tag for tag, _ in self._tags))

    # --- the query --------------------------------------------------------------------------------------------

    def narrow(self, operator: str, value: str) -> None:
        """Narrow the search to a folder, a tag or a state."""
        self._bar.add_filter(operator, value)

    def narrow_by(self, text: str) -> None:
        """Narrow the search by typed operators."""
        for token in query.tokens(text):
            if token.kind == "operator":
                self._bar.add_filter(token.operator, token.value)

    def clear_filters(self) -> None:
        self._bar.set_filters(())

    def open_filters(self) -> None:
        self.filters.open_under(self._bar.filters_button, self._bar.filters)

    # --- pictures ---------------------------------------------------------------------------------------------

    def like_moment(self, moment: Moment) -> None:
        """Find moments that look like this one."""
        self._liked = moment.thumbnails[moment.best] if moment.thumbnails else None
        self._bar.resemble(QPixmap(), moment.clip_id)
        if self._liked is not None:
            self._on_thumbnail(self._liked.path)

    def like_picture(self, picture: Picture) -> None:
        """Find moments that look like a picture, such as a frame of the player."""
        self._liked = None
        self._bar.resemble(QPixmap.fromImage(to_image(picture)), picture)

    def take_picture(self, data: QMimeData) -> None:
        """Search by dropped or pasted data: the picture itself, or the first of the files."""
        paths = picture_paths(data)
        if paths:
            self.pictures.load(paths[0])
        else:
            self.pictures.load_copied(data)

    def _on_thumbnail(self, path: str) -> None:
        if self._liked is None or path != self._liked.path:
            return
        pixmap = self._thumbnails.picture(self._liked, Place(PICTURE, self._bar.devicePixelRatio(), cover=True))
        if pixmap is not None:
            self._bar.show_picture(pixmap)
            self._liked = None

    # --- saved searches ---------------------------------------------------------------------------------------

    def recall(self, saved: SavedSearch) -> None:
        self._bar.show_saved(saved)
        self.sorted.emit(saved.sort, saved.reverse)
        self._search.recall(saved)

    def save(self) -> None:
        """Save the query under a name, or remove it if it is already saved, as a toggle."""
        wish = self._search.wish
        name = self._saved.name_of(wish)
        if name:
            self._saved.forget(next(saved for saved in self._saved.searches if saved.name == name))
        elif wish.text or wish.without:
            self._ask_name(self.tr("Save this search"), wish.text, lambda name: self._saved.save(name, wish))

    def rename(self, saved: SavedSearch) -> None:
        self._ask_name(self.tr("Rename a search"), saved.name, lambda name: self._saved.rename(saved, name))

    def _ask_name(self, title: str, proposed: str, then: Callable[[str], object]) -> None:
        dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(title)
        dialog.setLabelText(self.tr("Name"))
        dialog.setTextValue(proposed)
        dialog.textValueSelected.connect(then)
        dialog.open()

    def _show_whether_saved(self) -> None:
        self._bar.set_saved(bool(self._saved.name_of(self._search.wish)))
