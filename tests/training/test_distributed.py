"""Two gloo processes compute the gradient of one process with the whole batch; planted mistakes are detected."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cret_desktop.errors import UsageError
from tests.training import worlds
from training.distributed import World, gather, join, mean


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of two processes."""
    folder = tmp_path_factory.mktemp("two")
    subprocess.run([sys.executable, "-m", "tests.training.worlds", "gradients", str(folder)], check=True, timeout=120)
    return folder


def difference(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Return the norm of the difference of all gradients, relative to their norm."""
    assert found.keys() == expected.keys()
    far = sum((found[name] - expected[name]).square().sum() for name in expected)
    return float((far / sum(value.square().sum() for value in expected.values())) ** 0.5)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    return worlds.gradients(World(), tmp_path_factory.mktemp("one"), 1)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("case", ["whole", "chunks"])
def test_two_processes_have_the_gradient_of_the_whole_batch(
    case: str, rank: int, two: Path, one: dict[str, Tensor]
) -> None:
    assert difference(load_file(two / f"{case}-{rank}"), one) < 1e-12


@pytest.mark.parametrize("chunks", [2, 3])
def test_chunks_of_one_process_have_the_gradient_of_the_whole_batch(
    chunks: int, one: dict[str, Tensor], tmp_path: Path
) -> None:
    assert difference(worlds.gradients(World(), tmp_path, chunks), one) < 1e-12


def test_dropout_falls_alike_in_both_passes_and_in_any_number_of_processes(two: Path, tmp_path: Path) -> None:
    """Four chunks of one process are the two chunks of each of two processes."""
    expected = worlds.gradients(World(), tmp_path, 4, dropout=0.3)
    assert difference(load_file(two / "dropout-0"), expected) < 1e-12


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("case", ["pairwise", "pairwise chunks"])
def test_a_pairwise_model_s_gradient_is_that_of_the_whole_batch_too(
    case: str, rank: int, two: Path, tmp_path: Path
) -> None:
    expected = worlds.gradients(World(), tmp_path, 1, pairwise=True)
    assert any(name.startswith("pairwise.") for name in expected)
    assert difference(load_file(two / f"{case}-{rank}"), expected) < 1e-12


@pytest.mark.parametrize("fault", ["scaled", "detached"])
def test_the_comparison_sees_mistakes(fault: str, two: Path, one: dict[str, Tensor]) -> None:
    assert difference(load_file(two / f"{fault}-0"), one) > 0.3


def test_gradients_that_are_not_contiguous_come_back_whole(two: Path) -> None:
    weights = torch.arange(12.0).reshape(3, 4).T * 3  # [4, 3], the sum over both processes
    for rank in (0, 1):
        found = load_file(two / f"transposed-{rank}")[f"rank {rank}"]
        torch.testing.assert_close(found, weights[2 * rank : 2 * rank + 2])


def test_alone_there_is_nothing_to_gather() -> None:
    with join("cpu") as world:
        rows = torch.ones(2, 3)
        assert gather(rows, world) is rows
        assert mean(rows, world).equal(rows)
        assert world.first


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="Give --device cpu"), join("cuda"):
        pass
