"""Searches, query pictures, and a video's filmstrip."""

from __future__ import annotations

from dataclasses import dataclass

from cret_desktop.domain.clips import Picture, SearchAnswer, Sort, Stretch
from cret_desktop.engine.protocol.base import Lane, Request


@dataclass(frozen=True, slots=True)
class Search(Request[SearchAnswer], lane=Lane.SEARCH):
    """Find moments. `text` is the typed query, operators included (see `library.searching.query`).

    `like` is a picture, or the id of a clip, to find similar moments by; `without` describes content to exclude. With
    neither words nor `like`, the matching files are listed, one moment a file. `limit` counts videos, from the
    `offset`-th on; `reverse` inverts the order of `sort`. Of a session's `live` searches, waiting or under way, only
    the newest is answered; the others get a Failure with `superseded`. Raises: QueryError, ModelError, PathError if the
    clip `like` has left the library.
    """

    text: str
    limit: int = 50
    live: bool = False
    without: str = ""
    like: Picture | int | None = None
    sort: Sort = Sort.RELEVANCE
    reverse: bool = False
    offset: int = 0

    @property
    def is_unrestricted(self) -> bool:
        """Whether it lists the whole library."""
        return not self.text and not self.without and self.like is None


@dataclass(frozen=True, slots=True)
class ReadPicture(Request[Picture], lane=Lane.PICTURES):
    """Read a picture to search by, from a file or from its bytes in `data`. The reply is small and upright.

    Of a session's pictures, waiting or being read, only the newest is answered; the others get a Failure with
    `superseded`. Raises: PathError within ten seconds for a file without a picture of a supported kind and size.
    """

    path: str = ""
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class GetFilmstrip(Request[tuple[Stretch, ...]], lane=Lane.SEARCH):
    """List all clips of a file in order of time, with their relevance to a query. Raises: as Search."""

    file_id: int
    text: str = ""
    like: Picture | int | None = None


@dataclass(frozen=True, slots=True)
class Prepare(Request[dict[str, float]], lane=Lane.SEARCH):
    """Load the parts that a search needs. The reply holds the milliseconds of each part. Raises: ModelError."""
