"""Evaluates a checkpoint on a split in both directions, with and without the variance term; DSL and QB-Norm apart.

    python -m training.evaluate CHECKPOINT msrvtt --data DIR --frames 2 4 8 16 --compare

CHECKPOINT is the folder of a run or of a model. Writes results.json, results.md and examples.html. They include the
environment, the number of missing videos and the published size of the split. Similarities are always float32.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import html
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cret_desktop.domain.clips import FrameFormat, ScoreConfig
from cret_desktop.errors import CretError, UsageError
from cret_desktop.model.cret import CRET
from cret_desktop.model.encoder import choose_device
from cret_desktop.model.transforms import Tokenizer, normalise_pixels
from training import logs, metrics, pairwise, published, runs
from training.datasets import registry
from training.datasets.base import FewerVideos, VideoTexts
from training.datasets.pairs import fit_frames
from training.losses import center_logits, frame_scores, gaussian_logits
from training.metrics import Ranks
from training.pairwise import PairScorer, TextTokens, VideoTokens

TEXTS_AT_ONCE = 256
DEFAULT_SPLITS = {"msrvtt": "test-1k"}  # other data sets: "test"
_SCORES_AT_ONCE = 1 << 24  # text-frame pairs per block of similarities
_SHOWN = 5  # videos per example


@dataclass(frozen=True, slots=True)
class Encoded:
    """A split's features, float32 on the CPU: T texts, V videos of M frames, C centers.

    text_globals [T, D], text_centers [T, C, D], frame_features [V, M, D], video_centers [V, C, D], owners int64 [T].
    tokens: the further inputs of a pairwise model, if requested.
    """

    text_globals: Tensor
    text_centers: Tensor
    frame_features: Tensor
    video_centers: Tensor
    owners: Tensor
    text_seconds: float
    video_seconds: float
    tokens: tuple[TextTokens, VideoTokens] | None = None


class _Clips(Dataset[Tensor]):
    """Each video's middle frames in the model's frame format: uint8 [M, S, S, 3]."""

    def __init__(self, data: VideoTexts, frames: int, frame_format: FrameFormat) -> None:
        self._data, self._frames, self._format = data, frames, frame_format

    def __len__(self) -> int:
        return len(self._data.video_ids)

    def __getitem__(self, video: int) -> Tensor:
        return torch.from_numpy(fit_frames(self._data.frames(video, self._frames), self._format))


def encode(
    model: CRET,
    tokenizer: Tokenizer,
    data: VideoTexts,
    frames: int | None = None,
    *,
    batch: int = 32,
    workers: int = 0,
    device: torch.device | None = None,
    tokens: bool = False,
) -> Encoded:
    """Encode all texts and videos of a split in evaluation mode, then restore the model's mode and device.

    frames: M; None for the model's own. device: None for the model's own. tokens: keep tokens, too.
    """
    config = model.config
    origin = next(model.parameters()).device
    device = device or origin
    was_training = model.training
    model.eval().to(device)
    try:
        with torch.inference_mode():
            started = time.monotonic()
            texts = []
            for start in range(0, len(data.texts), TEXTS_AT_ONCE):
                ids, mask = (part.to(device) for part in tokenizer(data.texts[start : start + TEXTS_AT_ONCE]))
                text, centers, text_tokens = pairwise.encode_texts(model, ids, mask)
                texts.append((text, centers, *(text_tokens[1:] if tokens else ())))
            text_globals, text_centers, *words = _joined(texts)
            texts_done = time.monotonic()
            clips = _Clips(data, frames or config.frames.frames, config.frames)
            loader = DataLoader(
                clips,
                batch,
                num_workers=workers,
                # Forked workers would inherit torch's and OpenCV's threads.
                multiprocessing_context="spawn" if workers else None,
                pin_memory=device.type == "cuda",
            )
            videos = []
            for pixels in loader:
                normalised = normalise_pixels(pixels.to(device, non_blocking=True), config.mean, config.std)
                videos.append(model.encode_video_tokens(normalised)[: 3 if tokens else 2])
            frame_features, video_centers, *patches = _joined(videos)
            videos_done = time.monotonic()
    finally:
        model.train(was_training).to(origin)
    return Encoded(
        text_globals,
        text_centers,
        frame_features,
        video_centers,
        torch.as_tensor(data.owners, dtype=torch.int64),
        texts_done - started,
        videos_done - texts_done,
        (TextTokens(text_globals, *words), VideoTokens(frame_features, *patches)) if tokens else None,
    )


def _joined(parts: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
    return [torch.cat([tensor.float().cpu() for tensor in column]) for column in zip(*parts, strict=True)]


def pair_scores(encoded: Encoded, scorer: PairScorer, device: torch.device) -> Tensor:
    """Return a pairwise model's scores for each frame of every pair, float32 [T, V, M]."""
    assert encoded.tokens is not None, "tokens were not kept"
    return pairwise.score_all(scorer, *encoded.tokens, device)


