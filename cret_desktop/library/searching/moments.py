"""Conversion of clip hits to finds, and of finds to the moments that are shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cret_desktop.domain.clips import LibraryFile, Match, Moment, Thumbnail
from cret_desktop.domain.records import ClipRow
from cret_desktop.library.ports import BlobStore
from cret_desktop.library.searching.expert import Find
from cret_desktop.library.searching.relevance import classify

MOMENTS_OF_A_VIDEO = 20  # shown on a page


@dataclass(frozen=True, slots=True)
class Hit:
    """A clip that was found. `best_frame` is the index in its times of the frame that matched."""

    clip: ClipRow
    score: float
    relevance: float
    best_frame: int


def merge(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Group hits (best first) into moments, best first: adjacent clips of one shot with an equal match.

    Groups never span a cut: a user means the shot. Weak hits stay apart: most clips are weak, and the best of them
    would be hidden in a moment as long as its shot.
    """
    by_place = {(hit.clip.file_id, hit.clip.ordinal): hit for hit in hits}
    taken: set[int] = set()
    groups: list[list[Hit]] = []
    for hit in hits:
        if hit.clip.id in taken:
            continue
        group = [hit]
        for step in (1, -1):
            at = hit.clip.ordinal + step
            while (
                (next_hit := by_place.get((hit.clip.file_id, at))) is not None
                and next_hit.clip.id not in taken
                and next_hit.clip.shot == hit.clip.shot
                and classify(next_hit.relevance) is classify(hit.relevance) is not Match.WEAK
            ):
                group.append(next_hit)
                at += step
        taken.update(member.clip.id for member in group)
        groups.append(group)
    return groups


def find_of(group: Sequence[Hit]) -> Find:
    """Return one find for a group of adjacent hits; the best hit, the first one, leads."""
    best = group[0]
    in_order = sorted(group, key=lambda hit: hit.clip.ordinal)
    return Find(
        best.clip.file_id,
        in_order[0].clip.start,
        in_order[-1].clip.end,
        best.relevance,
        best.score,
        clips=tuple(hit.clip for hit in in_order),
        lead=in_order.index(best),
        frame=best.best_frame,
    )


def moment_of(find: Find, blobs: BlobStore) -> Moment:
    """Return the moment of a find with clips; its thumbnails are in time order."""
    lead = find.clips[find.lead]
    return Moment(
        file_id=find.file_id,
        clip_id=lead.id,
        path=lead.path,
        start=find.start,
        end=find.end,
        score=find.score,
        relevance=find.relevance,
        match=find.match,
        thumbnails=tuple(tile for clip in find.clips for tile in clip_thumbnails(clip, blobs)),
        best=sum(len(clip.times) for clip in find.clips[: find.lead]) + find.frame,
        reasons=find.reasons,
    )


def whole_file(file: LibraryFile, clips: Sequence[ClipRow], blobs: BlobStore, relevance: float | None = None) -> Moment:
    """Return a file as one moment, with the posters of some of its clips. Without clips: `clip_id` 0, no thumbnails.

    The picture a third of the way in represents it, as the beginning is often a title. `relevance` is None for a file
    listed without a query.
    """
    posters = tuple(_poster(clip, blobs) for clip in clips)
    best = len(posters) // 3
    return Moment(
        file_id=file.id,
        clip_id=clips[best].id if clips else 0,
        path=file.path,
        start=0.0,
        end=file.duration or 0.0,
        score=0.0,
        relevance=relevance or 0.0,
        match=Match.BROWSED if relevance is None else classify(relevance),
        thumbnails=posters,
        best=best,
    )


def clip_thumbnails(clip: ClipRow, blobs: BlobStore) -> tuple[Thumbnail, ...]:
    path, width, height = blobs.sprite_path(clip.sprite), clip.tile_width, clip.tile_height
    return tuple(Thumbnail(path, (i * width, 0, width, height), time) for i, time in enumerate(clip.times))


def _poster(clip: ClipRow, blobs: BlobStore) -> Thumbnail:
    path, width, height = blobs.sprite_path(clip.sprite), clip.tile_width, clip.tile_height
    return Thumbnail(path, (clip.poster * width, 0, width, height), clip.times[clip.poster])
