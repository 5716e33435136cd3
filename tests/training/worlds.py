"""Training in separate processes, for tests: `python -m tests.training.worlds` imports torch once, then forks.

Forked children join a gloo group as torchrun's do. Training in one process needs none of this.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import psutil
import torch
from safetensors.torch import save_file
from torch import Tensor

from cret_desktop.model import video_tower  # noqa: F401, slow to import, so before any fork
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.cret import CRET
from tests.model import tiny
from training import distributed, train, trainer
from training.config import DataConfig, TrainConfig
from training.distributed import World
from training.losses import Features, Losses, cret_losses
from training.pairwise import PairwiseConfig
from training.trainer import Trainer

BATCH = 8  # clips in the whole batch
TEXTS = [
    "a dog runs on the beach",
    "the cat sits",
    "a red square moves left then right",
    "snow",
    "the dog sits in the snow",
    "a cat runs",
    "square and beach",
    "a dog moves right in the red square and sits",
]

# The smallest run of the recipe `synthetic` with all its parts.
STEPS = 8
SMALL = [
    "model.width=16",
    "model.video.width=16",
    "model.video.local_width=16",
    "model.video.options.embed_dim=16",
    "model.video.options.depth=1",
    "model.text.width=16",
    "model.text.feedforward=16",
    "model.text.layers=1",
    "model.text.dropout=0.2",
    "model.temporal.layers=1",
    "model.temporal.dropout=0.2",
    "model.correspondence.centers=2",
    "batch=10",
    f"steps={STEPS}",
    "save_every=3",
    "validate_every=4",
    "log_every=1",
]


def run_processes(count: int, body: Callable[[], int], errors: Path | None = None) -> list[int]:
    """Fork `count` processes of one group that call `body`; return their exit statuses (negative: a signal)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(count):
        child = os.fork()
        if child == 0:
            if count > 1:
                os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            status = 70
            try:
                if errors is not None:
                    os.dup2(os.open(f"{errors}-{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
                status = body()
            except BaseException:  # noqa: BLE001, anything: the child must not return into the caller
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def tiny_model(dropout: float) -> CRETConfig:
    config = tiny.paper()
    return dataclasses.replace(
        config,
        text=dataclasses.replace(config.text, dropout=dropout),
        temporal=dataclasses.replace(config.temporal, dropout=dropout),
        correspondence=dataclasses.replace(config.correspondence, dropout=dropout),
    )


def gradients(
    world: World, folder: Path, chunks: int, dropout: float = 0.0, pairwise: bool = False
) -> dict[str, Tensor]:
    """Return the gradient of one batch in float64, as this process has it after `Trainer.backward`."""
    tokenizer = tiny.write_tokenizer(folder / f"tokenizer-{world.rank}.json")
    config = TrainConfig(
        "test", tiny_model(dropout), DataConfig("none", "none"), batch=BATCH // world.size, chunks=chunks, steps=1
    )
    config = dataclasses.replace(config, loss=dataclasses.replace(config.loss, variance_warmup=0.0))
    if pairwise:
        config = dataclasses.replace(config, pairwise=PairwiseConfig(layers=1, heads=2, dropout=0.0))
    model = CRET(config.model).double()
    tiny.fill(model)
    pairs: list[None] = [None] * BATCH  # only its length is used
    training = Trainer(config, pairs, folder / "run", world, model, tokenizer)  # type: ignore[arg-type]
    if training.scorer is not None:
        tiny.fill(training.scorer)
    model.train()
    rows = slice(world.rank * config.batch, (world.rank + 1) * config.batch)
    frames = torch.from_numpy(tiny.frames(config.model, BATCH))
    training.backward(frames[rows], TEXTS[rows])
    return {name: value.grad.clone() for name, value in training.parameters.items() if value.grad is not None}


@contextlib.contextmanager
def planted(fault: str, world: World) -> Iterator[None]:
    """Plant one of the two typical mistakes of distributed losses."""
    if fault == "scaled":

        def scaled(here: Features, *others: object) -> Losses:
            losses = cret_losses(here, *others)  # type: ignore[arg-type]
            return losses._replace(total=losses.total * world.size)

        with mock.patch.object(trainer, "cret_losses", scaled):
            yield
    elif fault == "detached":
        whole = distributed.gather

        def detached(rows: Tensor, world: World) -> Tensor:
            own = slice(world.rank * len(rows), (world.rank + 1) * len(rows))
            gathered = whole(rows.detach(), world).clone()
            gathered[own] = rows
            return gathered

        with mock.patch.object(distributed, "gather", detached):
            yield
    else:
        yield


def write_gradients(folder: Path) -> int:
    """Write every case of test_distributed, in one process group."""
    with distributed.join("cpu") as world:
        cases = {
            "whole": gradients(world, folder, 1),
            "chunks": gradients(world, folder, 2),
            "dropout": gradients(world, folder, 2, dropout=0.3),
            "pairwise": gradients(world, folder, 1, pairwise=True),
            "pairwise chunks": gradients(world, folder, 2, pairwise=True),
        }
        for fault in ("scaled", "detached"):
            with planted(fault, world):
                cases[fault] = gradients(world, folder, 1)
        # A non-contiguous gradient, as the product with a transposed matrix returns it.
        rows = torch.arange(6.0).reshape(2, 3) + 10 * world.rank
        rows.requires_grad_()
        (distributed.gather(rows, world).T * torch.arange(12.0).reshape(3, 4) * (1 + world.rank)).sum().backward()
        cases["transposed"] = {f"rank {world.rank}": rows.grad} if rows.grad is not None else {}
        for name, tensors in cases.items():
            save_file({key: value.contiguous() for key, value in tensors.items()}, folder / f"{name}-{world.rank}")
    return 0


def train_synthetic(
    data: Path,
    run: Path,
    killed_at: int | None = None,
    settings: Sequence[str] = (),
    by: signal.Signals = signal.SIGKILL,
) -> int:
    """Run training.train like a user; send `by` to the last process and its workers as it begins step `killed_at`."""
    step = Trainer._train_step

    def struck(self: Trainer, frames: Tensor, texts: Sequence[str]) -> dict[str, float]:
        if self.step == killed_at and self.world.rank == self.world.size - 1:
            # Only its own: a fork inherits multiprocessing's record of the parent's workers.
            for worker in psutil.Process().children():
                worker.send_signal(by)
            os.kill(os.getpid(), by)
        return step(self, frames, texts)

    with mock.patch.object(Trainer, "_train_step", struck):
        return train.main(["synthetic", "--data", str(data), "--out", str(run), "--device", "cpu", *SMALL, *settings])


def write_runs(data: Path, folder: Path, killed_at: int) -> int:
    """Run one and two processes: uninterrupted, killed, and resumed.

    With two also: a run that is asked to stop, and one whose processes have separate folders.
    """
    for count in (1, 2):
        for name, run, when in (
            ("whole", "whole", None),
            ("killed", "resumed", killed_at),
            ("resumed", "resumed", None),
        ):
            body = lambda run=run, when=when: train_synthetic(data, folder / f"{count}-{run}", when)  # noqa: E731, B023
            statuses = run_processes(count, body, folder / f"{count}-{name}-errors")
            (folder / f"{count}-{name}.status").write_text(" ".join(map(str, statuses)))

    def asked() -> int:
        return train_synthetic(data, folder / "2-asked", killed_at, by=signal.SIGTERM)

    def apart() -> int:
        return train_synthetic(data, folder / ("2-whole", "2-apart")[int(os.environ["RANK"])])

    for name, of_two in (("asked", asked), ("apart", apart)):
        statuses = run_processes(2, of_two, folder / f"2-{name}-errors")
        (folder / f"2-{name}.status").write_text(" ".join(map(str, statuses)))
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    match sys.argv[1:]:
        case ["gradients", folder]:
            sys.exit(max(map(abs, run_processes(2, lambda: write_gradients(Path(folder))))))
        case ["runs", data, folder, killed_at]:
            sys.exit(write_runs(Path(data), Path(folder), int(killed_at)))
