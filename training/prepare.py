"""Decodes a data set's videos once, into the folder for `--data` in training and evaluation.

    python -m training.prepare msrvtt --videos DIR --out DIR

Copies the annotation files to OUT/annotations, fills the frame store in OUT/frames and writes OUT/report.json, which
lists missing, broken and partly readable videos. It may be stopped and restarted at any time and retries failures.
Training and evaluation decide which videos a result may leave out; this command never does.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import av
import cv2
from rich.progress import MofNCompleteColumn, Progress

from cret_desktop.domain.clips import FrameFormat
from cret_desktop.errors import BadFile, CretError, PathError
from cret_desktop.media.probe import OpenVideo, decode_packet, open_video, read_packets
from cret_desktop.media.scan import VIDEO_SUFFIXES
from cret_desktop.media.thumbnails import Orientation, Picture, Pictures
from training.datasets import registry
from training.datasets.base import DataSet, Split, Video, check_layout, stem
from training.datasets.store import FrameStore, StoredVideo, StoreSettings, StoreWriter

REPORT = "report.json"
LIMIT = 600.0  # seconds per video; a typical clip takes about one
_SHORT_SHARE = 0.1  # of the length in the header: a video may end early by this share without a note
_SHORT_SECONDS = 1.0


def read_candidates(path: str, settings: StoreSettings) -> StoredVideo:
    """Return the frames shown at k / K of the video's length, for every k < K, as JPEGs. Raises: BadFile.

    The length comes from the packets: headers are often wrong, and a wrong length selects the wrong frames.
    """
    with open_video(path) as video:
        claimed = video.duration
        times = _packet_times(video)
    if not times:
        raise BadFile("file.no-frame")
    start, end = times
    with open_video(path) as video:
        length = end - start if settings.seconds is None else min(end - start, settings.seconds)
        wanted = [start + length * k / settings.candidates for k in range(settings.candidates)]
        jpegs, whole = _jpegs_at(video, wanted, settings)
    note = "" if whole else "Its pictures end early; the last one stands for those that are missing."
    if claimed - end > max(_SHORT_SECONDS, _SHORT_SHARE * claimed):
        note = note or f"It holds {end - start:.1f} s of the {claimed:.1f} s that its header claims."
    return StoredVideo(tuple(jpegs), length, note)


def _packet_times(video: OpenVideo) -> tuple[float, float] | None:
    """Return the start and end of the pictures in seconds, without decoding; None if no packet has a time."""
    begins, ends = [], []
    step = 1 / video.frame_rate if video.frame_rate else 0.0
    try:
        for packet in read_packets(video.container, [video.stream]):
            timestamp = packet.pts if packet.pts is not None else packet.dts
            if packet.size and timestamp is not None:
                begins.append(video.seconds(timestamp))
                ends.append(begins[-1] + (float(packet.duration * video.time_base) if packet.duration else step))
    except av.FFmpegError:
        pass  # damaged from here on: the part before is kept, and its note reports the damage
    return (min(begins), max(ends)) if begins else None


def _jpegs_at(video: OpenVideo, wanted: Sequence[float], settings: StoreSettings) -> tuple[list[bytes], bool]:
    """Return the picture on display at each time, and whether the pictures reach the last time."""
    jpegs: list[bytes] = []
    pictures: Pictures | None = None
    shown: av.VideoFrame | None = None
    last = wanted[0]

    def show(frame: av.VideoFrame, until: float) -> None:
        """Take `frame`, displayed until then, as the candidate for every time before."""
        count = sum(time_ < until for time_ in wanted[len(jpegs) :])
        if count:
            assert pictures is not None
            jpegs.extend([_jpeg(pictures.picture(frame), settings.quality)] * count)

    for frame, last in _frames(video):
        if shown is None:
            # The rotation is known only from a decoded frame.
            orientation = Orientation.of(frame)
            frame_format = FrameFormat(size=settings.short_side)
            pictures = Pictures(video.shown_size(orientation), orientation, frame_format)
        else:
            show(shown, until=last)
            if len(jpegs) == len(wanted):
                return jpegs, True
        shown = frame
    if shown is None:
        raise BadFile("file.no-frame")
    show(shown, until=float("inf"))
    return jpegs, wanted[-1] - last <= max(_SHORT_SECONDS, (wanted[-1] - wanted[0]) / len(wanted))


def _frames(video: OpenVideo) -> Iterator[tuple[av.VideoFrame, float]]:
    """Yield decoded frames in presentation order, with their times."""
    video.stream.codec_context.thread_count = 1  # one process per core: more threads would only wait for each other
    last = float("-inf")
    try:
        for packet in read_packets(video.container, [video.stream]):
            for frame in decode_packet(video, packet if packet.size else None):
                if frame.pts is not None and video.seconds(frame.pts) > last:
                    last = video.seconds(frame.pts)
                    yield frame, last
    except av.FFmpegError:
        return  # damaged from here on, as in `_packet_times`


def _jpeg(picture: Picture, quality: int) -> bytes:
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return jpeg.tobytes()


def find_videos(folder: Path, videos: Iterable[Video]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the paths of the videos found and the reasons for those missing, both by id.

    A video is at its usual path, or anywhere below `folder` under its stem.
    """
    by_stem: dict[str, list[str]] = {}
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".") or Path(name).suffix.lower().removeprefix(".") in VIDEO_SUFFIXES:
                by_stem.setdefault(stem(name), []).append(os.path.join(parent, name))
    found, reasons = {}, {}
    for video in videos:
        expected = folder / video.path
        candidates = [str(expected)] if expected.is_file() else by_stem.get(stem(video.path), [])
        if len(candidates) == 1:
            found[video.id] = candidates[0]
        elif candidates:
            reasons[video.id] = f"several files carry its name: {', '.join(candidates)}"
        else:
            reasons[video.id] = f"no file “{video.path}”, nor one of that name with another extension"
    return found, reasons


