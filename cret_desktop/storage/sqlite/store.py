"""The SQLite stores of one library, which implement the storage ports of `library` (`library.ports.Store`)."""

from __future__ import annotations

from pathlib import Path

from cret_desktop.library_files import CATALOG, LibraryFiles
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.backup import FolderBackup
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.checks import CatalogChecks
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.scans import Scans
from cret_desktop.storage.sqlite.stages import Stages
from cret_desktop.storage.sqlite.texts import Texts
from cret_desktop.storage.sqlite.thumbnail_files import ThumbnailFiles


class SqliteStore:
    """All data in a library's folder except its search graphs. Use as a context manager or call `close`."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.scans = Scans(catalog)
        self.stages = Stages(catalog)
        self.queue = FileChanges(catalog)
        self.clips = Clips(catalog)
        self.features = Embeddings(catalog)
        self.listing = Listing(catalog)
        self.annotations = Annotations(catalog)
        self.texts = Texts(catalog)
        self.checks = CatalogChecks(catalog, LibraryFiles(catalog.path.parent))
        self.backup = FolderBackup(catalog.path.parent)
        self.blobs = ThumbnailFiles(LibraryFiles(catalog.path.parent))

    @classmethod
    def open(cls, library: Path, read_only: bool = False) -> SqliteStore:
        """Open the library in a folder. Raises: as `Catalog.open`."""
        return cls(Catalog.open(library / CATALOG, read_only))

    def close(self) -> None:
        self.catalog.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
