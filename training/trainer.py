"""The training loop, and the run folder from which an interrupted run resumes exactly.

    RUN/run.json       recipe, config, environment, git state, progress and latest result
    RUN/log.csv, times.csv, validation.csv, samples/, tensorboard/
    RUN/last/          a model's folder (`cret_desktop.model.checkpoint`), with optimiser.safetensors and state.json
    RUN/best/          the best model's folder on the validation split; absent in a run without one

No random state is saved: order, frames and crops follow from (seed, epoch, item), dropout from (seed, step, chunk). A
resumed run therefore equals the uninterrupted one bit for bit, as far as the arithmetic is deterministic, as on a CPU.
This module never reads a test split and never multiplies a loss by the number of processes.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from cret_desktop.errors import CretError, ModelError, UsageError
from cret_desktop.foreign import reason_of
from cret_desktop.model import checkpoint
from cret_desktop.model.cret import CRET
from cret_desktop.model.transforms import Tokenizer, normalise_pixels
from training import distributed, logs, pairwise
from training.config import ConfigError, TrainConfig
from training.datasets.pairs import Sample, TrainingPairs
from training.distributed import World
from training.interruption import StopRequest, outlive_requests
from training.losses import Features, Losses, TokenFeatures, cret_losses
from training.pairwise import PairScorer, TextTokens, VideoTokens
from training.validation import Validation

RUN, LAST, BEST = "run.json", "last", "best"
OPTIMISER, STATE = "optimiser.safetensors", "state.json"
# A resumed run may change these: they affect its speed or the amount of output. (Compiled arithmetic rounds
# differently, as another machine's does.)
_FREE = ("data.workers", "compile", "log_every", "save_every", "validate_every")

Batch = tuple[Tensor, list[str]]  # frames uint8 [B, M, H, W, 3], captions
AnyFeatures = Features | TokenFeatures


class Step(NamedTuple):
    """One step of the optimiser: its logged figures, and the seconds spent waiting for data, then working."""

    figures: dict[str, float]
    waited: float
    worked: float


class TrainingError(CretError):
    """The run cannot continue."""


class PairEncoder(nn.Module):
    """Both towers in one forward pass, as DistributedDataParallel needs it. `tokens`: return tokens, too."""

    def __init__(self, model: CRET, tokens: bool) -> None:
        super().__init__()
        self.model, self.tokens = model, tokens

    def forward(self, frames: Tensor, ids: Tensor, mask: Tensor) -> AnyFeatures:
        """Encode frames float [B, M, 3, H, W], ids int64 [B, L], mask bool [B, L] to at least float32 features."""
        video, video_centers, patches = self.model.encode_video_tokens(frames)
        text, text_centers, tokens = pairwise.encode_texts(self.model, ids, mask)
        parts = [text, text_centers, video, video_centers, *tokens[1:], patches]
        parts = [part.float() if part.dtype in (torch.bfloat16, torch.float16) else part for part in parts]
        return TokenFeatures(*parts) if self.tokens else Features(*parts[:4])


class StepSampler:
    """Yields a list of (epoch, index) pairs for this process for every step from `start` on.

    An epoch is a permutation of groups of neighbours; an incomplete last batch is dropped.
    """

    def __init__(self, items: int, config: TrainConfig, world: World, start: int = 0) -> None:
        """Raise ConfigError for a split smaller than one batch."""
        self._groups, self._group = items // config.data.group, config.data.group
        self._batch, self._world, self._seed = config.batch, world, config.seed
        self.steps_per_epoch = self._groups * self._group // (config.batch * world.size)
        if self.steps_per_epoch == 0:
            raise ConfigError(
                "training.few-items",
                split=config.data.train,
                dataset=config.data.dataset,
                count=items,
                batch=config.batch * world.size,
            )
        self.total = config.steps or config.epochs * self.steps_per_epoch
        self.start = start

    def __len__(self) -> int:
        return self.total - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order, known_epoch = np.empty(0, int), -1
        for step in range(self.start, self.total):
            epoch, position = divmod(step, self.steps_per_epoch)
            if epoch != known_epoch:
                groups = np.random.default_rng([self._seed, epoch]).permutation(self._groups)
                order = (groups[:, None] * self._group + np.arange(self._group)).ravel()  # [items]
                known_epoch = epoch
            first = (position * self._world.size + self._world.rank) * self._batch
            yield [(epoch, int(index)) for index in order[first : first + self._batch]]


class Trainer:
    """One run. `fit` starts it, or resumes it from its folder."""

    def __init__(
        self,
        config: TrainConfig,
        pairs: TrainingPairs,
        run: Path,
        world: World,
        model: CRET,
        tokenizer: Path,
        validate: Callable[[CRET, PairScorer | None], Validation] | None = None,
        missing: Mapping[str, int] | None = None,
    ) -> None:
        """Prepare a run, with the state of its folder if there is one.

        model: with its initial weights, equal in every process; the state in the run's folder replaces them.
        tokenizer: its tokenizer.json. validate: called by the first process only. missing: videos left out, by split.
        Raises: ConfigError if the run's folder has another config; TrainingError if it is damaged.
        """
        self.config, self.world, self.run = config, world, run
        self._pairs, self._validate, self._missing = pairs, validate, dict(missing or {})
        self._tokenizer_file, self._tokenizer = tokenizer, Tokenizer(tokenizer, config.model.text)
        self.model = model.to(world.device)
        self.scorer: PairScorer | None = None
        if config.pairwise.layers:
            torch.manual_seed(config.seed)  # equal initial weights in every process
            self.scorer = PairScorer(config.pairwise, config.model).to(world.device, next(model.parameters()).dtype)
        spatial = model.video.spatial if model.video is not None else None
        if config.gradient_checkpointing and spatial is not None:
            spatial.backbone.set_grad_checkpointing(True)
        if config.compile and spatial is not None:
            spatial.compile()
        self.step, self.best = 0, -math.inf
        self.stopping = False  # whether any process of this run received a request to stop before its last step
        self.parameters = dict(model.named_parameters())
        if self.scorer is not None:
            self.parameters |= {f"pairwise.{name}": value for name, value in self.scorer.named_parameters()}
        self.optimiser = torch.optim.AdamW(
            [self._group(text, decayed) for text in (False, True) for decayed in (True, False)],
            lr=config.optimiser.learning_rate,
            betas=config.optimiser.betas,
        )
        self._stop = StopRequest()
        self._recover()
        self._restore()
        self._agree()
        self._encoder = PairEncoder(model, tokens=self.scorer is not None)
        self._parallel = DistributedDataParallel(self._encoder) if world.size > 1 else None
        self.sampler = StepSampler(len(pairs), config, world, self.step)
        self._bf16 = config.precision == "bf16" or (config.precision == "auto" and world.device.type == "cuda")

    def _group(self, text: bool, decayed: bool) -> dict[str, Any]:
        """Return a group of the text tower's parameters or the others, decayed or not; `share` scales the rate."""
        optimiser = self.config.optimiser
        chosen = [
            parameter
            for name, parameter in self.parameters.items()
            if name.startswith("text.") == text and (parameter.ndim > 1) == decayed
        ]
        return {
            "params": chosen,
            "share": optimiser.text_rate if text else 1.0,
            "weight_decay": optimiser.weight_decay if decayed else 0.0,
        }

    def fit(self) -> None:
        """Train to the end.

        Raises: TrainingError if the loss is no longer finite, naming the step; and if a process received SIGTERM, after
            one more step in all processes and a save.
        """
        config, total, epoch = self.config, self.sampler.total, self.sampler.steps_per_epoch
        since: list[Step] = []  # since the last line of the log
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._stop)
            self._write_run(None)
            log = stack.enter_context(logs.Log(self.run, self.step, total)) if self.world.first else None
            if log and self.step:
                print(f"resuming “{self.run}” after step {self.step}", flush=True)
            if log and not self._validate:
                print("no validation split: nothing is selected, the last step is the result", flush=True)
            first = self.step + 1
            for step in stack.enter_context(contextlib.closing(self.steps())):
                at_end = self.step == total
                if self.step > first:  # the first step waits for workers to start
                    since.append(step)
                if log and (at_end or self.step % config.log_every == 0):
                    log.step(self.step, step.figures, _times(since))
                    since.clear()
                if self._validate and (at_end or self.step % (config.validate_every or epoch) == 0):
                    self._validate_and_keep_best(log)
                # After validation, so that the saved state includes the best result so far.
                if at_end or self.stopping or self.step % (config.save_every or epoch) == 0:
                    self._save()
                if self.stopping and not at_end:
                    raise TrainingError("training.stopped", run=self.run, step=self.step, total=total)

    def steps(self) -> Generator[Step, None, None]:
        """Yield the remaining steps one at a time; `step` counts them. Time between two steps is not measured."""
        # Closed even if a traceback keeps this frame alive: unclosed workers would outlive the run.
        with contextlib.closing(self._batches()) as batches:
            while True:
                began = time.perf_counter()
                batch = next(batches, None)
                if batch is None:
                    return
                loaded = time.perf_counter()
                figures = self._train_step(*batch)  # the figures are numbers, so a GPU has finished by then
                self.step += 1
                yield Step(figures, loaded - began, time.perf_counter() - loaded)

    def _batches(self) -> Generator[Batch, None, None]:
        workers = self.config.data.workers
        loader = DataLoader(
            cast(Any, self._pairs),
            batch_sampler=cast(Any, self.sampler),
            collate_fn=_collate,
            num_workers=workers,
            # Forked workers would inherit torch's threads and the process group's sockets.
            multiprocessing_context="spawn" if workers else None,
            worker_init_fn=outlive_requests,
            pin_memory=self.world.device.type == "cuda",
        )
        yield from loader

    def _train_step(self, frames: Tensor, texts: Sequence[str]) -> dict[str, float]:
        """Take one step of the optimiser on this process's rows; return the logged figures."""
        optimiser = self.config.optimiser
        rate = optimiser.learning_rate * linear_schedule(self.step, self.sampler.total, optimiser.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self.model.train()
        if self.scorer is not None:
            self.scorer.train()
        self.optimiser.zero_grad(set_to_none=True)
        try:
            losses = self.backward(frames, texts)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                "training.memory", step=self.step + 1, device=str(self.world.device), chunks=self.config.chunks
            ) from error
        except RuntimeError as error:
            if self.config.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                reason = " ".join(str(error).partition("\n\n")[0].split())  # advice for debugging follows it
                raise TrainingError("training.compile", step=self.step + 1, reason=reason) from error
            raise
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), optimiser.gradient_norm)
        # Averaged with the losses, so that all processes learn of a request to stop in the same step.
        stop = norm.new_full((), self._stop.received)
        *mean, stopping = distributed.mean(torch.stack([*losses, norm, stop]), self.world).tolist()
        if not all(map(math.isfinite, mean)):
            last = self.run / LAST
            step, loss, size = self.step + 1, str(mean[0]), str(mean[3])
            if last.exists():
                raise TrainingError("training.diverged", step=step, loss=loss, norm=size, last=last)
            raise TrainingError("training.diverged-early", step=step, loss=loss, norm=size)
        self.optimiser.step()
        self.stopping = stopping > 0
        names = ("loss", "gaussian_loss", "center_loss", "gradient_norm")
        return dict(zip(names, mean, strict=True)) | {"learning_rate": rate, "variance_weight": self.variance_weight()}

    def variance_weight(self) -> float:
        """Return lambda at this step: it rises from 0 to its full value."""
        loss = self.config.loss
        rising = loss.variance_warmup * self.sampler.total
        return loss.variance_weight * (min(1.0, self.step / rising) if rising else 1.0)

    def backward(self, frames: Tensor, texts: Sequence[str]) -> Losses:
        """Add the gradient of this process's share of the whole batch's loss to the parameters.

        frames uint8 [B, M, H, W, 3], B texts. With several chunks features are computed twice: once without gradient,
        for the loss and its gradient at each feature, then chunk by chunk, to propagate that to the weights (Gao et al.
        2021). Dropout is equal both times. Batch norms, if a backbone has them, see one chunk at a time.
        """
        losses = self._backward(frames, texts)
        if self.scorer is not None:
            # The scorer is outside DistributedDataParallel: with chunks its gradient is complete before the towers'.
            distributed.average_gradients(self.scorer.parameters(), self.world)
        return losses

    def _backward(self, frames: Tensor, texts: Sequence[str]) -> Losses:
        chunks = self.config.chunks
        rows = [part.tolist() for part in np.array_split(np.arange(len(texts)), chunks)]
        parts = [(frames[part[0] : part[-1] + 1], [texts[row] for row in part]) for part in rows]
        if chunks == 1:
            losses = self._losses(self._encode(self._parallel or self._encoder, *parts[0], 0))
            torch.autograd.backward(losses.total)
            return losses
        with torch.no_grad():
            cached = [self._encode(self._encoder, *part, number) for number, part in enumerate(parts)]
        joined = (torch.cat(pieces).requires_grad_() for pieces in zip(*cached, strict=True))
        whole: AnyFeatures = type(cached[0])(*joined)
        losses = self._losses(whole)
        torch.autograd.backward(losses.total)
        for number, (part, chosen) in enumerate(zip(parts, rows, strict=True)):
            # Processes exchange gradients once, with the last chunk.
            waits = self._parallel is not None and number < chunks - 1
            with cast(DistributedDataParallel, self._parallel).no_sync() if waits else contextlib.nullcontext():
                again = self._encode(self._parallel or self._encoder, *part, number)
                pulls = [
                    (feature, known.grad[chosen])
                    for feature, known in zip(again, whole, strict=True)
                    if known.grad is not None and feature.requires_grad
                ]
                torch.autograd.backward([feature for feature, _ in pulls], [pull for _, pull in pulls])
        return losses

    def _encode(self, encoder: nn.Module, frames: Tensor, texts: Sequence[str], chunk: int) -> AnyFeatures:
        device, model = self.world.device, self.config.model
        # Tokens are padded per chunk, so that dropout does not depend on the texts of other chunks.
        ids, mask = self._tokenizer(texts)
        pixels = normalise_pixels(frames.to(device, non_blocking=True), model.mean, model.std)
        dtype = next(self.model.parameters()).dtype
        torch.manual_seed(mix(self.config.seed, self.step, self.world.rank * self.config.chunks + chunk))
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            return cast(AnyFeatures, encoder(pixels.to(dtype), ids.to(device), mask.to(device)))

    def _losses(self, here: AnyFeatures) -> Losses:
        everyone: AnyFeatures = type(here)(*(distributed.gather(rows, self.world) for rows in here))
        offset = self.world.rank * len(here.text)
        scores = self._pair_scores if self.scorer is not None else None
        # Both batches and the scorer have the same feature type.
        return cret_losses(
            here, cast(Any, everyone), offset, self.config.loss, self.variance_weight(), cast(Any, scores)
        )

    def _pair_scores(self, texts: TokenFeatures, videos: TokenFeatures) -> Tensor:
        """Score all pairs of two batches: [B_text, B_video, M]."""
        assert self.scorer is not None
        with torch.autocast(self.world.device.type, torch.bfloat16, enabled=self._bf16):
            return cast(
                Tensor,
                self.scorer(
                    TextTokens(texts.text, texts.text_tokens, texts.text_mask),
                    VideoTokens(videos.frames, videos.patches),
                ),
            )

    def _validate_and_keep_best(self, log: logs.Log | None) -> None:
        if log and self._validate:
            validation = self._validate(self.model.eval(), self.scorer)
            log.validation(self.step, validation.figures)
            log.picture(self.step, validation.picture)
            if validation.selection > self.best:
                self.best = validation.selection
                self._replace(BEST, state=False)
                self._write_run(validation.figures)
        distributed.wait(self.world)

    def _save(self) -> None:
        if self.world.first:
            self._replace(LAST, state=True)
            self._write_run(None)
        distributed.wait(self.world)

    def _replace(self, name: str, state: bool) -> None:
        """Write a model's folder beside the old one, then swap them: a kill leaves at least one complete."""
        target, fresh, old = (self.run / f"{name}{suffix}" for suffix in ("", ".partial", ".old"))
        shutil.rmtree(fresh, ignore_errors=True)
        checkpoint.save(self.model, fresh, self._tokenizer_file, self._card())
        if self.scorer is not None:
            pairwise.save(self.scorer, fresh)
        if state:
            save_file(self._optimiser_tensors(), fresh / OPTIMISER)
            content = {
                "step": self.step,
                "best": self.best if self.best > -math.inf else None,
                "processes": self.world.size,
                "items": len(self._pairs),
                "config": self.config.to_json(),
            }
            (fresh / STATE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.replace(old)
        fresh.replace(target)
        shutil.rmtree(old, ignore_errors=True)

    def _recover(self) -> None:
        """Repair the state after a kill between the two renames of a swap."""
        for name in (LAST, BEST) if self.world.first else ():
            target, old = self.run / name, self.run / f"{name}.old"
            if old.exists() and not target.exists():
                old.replace(target)
            for left in (old, self.run / f"{name}.partial"):
                shutil.rmtree(left, ignore_errors=True)
        distributed.wait(self.world)

    def _restore(self) -> None:
        """Load the state of RUN/last, if there is one."""
        last = self.run / LAST
        if not last.exists():
            return
        try:
            state = json.loads((last / STATE).read_text(encoding="utf-8"))
            begun = TrainConfig.from_json(state["config"])
            step, best = int(state["step"]), state["best"]
            there = {"processes": int(state["processes"]), "items": int(state["items"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError("training.state-unreadable", file=last / STATE, reason=reason_of(error)) from error
        faults = [fault for fault in self.config.differences(begun) if not fault.startswith(_FREE)]
        here = {"processes": self.world.size, "items": len(self._pairs)}  # both determine the order of the data
        faults += [f"{name}: {there[name]} → {here[name]}" for name in here if here[name] != there[name]]
        if faults:
            raise ConfigError("training.other-settings", run=self.run, differences="; ".join(faults))
        trained = checkpoint.load(checkpoint.read_manifest(last))
        self.model.load_state_dict(trained.state_dict())
        if self.scorer is not None:
            scorer = pairwise.load(last, self.config.model)
            if scorer is None:
                raise TrainingError("training.state-missing", file=last / pairwise.WEIGHTS)
            self.scorer.load_state_dict(scorer.state_dict())
        try:
            self._load_optimiser(load_file(last / OPTIMISER))
        except (OSError, SafetensorError, KeyError) as error:
            raise TrainingError("training.state-unreadable", file=last / OPTIMISER, reason=reason_of(error)) from error
        self.step, self.best = step, -math.inf if best is None else float(best)

    def _agree(self) -> None:
        """Raise TrainingError if another machine has other data or does not share this run's folder."""
        mine = torch.tensor([self.step, len(self._pairs)], dtype=torch.float64, device=self.world.device)
        if not distributed.mean(mine, self.world).equal(mine):
            raise TrainingError("training.other-folders", step=self.step, run=self.run, count=len(self._pairs))

    def _optimiser_tensors(self) -> dict[str, Tensor]:
        return {
            f"{name}/{key}": value.detach().cpu().contiguous()
            for name, parameter in self.parameters.items()
            for key, value in self.optimiser.state[parameter].items()
        }

    def _load_optimiser(self, tensors: Mapping[str, Tensor]) -> None:
        for full_name, tensor in tensors.items():
            name, _, key = full_name.rpartition("/")
            place = torch.device("cpu") if key == "step" else self.parameters[name].device  # as AdamW stores them
            self.optimiser.state[self.parameters[name]][key] = tensor.to(place)

    def _write_run(self, validation: Mapping[str, float] | None) -> None:
        if not self.world.first:
            return
        self.run.mkdir(parents=True, exist_ok=True)
        file = self.run / RUN
        before = json.loads(file.read_text(encoding="utf-8")) if file.exists() and self.step else {}
        content = {
            "recipe": self.config.recipe,
            "dataset": self.config.data.dataset,
            "train_split": self.config.data.train,
            "validation_split": self.config.data.validation,
            "selected_by": f"the best on {self.config.data.validation}" if self._validate else "nothing: the last step",
            "missing": self._missing,
            "seed": self.config.seed,
            "processes": self.world.size,
            "device": str(self.world.device),
            "step": self.step,
            "steps": self.sampler.total,
            "validation": validation or before.get("validation"),
            "git": logs.git_state(),
            "environment": logs.environment(),
            "config": self.config.to_json(),
        }
        temporary = file.with_suffix(".partial")
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        temporary.replace(file)

    def _card(self) -> str:
        config = self.config
        return (
            f"# {config.model.title}\n\n"
            f"Trained by CRET Desktop's `training`, recipe `{config.recipe}`: split `{config.data.train}` of "
            f"{config.data.dataset}, seed {config.seed}, {self.step} steps of {config.batch * self.world.size} clips, "
            f"loss `{config.loss.form}`.\n\nFirst weights: `{config.model.video.weights or 'none'}` and "
            f"`{config.model.text.weights or 'none'}`. Terms of use are those of these weights and of the data set "
            "together; CRET Desktop adds none of its own.\n"
        )


def _times(steps: Sequence[Step]) -> dict[str, float]:
    """Return the mean seconds per step and the share spent waiting for data; empty without steps."""
    waited, worked = sum(step.waited for step in steps), sum(step.worked for step in steps)
    return {"seconds": (waited + worked) / len(steps), "data_share": waited / (waited + worked)} if steps else {}


def _collate(samples: Sequence[Sample]) -> Batch:
    frames = torch.from_numpy(np.stack([sample.frames for sample in samples]))  # [B, M, H, W, 3]
    return frames, [sample.text for sample in samples]


def linear_schedule(step: int, total: int, warmup: float) -> float:
    """Return the share of the peak learning rate at `step`, from 0: rises from near 0, then falls to near 0."""
    rising = warmup * total
    if step < rising:
        return min(1.0, (step + 1) / rising)
    return (total - step) / max(1.0, total - rising)


def mix(*numbers: int) -> int:
    """Derive one seed from several numbers; different lists give different seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def locate_sources(config: TrainConfig, data: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """Return a file for every source of the model, from `files`, the data's folder or the hub. Raises: ModelError."""
    text = config.model.text
    found = {}
    for source in filter(None, (config.model.video.weights, text.weights, text.tokenizer)):
        try:
            found[source] = files.get(source) or checkpoint.locate(source, data, local_files_only=False)
        except ModelError as error:
            raise ModelError("training.weights-hint", reason=error.message, source=source) from error
    return found


def check_folder(run: Path) -> None:
    """Raise UsageError if the folder exists and is neither empty nor a run."""
    if run.exists() and (not run.is_dir() or (any(run.iterdir()) and not (run / RUN).exists())):
        raise UsageError("training.not-a-run", run=run)
