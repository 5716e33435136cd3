"""Measures the cost of decoding against a decoder that does nothing else, in one run.

    python -m tests.benchmarks.decoding [--rounds 3] [--pool] [FILE …]

Without files it generates films of 60 s at 1080p (a photograph-like picture that drifts, eleven hard cuts) in several
codecs and keyframe intervals. Baselines: one thread that decodes every packet and discards the frames, and keyframes
only. CPU seconds of this process, A B A B, medians with their spread; ratios are the result.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from cret_desktop.domain.clips import ClipDecoded, FileDecoded, FrameFormat, VideoFile
from cret_desktop.media.decoder import decode_file
from cret_desktop.media.decoder_pool import DecoderPool
from cret_desktop.media.probe import decode_packet, open_video
from cret_desktop.media.scan import video_file
from tests.videos import add_video_stream

SECONDS, RATE, SCENE = 60, 30, 5
VARIANTS = {
    "h264-250": ("libx264", {"preset": "veryfast", "g": "250", "sc_threshold": "0"}),
    "h264-30": ("libx264", {"preset": "veryfast", "g": "30", "sc_threshold": "0"}),
    "h264-x264": ("libx264", {"preset": "veryfast"}),
    "vp9-60": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "60", "b": "4M"}),
    "hevc-30": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=30:scenecut=0"}),
    "mjpeg": ("mjpeg", {"b": "30M"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="videos to measure; without any, films are made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pool", action="store_true", help="also the wall time of the pool over all files")
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = [video_file(path) for path in arguments.files] or [
            make_film(Path(folder) / f"{name}.mkv", *VARIANTS[name]) for name in arguments.variants
        ]
        headings = ("min", 6), ("clips", 6), ("frames", 8), ("CPU s/min", 14), ("all", 8), ("keys", 8), ("x floor", 9)
        print(f"{'file':<24}" + "".join(f"{name:>{width}}" for name, width in headings) + f"{'clips/s':>9}")
        for file in files:
            measure(file, arguments.rounds)
        if arguments.pool:
            measure_pool(files)


def measure(file: VideoFile, rounds: int) -> None:
    ways: dict[str, Callable[[VideoFile], object]] = {"ours": ours, "all": decode_all, "keys": decode_keyframes}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    (clips, frames, minutes), all_frames, _ = ours(file), decode_all(file), decode_keyframes(file)  # warm-up
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way(file)
            spent[name].append(time.process_time() - began)
    per_minute = {name: statistics.median(times) / minutes for name, times in spent.items()}
    spread = (max(spent["ours"]) - min(spent["ours"])) / minutes
    floor = per_minute["all" if frames > all_frames * 0.5 else "keys"]
    print(
        f"{Path(file.path).name[-23:]:<24}{minutes:>6.2f}{clips:>6}{frames:>8}"
        f"{per_minute['ours']:>8.2f} ±{spread / 2:>4.2f}{per_minute['all']:>8.2f}{per_minute['keys']:>8.2f}"
        f"{per_minute['ours'] / floor:>9.2f}{clips / (per_minute['ours'] * minutes):>9.1f}"
    )


def measure_pool(files: list[VideoFile]) -> None:
    for workers in (1, 2):
        with DecoderPool(FrameFormat(), workers=workers) as pool:
            began = time.perf_counter()
            clips = sum(isinstance(event, ClipDecoded) for event in pool.decode(files))
            wall = time.perf_counter() - began
        print(f"pool of {workers}: {clips} clips in {wall:.1f} s, {clips / wall:.1f} clips/s (start included)")


def ours(file: VideoFile) -> tuple[int, int, float]:
    clips, frames, end = 0, 0, 0.0
    for event in decode_file(file, FrameFormat()):
        if isinstance(event, ClipDecoded):
            clips, end = clips + 1, event.clip.end
        elif isinstance(event, FileDecoded):
            frames = event.frames_decoded
    return clips, frames, max(end, 1e-3) / 60


def decode_all(file: VideoFile) -> int:
    with open_video(file.path) as video:
        return sum(len(decode_packet(video, packet)) for packet in video.container.demux(video.stream))


def decode_keyframes(file: VideoFile) -> int:
    frames = 0
    with open_video(file.path) as video:
        for packet in video.container.demux(video.stream):
            if packet.is_keyframe and packet.size:
                frames += len(decode_packet(video, packet)) + len(decode_packet(video, None))
                video.stream.codec_context.flush_buffers()
    return frames


def make_film(path: Path, codec: str, options: dict[str, str]) -> VideoFile:
    with av.open(str(path), "w") as container:
        stream = add_video_stream(container, codec, RATE, options)
        stream.width, stream.height = 1920, 1080
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in drifting_scenes():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return video_file(str(path))


def drifting_scenes() -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    random = np.random.default_rng(0)
    for _ in range(SECONDS // SCENE):
        coarse = random.integers(0, 256, (27, 48, 3), np.uint8)
        fine = random.normal(0, 12, (1180, 2020, 1))
        scene = cv2.resize(coarse, (2020, 1180), interpolation=cv2.INTER_CUBIC) + fine
        scene = scene.clip(0, 255).astype(np.uint8)
        for i in range(SCENE * RATE):
            offset = i * 100 // (SCENE * RATE)
            yield np.ascontiguousarray(scene[offset : offset + 1080, offset : offset + 1920])


if __name__ == "__main__":
    main()
