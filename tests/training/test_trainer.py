"""Runs of the smallest synthetic recipe: complete, killed and resumed, refused, and failed."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cret_desktop.domain.clips import Frames
from cret_desktop.errors import ModelError
from cret_desktop.model import checkpoint
from tests.training import worlds
from training import logs, pairwise, recipes, synthetic, train, trainer
from training.config import ConfigError, TrainConfig
from training.distributed import World
from training.losses import LossConfig, Losses
from training.trainer import StepSampler, linear_schedule, mix


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    synthetic.generate(folder, "tiny")
    return folder


@pytest.fixture(scope="module")
def killed_at() -> int:
    return random.randrange(1, worlds.STEPS - 1)


@pytest.fixture(scope="module")
def runs(data: Path, killed_at: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of `worlds.write_runs`."""
    folder = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-m", "tests.training.worlds", "runs", str(data), str(folder), str(killed_at)]
    subprocess.run(command, check=True, timeout=200)
    return folder


Fit = Callable[..., Path]


@pytest.fixture
def fit(data: Path, tmp_path: Path) -> Fit:
    """Train in this process and return the run's folder."""

    def run(*settings: str, name: str = "run") -> Path:
        assert worlds.train_synthetic(data, tmp_path / name, settings=settings) == 0
        return tmp_path / name

    return run


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_goes_on_bit_for_bit(processes: int, runs: Path, killed_at: int) -> None:
    statuses = {
        name: (runs / f"{processes}-{name}.status").read_text().split() for name in ("whole", "killed", "resumed")
    }
    errors = (runs / f"{processes}-resumed-errors-0.txt").read_text()
    assert statuses["whole"] == statuses["resumed"] == ["0"] * processes, errors
    assert statuses["killed"][-1] == "-9"
    whole, resumed = (runs / f"{processes}-{name}" for name in ("whole", "resumed"))
    for file in (f"last/{checkpoint.WEIGHTS}", f"last/{trainer.OPTIMISER}", f"best/{checkpoint.WEIGHTS}"):
        expected, found = load_file(whole / file), load_file(resumed / file)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected), f"killed at step {killed_at}: {file}"
    assert rows(whole / logs.STEPS) == rows(resumed / logs.STEPS)
    assert rows(whole / logs.VALIDATIONS) == rows(resumed / logs.VALIDATIONS)


def test_the_others_end_clearly_when_one_process_dies(runs: Path) -> None:
    assert (runs / "2-killed.status").read_text().split()[0] == "1"
    message = (runs / "2-killed-errors-0.txt").read_text()
    assert "another process of this training has ended" in message
    assert "start the same command again to resume" in message
    assert "Traceback" not in message


def test_all_processes_stop_and_save_after_one_was_asked_to(runs: Path, killed_at: int) -> None:
    assert (runs / "2-asked.status").read_text().split() == ["1", "1"]
    for rank in (0, 1):
        message = (runs / f"2-asked-errors-{rank}.txt").read_text()
        assert f"after step {killed_at + 1} of {worlds.STEPS} and saved" in message
    state = json.loads((runs / "2-asked" / trainer.LAST / trainer.STATE).read_text())
    assert state["step"] == killed_at + 1


def test_processes_that_see_different_folders_are_stopped(runs: Path) -> None:
    assert (runs / "2-apart.status").read_text().split() == ["1", "1"]
    assert "do not see the same folders" in (runs / "2-apart-errors-1.txt").read_text()
    assert not (runs / "2-apart" / trainer.LAST).exists()