def decode_all(
    paths: Mapping[str, str], read: Callable[[str], StoredVideo], processes: int, limit: float = LIMIT
) -> Iterator[tuple[str, StoredVideo | str]]:
    """Yield the result of `read` for each path, by id, in any order; a sentence in place of an unreadable video.

    A decoder that crashes its process, or takes longer than `limit` seconds, affects only its own video: the videos in
    progress at that time are read again, one by one.
    """
    waiting = list(paths)[::-1]
    suspects: list[str] = []
    limited = partial(_read_in_time, read, limit)
    while waiting:
        suspects += yield from _decode_some(waiting, paths, limited, processes)
    for id_ in suspects:
        began = time.monotonic()
        if (yield from _decode_some([id_], paths, limited, 1)):
            if time.monotonic() - began < limit:
                yield id_, "The process that read it ended: the file brings the decoder down."
            else:
                yield id_, f"It was not read within {limit:g} s: the decoder hangs, or --limit is too short for it."


def _read_in_time(read: Callable[[str], StoredVideo], limit: float, path: str) -> StoredVideo:
    """Read a video, and end this process after `limit` seconds: nothing gentler stops a decoder that hangs in C."""
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
        try:
            return read(path)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _decode_some(
    waiting: list[str], paths: Mapping[str, str], read: Callable[[str], StoredVideo], processes: int
) -> Generator[tuple[str, StoredVideo | str], None, list[str]]:
    """Read ids from the end of `waiting` until it is empty or a process died; return the ids then in progress."""
    running: dict[Future[StoredVideo], str] = {}
    # Never `fork`: FFmpeg's and OpenCV's threads do not survive a fork.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < 2 * processes:
                    running[pool.submit(read, paths[waiting[-1]])] = waiting[-1]
                    waiting.pop()
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    try:
                        result: StoredVideo | str = future.result()
                    except BadFile as error:
                        result = str(error)
                    yield running.pop(future), result
        except BrokenProcessPool:
            return list(running.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return []


def copy_annotations(dataset: DataSet, source: Path, target: Path) -> list[str]:
    """Copy the files of every split whose files are complete and return those splits. Raises: PathError."""
    there = [split for split, files in dataset.files.items() if all((source / file).is_file() for file in files)]
    if not there:
        everything = sorted({file for files in dataset.files.values() for file in files})
        check_layout(source, everything, dataset.name)
    target.mkdir(parents=True, exist_ok=True)
    for file in {file for split in there for file in dataset.files[split]}:
        if not (target / file).exists() or not (target / file).samefile(source / file):
            shutil.copyfile(source / file, target / file)
    return there


def prepare(
    dataset: DataSet,
    videos: Path,
    annotations: Path,
    out: Path,
    settings: StoreSettings,
    *,
    splits: Sequence[str] | None = None,
    processes: int = 1,
    limit: float = LIMIT,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, object]:
    """Prepare the given splits, or all that have annotations; return the report, which is also written to OUT.

    limit: seconds per video. progress: called with the number of finished videos and the total.
    Raises: PathError, UsageError, StorageError.
    """
    if not videos.is_dir():
        raise PathError("training.no-videos", folder=videos)
    there = copy_annotations(dataset, annotations, out / registry.ANNOTATIONS)
    read = [dataset.load(out / registry.ANNOTATIONS, split) for split in splits or there]
    wanted = {video.id: video for split in read for video in split.videos}
    started = time.monotonic()
    with StoreWriter(out / registry.FRAMES, settings) as writer:
        done = writer.done()
        todo = [video for id_, video in wanted.items() if id_ not in done]
        found, reasons = find_videos(videos, todo)
        for id_, reason in reasons.items():
            writer.fail(id_, reason)
        finished = len(wanted) - len(found)
        progress(finished, len(wanted))
        for id_, video in decode_all(found, partial(read_candidates, settings=settings), processes, limit):
            if isinstance(video, str):
                writer.fail(id_, video)
            else:
                writer.add(id_, video)
            finished += 1
            progress(finished, len(wanted))
    report = _report(dataset, read, FrameStore(out / registry.FRAMES))
    report["seconds_of_this_run"] = round(time.monotonic() - started, 1)
    (out / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def _report(dataset: DataSet, splits: Sequence[Split], store: FrameStore) -> dict[str, object]:
    size = sum(file.stat().st_size for file in store.folder.iterdir())
    wanted = list(dict.fromkeys(video.id for split in splits for video in split.videos))
    return {
        "dataset": dataset.name,
        "splits": {
            split.name: {
                "published": split.published,
                "listed": len(split.videos),
                "prepared": sum(video.id in store for video in split.videos),
            }
            for split in splits
        },
        "missing": {id_: store.failures.get(id_, "not prepared") for id_ in wanted if id_ not in store},
        "partial": {id_: store.notes[id_] for id_ in wanted if id_ in store.notes},
        "bytes": size,
        "bytes_per_video": round(size / max(1, len(store))),
    }


def _default_annotations(dataset: DataSet, videos: Path) -> Path:
    """Return the folder of videos or its parent, if it contains annotations; else the former, for the error message."""
    files = {file for files in dataset.files.values() for file in files}
    return next(
        (folder for folder in (videos, videos.parent) if any((folder / file).is_file() for file in files)), videos
    )


def main(arguments: Sequence[str] | None = None) -> int:
    defaults = StoreSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=sorted(registry.DATASETS))
    parser.add_argument("--videos", type=Path, required=True, help="the folder with the video files")
    parser.add_argument("--out", type=Path, required=True, help="what training and evaluation get as --data")
    parser.add_argument("--annotations", type=Path, help="default: the folder of videos, or the one above it")
    parser.add_argument("--splits", nargs="+", help="default: all whose annotation files are there")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds that one video may take")
    parser.add_argument("--candidates", type=int, default=defaults.candidates, help="frames kept of a video")
    parser.add_argument("--short-side", type=int, default=defaults.short_side, help="pixels")
    parser.add_argument("--quality", type=int, default=defaults.quality, help="of the JPEGs, 1 to 100")
    parser.add_argument("--allow-missing", action="store_true", help="succeed although videos are missing or broken")
    options = parser.parse_args(arguments)
    try:
        dataset = registry.dataset(options.dataset)
        settings = StoreSettings(options.candidates, options.short_side, options.quality, dataset.seconds)
        annotations = options.annotations or _default_annotations(dataset, options.videos)
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
            task = bar.add_task(f"Preparing {dataset.name}", total=None)
            report = prepare(
                dataset,
                options.videos,
                annotations,
                options.out,
                settings,
                splits=options.splits,
                processes=options.processes,
                limit=options.limit,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except CretError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return error.exit_status
    missing, partly = cast("dict[str, str]", report["missing"]), cast("dict[str, str]", report["partial"])
    for name, counts in cast("dict[str, dict[str, int]]", report["splits"]).items():
        print(f"{name:12} {counts['prepared']} of {counts['listed']} videos")
    print(
        f"{report['bytes_per_video']} bytes a video; {len(partly)} could be read in part only; "
        f"details: {options.out / REPORT}"
    )
    if missing:
        print(f"prepare: {len(missing)} videos are missing or broken; get them and run this again.", file=sys.stderr)
    return 1 if missing and not options.allow_missing else 0


if __name__ == "__main__":
    sys.exit(main())