def similarities(
    encoded: Encoded, score: ScoreConfig, videos: Encoded | None = None, pairs: Tensor | None = None
) -> Tensor:
    """Return the score of every text with every video, float32 [T, V].

    videos: take the videos of another split. pairs: scores [T, V, M] in place of inner products.
    """
    videos = videos or encoded
    rows = max(1, _SCORES_AT_ONCE // max(1, videos.frame_features[..., 0].numel()))
    found = []
    for start in range(0, len(encoded.text_globals), rows):
        some = slice(start, start + rows)
        if pairs is None:
            scores = frame_scores(encoded.text_globals[some], videos.frame_features, score.temperature)
        else:
            scores = pairs[some]
        found.append(_score(scores, encoded.text_centers[some], videos.video_centers, score))
    return torch.cat(found)


def _score(scores: Tensor, text_centers: Tensor, video_centers: Tensor, score: ScoreConfig) -> Tensor:
    """Score one block: scores [T, V, M], centers [T, C, D] and [V, C, D] -> [T, V]."""
    whole = scores.amax(-1) if score.pooling == "max" else gaussian_logits(scores, score.variance_weight)
    if text_centers.shape[1] and score.center_weight:
        whole = whole + score.center_weight * center_logits(text_centers, video_centers, score.temperature)
    return whole


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the result. `own`: whether it is the model's own score, which the app uses."""

    name: str
    frames: int
    own: bool
    ranks: Mapping[str, Ranks]

    def to_json(self) -> dict[str, Any]:
        ranks = {direction: ranks.to_json() for direction, ranks in self.ranks.items()}
        return {"name": self.name, "frames": self.frames, "own": self.own, **ranks}


def score_rows(
    encoded: Encoded, own: ScoreConfig, bank: Encoded | None = None, pairs: Tensor | None = None
) -> list[Row]:
    """Return all rows for one number of frames.

    bank: texts and videos of the training set, for QB-Norm. pairs: a pairwise model's scores [T, V, M]; it has no bank.
    """
    frames = encoded.frame_features.shape[1]
    gaussian = dataclasses.replace(own, pooling="gaussian")
    scores = {
        "with variance": dataclasses.replace(gaussian, variance_weight=own.variance_weight or 1.0),
        "without variance": dataclasses.replace(gaussian, variance_weight=0.0),
    }
    if own.pooling == "max":
        scores["maximum over frames"] = own
    rows = []
    for name, score in scores.items():
        ranks = metrics.retrieval(similarities(encoded, score, pairs=pairs), encoded.owners)
        rows.append(Row(name, frames, score == own, ranks))
    own_similarities = similarities(encoded, own, pairs=pairs)
    rows.append(Row("DSL", frames, False, metrics.retrieval(metrics.dual_softmax(own_similarities), encoded.owners)))
    if bank is not None:
        text_to_video = metrics.querybank_norm(own_similarities, similarities(bank, own, videos=encoded))
        video_to_text = metrics.querybank_norm(own_similarities.T, similarities(encoded, own, videos=bank).T).T
        ranks = {
            "text_to_video": Ranks.of(metrics.text_to_video_ranks(text_to_video, encoded.owners)),
            "video_to_text": Ranks.of(metrics.video_to_text_ranks(video_to_text, encoded.owners)),
        }
        rows.append(Row("QB-Norm", frames, False, ranks))
    return rows


# Reports


def markdown(result: Mapping[str, Any], compare: bool) -> str:
    """Return the result as two tables, with the notes needed to read them."""
    lines = [
        f"# {result['checkpoint']['title']} on {result['dataset']} {result['split']}",
        "",
        f"{result['videos']} videos and {result['texts']} texts were compared; {_counts(result)}",
        f"Model {result['checkpoint']['fingerprint']}. Recalls in per cent; ties count against the model; "
        "**bold** is the score that the model carries into the app.",
        "DSL and QB-Norm use more than the query and the videos (all other queries; a bank of training data).",
    ]
    if result["query_bank"]["reason"]:
        lines.append(f"No QB-Norm: {result['query_bank']['reason']}")
    for direction, title in (("text_to_video", "Text to video"), ("video_to_text", "Video to text")):
        lines += ["", f"## {title}", "", "| | frames | R@1 | R@5 | R@10 | MdR | MnR |", "|---|---|---|---|---|---|---|"]
        if compare and direction == "text_to_video":
            for paper in published.RESULTS.get((result["dataset"], result["split"]), ()):
                figures = " | ".join(_cell(figure) for figure in (paper.r1, paper.r5, paper.r10, paper.median))
                lines.append(f"| {paper.name} | {paper.frames or ''} | {figures} | |")
        for row in result["rows"]:
            ranks = row[direction]
            name = f"**{row['name']}**" if row["own"] else row["name"]
            figures = " | ".join(_cell(ranks[key]) for key in ("r1", "r5", "r10", "median", "mean"))
            lines.append(f"| {name} | {row['frames']} | {figures} |")
    if compare and (result["dataset"], result["split"]) == ("msrvtt", "test-1k"):
        lines += ["", *_frames_table(result)]
    return "\n".join(lines) + "\n"


def _frames_table(result: Mapping[str, Any]) -> list[str]:
    """Return the table of R@5 over frames beside the paper's plot; unmeasured cells stay empty."""
    columns = sorted({frames for row in published.FRAMES_R5.values() for frames in row})
    ours = {
        name: {row["frames"]: row["text_to_video"]["r5"] for row in result["rows"] if row["name"] == name}
        for name in ("without variance", "with variance")
    }
    lines = ["## R@5 over frames", "", f"| | {' | '.join(map(str, columns))} |", "|---" * (len(columns) + 1) + "|"]
    for name, cells in {**published.FRAMES_R5, **ours}.items():
        lines.append(f"| {name} | {' | '.join(_cell(cells.get(column)) for column in columns)} |")
    return [
        *lines,
        "",
        "The paper's rows are two trainings, read off a plot; ours are one checkpoint, scored in two ways.",
    ]


def _counts(result: Mapping[str, Any]) -> str:
    missing = f"missing and left out: {len(result['missing'])}"
    return f"{missing}; the split has {result['published_videos']}." if result["published_videos"] else f"{missing}."


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def examples_page(title: str, data: VideoTexts, scores: Tensor, count: int, frames: int) -> str:
    """Return an HTML page of `count` texts, evenly spread over the split, each with its top-ranked videos."""
    ranks = metrics.text_to_video_ranks(scores, data.owners)
    chosen = [index * len(data.texts) // count for index in range(min(count, len(data.texts)))]
    sections = []
    for text in chosen:
        owner, rank = data.owners[text], int(ranks[text])
        found = scores[text].argsort(descending=True, stable=True)[:_SHOWN].tolist()
        strips = [_figure(data, video, frames, right=video == owner) for video in found]
        if owner not in found:
            strips.append(_figure(data, owner, frames, right=True, note=f"rank {rank}: "))
        sections.append(f"<h2>{html.escape(data.texts[text])}</h2><p>rank {rank}</p><div>{''.join(strips)}</div>")
    return _PAGE.format(title=html.escape(title), body="\n".join(sections))


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px sans-serif; margin: 2em; }} h2 {{ font-size: 1em; margin: 2em 0 0; }} p {{ margin: .2em 0; }}
figure {{ display: inline-block; margin: 0 1em 1em 0; padding: 4px; border: 3px solid #ccc; }}
figure.right {{ border-color: #080; }} figcaption {{ font-size: .8em; }}
</style>
<h1>{title}</h1>
<p>The videos that a text finds first, best on the left. A green frame marks the one it describes.</p>
{body}
</html>
"""


def _figure(data: VideoTexts, video: int, frames: int, right: bool, note: str = "") -> str:
    pictures = [
        cv2.resize(frame, (round(frame.shape[1] * 72 / frame.shape[0]), 72), interpolation=cv2.INTER_AREA)
        for frame in data.frames(video, frames)
    ]
    strip = cv2.cvtColor(np.concatenate(pictures, axis=1), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", strip)
    name = html.escape(data.video_ids[video])
    source = base64.b64encode(jpeg.tobytes()).decode()
    return (
        f'<figure{" class=right" if right else ""}><img alt="{name}" src="data:image/jpeg;base64,{source}">'
        f"<figcaption>{note}{name}{' ✓' if right else ''}</figcaption></figure>"
    )


# The command


def evaluate(
    checkpoint: runs.Checkpoint,
    data: VideoTexts,
    frame_counts: Sequence[int],
    bank: VideoTexts | None,
    *,
    batch: int,
    workers: int,
    device: torch.device,
) -> tuple[dict[str, Any], Tensor]:
    """Return the result as plain JSON values, and the model's own similarities at the last number of frames."""
    model, tokenizer = checkpoint.load()
    scorer = checkpoint.load_scorer()
    own = model.config.score
    rows, seconds = [], {}
    for frames in frame_counts:
        encode_split = partial(encode, model, tokenizer, frames=frames, batch=batch, workers=workers, device=device)
        encoded = encode_split(data, tokens=scorer is not None)
        bank_encoded = encode_split(bank) if bank is not None else None
        started = time.monotonic()
        pairs = pair_scores(encoded, scorer, device) if scorer is not None else None
        scores = similarities(encoded, own, pairs=pairs)
        seconds[str(frames)] = {
            "texts": round(encoded.text_seconds, 3),
            "videos": round(encoded.video_seconds, 3),
            "similarities": round(time.monotonic() - started, 3),
        }
        rows += score_rows(encoded, own, bank_encoded, pairs)
    result = {
        "dataset": data.name,
        "split": data.split,
        "videos": len(data.video_ids),
        "texts": len(data.texts),
        "published_videos": data.published,
        "missing": dict(data.missing),
        "checkpoint": {
            "folder": str(checkpoint.folder),
            "title": model.config.title,
            "fingerprint": checkpoint.manifest.fingerprint,
            "score": dataclasses.asdict(own),
            "pairwise": dataclasses.asdict(scorer.config) if scorer is not None else None,
            "run": {
                key: checkpoint.run.get(key) for key in ("recipe", "train_split", "validation_split", "seed", "step")
            },
        },
        "query_bank": {"split": bank.split if bank else None, "size": len(bank.texts) if bank else 0, "reason": ""},
        "rows": [row.to_json() for row in rows],
        "seconds": seconds,
        "environment": logs.environment(),
        "git": logs.git_state(),
    }
    return result, scores


def _open_bank(options: argparse.Namespace) -> tuple[VideoTexts | None, str]:
    """Return QB-Norm's bank, or the reason for its absence. Videos missing from it affect no query or candidate."""
    split = "train" if options.dataset == registry.SYNTHETIC else registry.dataset(options.dataset).training
    if not options.bank:
        return None, "it was switched off (--bank 0)."
    try:
        return FewerVideos(
            registry.open_split(options.dataset, split, options.data, allow_missing=True), options.bank
        ), ""
    except CretError as error:
        return None, str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a run's folder, or a model's")
    parser.add_argument("dataset", choices=sorted([*registry.DATASETS, registry.SYNTHETIC]))
    parser.add_argument("--data", type=Path, required=True, help="what `training.prepare` has made")
    parser.add_argument("--split", help="default: test, for msrvtt test-1k")
    parser.add_argument("--frames", type=int, nargs="+", help="at inference; default: the model's own number")
    parser.add_argument("--compare", action="store_true", help="set the paper's rows beside ours")
    parser.add_argument("--allow-missing", action="store_true", help="leave missing videos out; the result counts them")
    parser.add_argument("--bank", type=int, default=1000, help="training videos and texts for QB-Norm; 0 for none")
    parser.add_argument("--examples", type=int, default=20, help="queries on the page of examples")
    parser.add_argument("--out", type=Path, help="default: evaluation/DATASET-SPLIT in the run, or here")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--batch", type=int, default=32, help="videos at once")
    parser.add_argument("--workers", type=int, default=2, help="processes that read frames")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except CretError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return error.exit_status


def _run(options: argparse.Namespace) -> int:
    checkpoint = runs.open_checkpoint(options.checkpoint)
    device = choose_device(options.device)
    split = options.split or DEFAULT_SPLITS.get(options.dataset, "test")
    data = registry.open_split(options.dataset, split, options.data, allow_missing=options.allow_missing)
    frame_counts = options.frames or [checkpoint.manifest.config.frames.frames]
    if min(frame_counts) < 1:
        raise UsageError("training.frame-counts")
    bank, reason = _open_bank(options)
    if checkpoint.is_pairwise:
        bank, reason = None, "a pairwise model would have to score every pair of the bank, too."
    result, scores = evaluate(
        checkpoint, data, frame_counts, bank, batch=options.batch, workers=options.workers, device=device
    )
    result["query_bank"]["reason"] = reason
    out = options.out or (checkpoint.run_folder or Path()) / "evaluation" / f"{data.name}-{data.split}"
    out.mkdir(parents=True, exist_ok=True)
    text = markdown(result, options.compare)
    (out / "results.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "results.md").write_text(text, encoding="utf-8")
    title = f"{result['checkpoint']['title']} on {data.name} {data.split}"
    page = examples_page(title, data, scores, options.examples, min(frame_counts[-1], 4))
    (out / "examples.html").write_text(page, encoding="utf-8")
    print(f"{text}\nWritten to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