def test_a_run_that_a_cluster_asks_to_stop_goes_on_bit_for_bit(
    data: Path, tmp_path: Path, fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker that reads frames also gets the signal, as SLURM sends it."""
    whole = fit("data.validation=", name="whole")
    settings = ["data.validation=", "data.workers=1"]
    assert worlds.train_synthetic(data, tmp_path / "run", 4, settings, by=signal.SIGTERM) == 1
    assert f"after step 5 of {worlds.STEPS} and saved. The same command continues" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    resumed = fit("data.validation=")
    for file in (checkpoint.WEIGHTS, trainer.OPTIMISER):
        expected, found = (load_file(run / trainer.LAST / file) for run in (whole, resumed))
        assert all(torch.equal(expected[name], found[name]) for name in expected), file
    assert rows(whole / logs.STEPS) == rows(resumed / logs.STEPS)


def test_a_run_leaves_models_logs_and_its_circumstances(runs: Path) -> None:
    run = runs / "1-whole"
    for name in (trainer.LAST, trainer.BEST):
        model = checkpoint.load(checkpoint.read_manifest(run / name))
        assert model.config.name == "synthetic"
        checkpoint.verify(run / name)
    assert [int(row["step"]) for row in rows(run / logs.STEPS)] == list(range(1, worlds.STEPS + 1))
    assert [int(row["step"]) for row in rows(run / logs.VALIDATIONS)] == [4, 8]
    content = json.loads((run / trainer.RUN).read_text())
    assert content["seed"] == 0
    assert content["step"] == content["steps"] == worlds.STEPS
    assert content["missing"] == {"train": 0, "val": 0}
    assert content["environment"]["packages"]["torch"] == torch.__version__.split("+")[0]
    assert {"commit", "changed"} == content["git"].keys() if content["git"] else True
    assert TrainConfig.from_json(content["config"]).recipe == "synthetic"
    assert len(list((run / logs.SAMPLES).glob("*.png"))) == 2
    assert not list(run.glob("*.partial"))
    assert not list(run.glob("*.old"))


def test_best_is_chosen_by_validation_alone(fit: Fit) -> None:
    run = fit("steps=3", "validate_every=1", "optimiser.learning_rate=0.01")
    figures = [np.mean([float(row[name]) for name in ("R@1", "R@5", "R@10")]) for row in rows(run / logs.VALIDATIONS)]
    best = f"{1 + int(np.argmax(figures))} steps"
    assert best in (run / trainer.BEST / checkpoint.CARD).read_text()


def test_a_text_tower_may_learn_at_its_own_rate(data: Path, fit: Fit) -> None:
    run = fit("steps=2", "optimiser.text_rate=0")
    model = recipes.recipe("synthetic").changed([*worlds.SMALL]).model
    torch.manual_seed(0)
    first = checkpoint.initialise(model, files={model.text.tokenizer: data / synthetic.TOKENIZER}).state_dict()
    last = load_file(run / trainer.LAST / checkpoint.WEIGHTS)
    moved = {name for name in first if not torch.equal(first[name], last[name])}
    assert not any(name.startswith("text.") for name in moved)
    assert any(name.startswith("video.spatial.") for name in moved)
    assert any(name.startswith("correspondence.") for name in moved)


def test_without_a_validation_split_nothing_is_chosen(fit: Fit) -> None:
    run = fit("steps=1", "data.validation=")
    assert (run / trainer.LAST).exists()
    assert not (run / trainer.BEST).exists()


def test_a_kill_while_folders_change_places_loses_nothing(fit: Fit) -> None:
    run = fit()
    expected = load_file(run / trainer.LAST / checkpoint.WEIGHTS)
    (run / trainer.LAST).rename(run / f"{trainer.LAST}.old")
    fit()
    found = load_file(run / trainer.LAST / checkpoint.WEIGHTS)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_kill_while_the_best_changes_places_leaves_nothing_behind(fit: Fit) -> None:
    run = fit()
    expected = load_file(run / trainer.BEST / checkpoint.WEIGHTS)
    (run / trainer.BEST).rename(run / f"{trainer.BEST}.old")
    (run / f"{trainer.BEST}.partial").mkdir()
    fit()
    found = load_file(run / trainer.BEST / checkpoint.WEIGHTS)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert not list(run.glob("*.old"))
    assert not list(run.glob("*.partial"))


def test_a_pairwise_run_goes_on_bit_for_bit(fit: Fit, data: Path, tmp_path: Path) -> None:
    settings = ("pairwise.layers=1", "pairwise.heads=2", "pairwise.dropout=0.2")
    whole = fit(*settings, name="whole")
    step = trainer.Trainer._train_step

    def stops(self: trainer.Trainer, frames: torch.Tensor, texts: list[str]) -> dict[str, float]:
        if self.step == 5:
            raise trainer.TrainingError("stopped")
        return step(self, frames, texts)

    with mock.patch.object(trainer.Trainer, "_train_step", stops):
        assert worlds.train_synthetic(data, tmp_path / "resumed", settings=settings) == 1
    resumed = fit(*settings, name="resumed")
    for file in (checkpoint.WEIGHTS, pairwise.WEIGHTS, trainer.OPTIMISER):
        expected, found = (load_file(run / trainer.LAST / file) for run in (whole, resumed))
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected), file


def test_a_run_tells_what_it_waits_for_data(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    frames = synthetic.SyntheticSplit.frames

    def slow(*arguments: Any) -> Frames:
        threading.Event().wait(0.02)  # a frame store on a slow disk
        return frames(*arguments)

    quick = rows(fit("data.validation=", name="quick") / logs.TIMES)
    with mock.patch.object(synthetic.SyntheticSplit, "frames", slow):
        slowed = rows(fit("data.validation=", name="slow") / logs.TIMES)
    for times in (quick, slowed):
        assert [int(row["step"]) for row in times] == list(range(2, worlds.STEPS + 1))
        assert all(0 <= float(row["data_share"]) <= 1 for row in times)
    waits = [[float(row["seconds"]) * float(row["data_share"]) for row in times] for times in (quick, slowed)]
    assert min(waits[1]) >= 10 * 0.02 > np.median(waits[0])  # ten clips per step
    assert "  data " in capsys.readouterr().out


def test_without_a_validation_split_a_run_says_so(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    run = fit("steps=1", "data.validation=")
    assert "nothing is selected, the last step is the result" in capsys.readouterr().out
    assert json.loads((run / trainer.RUN).read_text())["selected_by"] == "nothing: the last step"


def test_msrvtt_7k_may_give_up_its_validation_videos() -> None:
    for name in ("msrvtt-7k", "msrvtt-9k"):
        assert recipes.recipe(name).data.validation == ""
    chosen = recipes.recipe("msrvtt-7k").changed(["data.train=train-full", "data.validation=val-full"])
    assert (chosen.data.train, chosen.data.validation) == ("train-full", "val-full")


def test_tensorboard_has_the_figures_and_the_pictures(fit: Fit) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = fit("steps=2", "validate_every=2")
    events = accumulator.EventAccumulator(str(run / "tensorboard")).Reload()
    assert {"log/loss", "times/data_share", "validation/R@1"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("log/loss")] == [1, 2]
    logged = [float(row["loss"]) for row in rows(run / logs.STEPS)]
    assert [event.value for event in events.Scalars("log/loss")] == pytest.approx(logged)
    assert events.Tags()["images"] == ["retrievals"]


def test_a_log_forgets_what_is_computed_again_and_lines_torn_by_a_kill(fit: Fit) -> None:
    run = fit("data.validation=")
    before = rows(run / logs.STEPS)
    with (run / logs.STEPS).open("a") as file:
        file.write(f"{worlds.STEPS + 1},1,1,1,1,1,1\n{worlds.STEPS + 2},0.7")
    fit("data.validation=")
    assert rows(run / logs.STEPS) == before


def test_another_config_names_the_fields(fit: Fit, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fit("steps=1")
    assert worlds.train_synthetic(data, run, settings=["steps=2", "loss.form=nce"]) == 2
    message = capsys.readouterr().err
    assert "steps: 1 → 2" in message
    assert "loss.form: 'paper' → 'nce'" in message
    assert worlds.train_synthetic(data, run, settings=["steps=1", "log_every=7"]) == 0


def test_data_of_another_size_is_not_resumed_with(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = tmp_path / "world"
    shutil.copytree(data, world)
    assert worlds.train_synthetic(world, tmp_path / "run", settings=["steps=1", "data.validation="]) == 0
    lines = (world / "train.jsonl").read_text().splitlines(keepends=True)
    (world / "train.jsonl").write_text("".join(lines[: -synthetic.FAMILY]))
    assert worlds.train_synthetic(world, tmp_path / "run", settings=["steps=1", "data.validation="]) == 2
    assert f"items: {len(lines)} → {len(lines) - synthetic.FAMILY}" in capsys.readouterr().err


def test_a_damaged_state_is_named(fit: Fit, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fit("steps=1", "data.validation=")
    file = run / trainer.LAST / trainer.OPTIMISER
    file.write_bytes(file.read_bytes()[:100])
    assert worlds.train_synthetic(data, run, settings=["steps=1", "data.validation="]) == 1
    assert f"“{file}” cannot be read" in capsys.readouterr().err


@pytest.fixture
def compiled() -> Iterator[Callable[[torch.nn.Module], None]]:
    """Yield the recorded calls of torch.compile, which generates no kernels here: that takes minutes."""
    compile_module = torch.nn.Module.compile
    note = mock.Mock(side_effect=lambda module: compile_module(module, backend="eager"))
    with mock.patch.object(torch.nn.Module, "compile", lambda module: note(module)):
        yield note
    torch.compiler.reset()


def test_a_run_may_go_on_compiled_or_not(compiled: mock.Mock, data: Path, tmp_path: Path, fit: Fit) -> None:
    settings = ("data.validation=", "chunks=2", "precision=bf16", "steps=3")
    plain = rows(fit(*settings, name="plain") / logs.STEPS)
    assert not compiled.called
    for first, then in (("true", "false"), ("false", "true")):
        before = [*settings, f"compile={first}"]
        assert worlds.train_synthetic(data, tmp_path / first, 1, before, by=signal.SIGTERM) == 1
        run = fit(*settings, f"compile={then}", name=first)
        found = [float(row["loss"]) for row in rows(run / logs.STEPS)]
        assert found == pytest.approx([float(row["loss"]) for row in plain], rel=1e-4)
        checkpoint.load(checkpoint.read_manifest(run / trainer.LAST))
    assert compiled.call_count == 2


def test_what_cannot_be_compiled_is_a_sentence(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*_: object) -> None:
        raise OSError("no compiler")

    compile_module = torch.nn.Module.compile
    with mock.patch.object(torch.nn.Module, "compile", lambda module: compile_module(module, backend=fails)):
        assert worlds.train_synthetic(data, tmp_path / "run", settings=["compile=true"]) == 1
    torch.compiler.reset()
    message = capsys.readouterr().err
    assert "torch.compile failed at step 1" in message
    assert "no compiler" in message
    assert "Set compile=false" in message


def test_a_loss_that_is_no_number_stops_at_its_step_and_keeps_the_last_state(
    fit: Fit, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = trainer.Trainer.backward

    def breaks(self: trainer.Trainer, frames: torch.Tensor, texts: list[str]) -> Losses:
        losses = step(self, frames, texts)
        return losses._replace(total=losses.total * math.nan) if self.step == 4 else losses

    with mock.patch.object(trainer.Trainer, "backward", breaks):
        assert worlds.train_synthetic(data, tmp_path / "broken") == 1
    assert "Step 5 gave a loss of nan" in capsys.readouterr().err
    state = json.loads((tmp_path / "broken" / trainer.LAST / trainer.STATE).read_text())
    assert state["step"] == 3  # saved at every third step
    checkpoint.verify(tmp_path / "broken" / trainer.LAST)


def test_too_little_memory_names_the_settings_that_help(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mock.patch.object(trainer, "cret_losses", side_effect=torch.OutOfMemoryError("CUDA out of memory")):
        assert worlds.train_synthetic(data, tmp_path / "run", settings=["chunks=2"]) == 1
    assert "Set chunks to more than 2, or gradient_checkpointing=true" in capsys.readouterr().err


def test_a_foreign_folder_is_left_alone(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert worlds.train_synthetic(data, tmp_path) == 2
    assert "contains no training run" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize("setting", ["gradient_checkpointing=true", "chunks=3", "precision=bf16", "data.workers=1"])
def test_options_that_leave_the_first_loss_as_it_is(setting: str, fit: Fit) -> None:
    options = ["steps=1", "model.text.dropout=0", "model.temporal.dropout=0", "data.validation="]
    plain, other = (
        float(rows(fit(*options, *more, name=name) / logs.STEPS)[0]["loss"])
        for name, more in (("plain", []), ("other", [setting]))
    )
    # The spatial encoder's batch norms see one chunk at a time, half precision rounds; all other arithmetic is equal.
    tolerance = {"chunks=3": 0.1, "precision=bf16": 0.02}.get(setting, 1e-6)
    assert other == pytest.approx(plain, rel=tolerance)


@pytest.mark.parametrize("form", ["nce", "paper", "jensen", "isda"])
def test_training_fits_one_batch(form: str, data: Path, tmp_path: Path) -> None:
    lines = (data / "train.jsonl").read_text().splitlines(keepends=True)[:10]
    (tmp_path / "train.jsonl").write_text("".join(lines))
    (tmp_path / synthetic.TOKENIZER).write_bytes((data / synthetic.TOKENIZER).read_bytes())
    settings = ["steps=30", "save_every=30", "data.validation=", f"loss.form={form}", "optimiser.learning_rate=0.003"]
    settings += ["model.text.dropout=0", "model.temporal.dropout=0"]
    assert worlds.train_synthetic(tmp_path, tmp_path / "run", settings=settings) == 0
    losses = [float(row["loss"]) for row in rows(tmp_path / "run" / logs.STEPS)]
    # Ten identical clips cost log(10), twice (GEES and CCM).
    assert np.mean(losses[-3:]) < 0.8 * 2 * math.log(10)


def config(*settings: str) -> TrainConfig:
    return recipes.recipe("synthetic").changed(settings)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_epoch_takes_every_item_once_and_keeps_groups_together(processes: int) -> None:
    settings = config("batch=10", "epochs=2", "steps=0")
    ranks = [list(StepSampler(60, settings, World(rank, processes))) for rank in range(processes)]
    steps = 60 // (10 * processes)
    for epoch in (0, 1):
        taken = [key for batches in ranks for batch in batches[epoch * steps : (epoch + 1) * steps] for key in batch]
        assert sorted(taken) == [(epoch, item) for item in range(60)]
    for batches in ranks:
        for batch in batches:
            items = np.array([item for _, item in batch]).reshape(-1, synthetic.FAMILY)
            assert (items == items[:, :1] + np.arange(synthetic.FAMILY)).all()
            assert (items[:, 0] % synthetic.FAMILY == 0).all()
    assert ranks[0][0] != ranks[0][steps]


@pytest.mark.parametrize("start", [0, 1, 7, 11])
def test_a_sampler_that_starts_later_gives_the_same_steps(start: int) -> None:
    settings = config("batch=10", "steps=12")
    whole = list(StepSampler(53, settings, World()))
    assert list(StepSampler(53, settings, World(), start)) == whole[start:]


def test_a_split_smaller_than_a_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="has 15 items, fewer than the 40 of one step"):
        StepSampler(15, config("batch=20"), World(0, 2))


def test_the_schedule_rises_then_falls_in_straight_lines() -> None:
    rates = np.array([linear_schedule(step, 100, 0.1) for step in range(100)])
    assert rates.argmax() == 9
    assert rates.max() == 1
    np.testing.assert_allclose(np.diff(rates[:10]), 0.1)
    np.testing.assert_allclose(np.diff(rates[10:]), -1 / 90)
    assert 0 < rates[-1] < 0.02
    assert linear_schedule(0, 10, 0.0) == 1


def test_the_variance_is_warmed_up(data: Path, fit: Fit) -> None:
    run = fit("loss.variance_warmup=0.5", "loss.variance_weight=2.0", "data.validation=")
    weights = [float(row["variance_weight"]) for row in rows(run / logs.STEPS)]
    assert weights == [0, 0.5, 1, 1.5, 2, 2, 2, 2]


def test_seeds_of_steps_and_chunks_are_all_different() -> None:
    numbers = {mix(seed, step, chunk) for seed in range(5) for step in range(40) for chunk in range(5)}
    assert len(numbers) == 1000


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_recipes_are_valid_and_survive_json(name: str) -> None:
    chosen = recipes.recipe(name)
    assert chosen.recipe == name
    assert TrainConfig.from_json(json.loads(json.dumps(chosen.to_json()))) == chosen
    assert not chosen.data.validation.startswith("test")


def test_the_paper_is_trained_as_stated() -> None:
    chosen = recipes.recipe("msrvtt-7k")
    assert (chosen.epochs, chosen.batch, chosen.optimiser.learning_rate) == (50, 20, 5e-5)
    assert (chosen.model.frames.frames, chosen.model.temporal.layers, chosen.loss.form) == (4, 3, "paper")
    assert [recipes.recipe(name).model.text.context for name in ("msrvtt-9k", "msvd", "lsmdc", "didemo")] == [
        20, 32, 32, 100,
    ]  # fmt: skip


def test_settings_change_fields_of_any_depth() -> None:
    changed = config(
        "loss.form=nce", "model.temporal.layers=0", "data.crop_scale=[0.2, 0.9]", "model.video.options.depth=1",
        "compile=True", "model.video.options.drop_path_rate=0.1",
    )  # fmt: skip
    assert changed.loss.form == "nce"
    assert changed.model.temporal.layers == 0
    assert changed.data.crop_scale == (0.2, 0.9)
    assert changed.model.video.options["depth"] == 1
    assert changed.model.video.options["drop_path_rate"] == 0.1
    assert changed.compile is True


def test_the_score_at_inference_follows_the_loss() -> None:
    nce = config("loss.form=nce", "loss.temperature=0.1", "loss.center_temperature=0.05").model.score
    assert (nce.temperature, nce.variance_weight, nce.center_weight) == (0.1, 0, 2)
    assert config("loss.variance_weight=0.5").model.score.variance_weight == 0.5
    assert config("loss.center_weight=0").model.score.center_weight == 0
    assert config("loss.form=nce", "model.score.variance_weight=1").model.score.variance_weight == 1
    for name in recipes.RECIPES:
        assert recipes.recipe(name).changed([]) == recipes.recipe(name)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("loss.temprature=0.1", "Similar: loss.temperature"),
        ("learning_rate=1", "Similar: optimiser.learning_rate"),
        ("loss=nce", "no setting “loss”"),
        ("steps", "Write field=value"),
        ("batch=1", "batch must be at least 2"),
        ("data.validation=test", "validation must not be a test split"),
        ("data.train=test", "train must not be a test split"),
        ("data.validation=train", "must not be the training split"),
        ("loss.temperature=0", "must be positive"),
        ("batch=21", "multiple of data.group"),
    ],
)
def test_settings_that_do_not_exist_or_fit_are_named(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(setting)


@pytest.mark.parametrize("setting", ["loss.form=gees", "batch=many", "model.temporal.layers=2.5"])
def test_values_of_the_wrong_kind_are_named(setting: str) -> None:
    with pytest.raises(ModelError, match=setting.split("=")[0]):
        config(setting)


def test_an_unknown_recipe_names_a_near_one(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["msrvt-7k", "--data", str(data)]) == 2
    assert "Similar: msrvtt-7k." in capsys.readouterr().err


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_names_what_it_misses_in_a_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    (data / "videos").mkdir(parents=True)
    assert train.main([name, "--data", str(data), "--out", str(run), "--device", "cpu"]) == 2
    message = capsys.readouterr().err
    assert str(data) in message
    assert "training.synthetic" in message if name == "synthetic" else "there is no such folder" in message
    assert len(message.splitlines()) == 1
    assert not run.exists()


def test_weights_may_be_named_as_local_files(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "nowhere.safetensors"
    source = recipes.recipe("msrvtt-7k").model.video.weights
    settings = ["model.video.weights=" + source]
    arguments = ["synthetic", "--data", str(data), "--out", str(tmp_path / "run"), *settings]
    assert train.main(arguments) == 4
    message = capsys.readouterr().err
    assert "cait_s24_224" in message
    assert "--weights" in message
    assert train.main([*arguments, "--weights", f"{source}={missing}"]) == 4
    assert str(missing) in capsys.readouterr().err


def test_default_loss_is_the_papers() -> None:
    assert recipes.recipe("msrvtt-7k").loss == LossConfig()
