"""Multi-process training: joining the process group, gathering features with gradient, and detecting lost processes.

Each process computes its own rows of the logits against all features, and takes the mean over these rows. `Gather`
returns the sum of gradients over all processes; DistributedDataParallel's average over processes then equals the
gradient of one process with the whole batch. Nothing is multiplied by the number of processes.

This module does not depend on models or losses, and starts no process: torchrun does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from cret_desktop.errors import CretError, UsageError


class ProcessLost(CretError):
    """Another process of this run has ended or does not respond."""


@dataclass(frozen=True, slots=True)
class World:
    """The rank of this process, the number of processes, and its device."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0


@contextmanager
def join(device: str = "auto", timeout: timedelta = timedelta(hours=1)) -> Iterator[World]:
    """Join the process group that torchrun's environment describes, and leave it on exit. Without torchrun, run alone.

    device: auto, cuda or cpu. nccl joins GPUs, gloo CPUs.
    timeout: the longest wait for other processes; it must cover the first process's validation. gloo or torchrun
        reports a dead process at once.

    Raises: UsageError if no GPU is available; ProcessLost, in place of the collective's error, if a process is gone.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("training.no-gpu")
    cuda = device != "cpu" and torch.cuda.is_available()
    if "WORLD_SIZE" not in os.environ:
        yield World(device=torch.device("cuda" if cuda else "cpu"))
        return
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    place = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if cuda else "gloo", rank=rank, world_size=size, timeout=timeout)
    try:
        yield World(rank, size, place)
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        said = (str(error).splitlines() or [""])[0]
        raise ProcessLost("training.process-lost", rank=rank, size=size, reason=said) from error
    finally:
        dist.destroy_process_group()


def _is_lost_connection(error: RuntimeError) -> bool:
    """Return whether the error is a lost connection: gloo raises a plain RuntimeError, nccl a DistBackendError."""
    words = ("connection", "timed out", "timeout", "nccl", "gloo", "peer")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


class Gather(torch.autograd.Function):
    """Concatenates the rows [B, ...] of all processes into [world * B, ...], in order of rank, with gradient.

    Every process must pass the same shape. Backward: the sum over processes of the gradients of this process's rows.
    torch.distributed.nn.functional.all_gather is not used: it returns wrong gradients for non-contiguous inputs.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        ctx.rows = len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)  # all_reduce works in place
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.rows
        return total[start : start + ctx.rows]


def gather(rows: Tensor, world: World) -> Tensor:
    """Gather rows from all processes; return them unchanged with one process."""
    return rows if world.size == 1 else cast(Tensor, Gather.apply(rows))


def mean(values: Tensor, world: World) -> Tensor:
    """Return the mean over processes, without gradient."""
    values = values.detach().clone()
    if world.size > 1:
        dist.all_reduce(values)
    return values / world.size


def average_gradients(parameters: Iterable[Parameter], world: World) -> None:
    """Average gradients over processes, for parameters outside DistributedDataParallel."""
    for parameter in parameters if world.size > 1 else ():
        assert parameter.grad is not None, "a parameter took no part in the loss"
        dist.all_reduce(parameter.grad)
        parameter.grad /= world.size


def wait(world: World) -> None:
    """Block until every process has called this."""
    if world.size > 1:
        dist.barrier()
