from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cret_desktop.domain.clips import Features, Frames
from cret_desktop.errors import ModelError
from cret_desktop.model import checkpoint, encoder
from cret_desktop.model.cret import CRET
from cret_desktop.model.encoder import Model, Placement, VideoEncoder, open_model
from cret_desktop.model.transforms import Tokenizer, normalise_pixels
from tests.model import tiny
from tests.said import said

CONFIG = tiny.paper()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = tiny.write_tokenizer(folder.with_suffix(".tokenizer"))
    checkpoint.save(tiny.fill(CRET(CONFIG)), folder, tokenizer, "# A tiny model\n")
    return folder


@pytest.fixture
def model(folder: Path) -> Iterator[Model]:
    model = open_model(str(folder), "cpu")
    yield model
    model.video.release()


def test_info_is_what_the_library_needs(model: Model) -> None:
    info = model.info
    assert (info.name, info.width, info.centers, info.frame_format) == ("tiny-paper", 24, 3, CONFIG.frames)
    assert info.fingerprint == model.info.fingerprint


def test_clips_and_texts_in_numpy_equal_the_model(model: Model) -> None:
    frames = tiny.frames(CONFIG, clips=5)
    texts = ["a dog runs", "red square", ""]
    reference = tiny.fill(CRET(CONFIG)).eval()
    with torch.inference_mode():
        clips = reference.encode_video(normalise_pixels(torch.from_numpy(frames), CONFIG.mean, CONFIG.std))
        words = reference.encode_text(*Tokenizer(checkpoint.tokenizer_file(model._manifest), CONFIG.text)(texts))
    for features, (expected, centers) in ((model.video.encode(frames), clips), (model.text.encode(texts), words)):
        assert features.globals.dtype == features.centers.dtype == np.float32
        np.testing.assert_allclose(features.globals, expected, atol=1e-5)
        np.testing.assert_allclose(features.centers, centers, atol=1e-5)


def test_other_numbers_of_frames_and_frames_that_are_views(model: Model) -> None:
    frames = tiny.frames(CONFIG, clips=3, count=16)
    assert model.video.encode(frames[::2, ::2]).globals.shape == (2, 8, 24)
    read_only = frames.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(model.video.encode(read_only).globals, model.video.encode(frames).globals)


def test_nothing_in_nothing_out(model: Model) -> None:
    clips, texts = model.video.encode(tiny.frames(CONFIG, clips=0)), model.text.encode([])
    assert (clips.globals.shape, clips.centers.shape) == ((0, 4, 24), (0, 3, 24))
    assert (texts.globals.shape, texts.centers.shape) == ((0, 24), (0, 3, 24))


def test_frames_of_another_size_or_type_are_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="32, 32, 3"):
        model.video.encode(np.zeros((1, 4, 16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match="float32"):
        model.video.encode(np.zeros((1, 4, 32, 32, 3), np.float32))


def test_released_weights_come_back(model: Model) -> None:
    frames = tiny.frames(CONFIG)
    before = model.video.encode(frames)
    model.video.release()
    assert model.video._model is None
    model.video.release()
    np.testing.assert_array_equal(model.video.encode(frames).globals, before.globals)


def test_out_of_memory_halves_the_batch_and_loses_no_clip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, limit = [], 3

    def encode_batch(self: VideoEncoder, model: CRET, frames: Frames) -> Features:
        sizes.append(len(frames))
        if len(frames) > limit:
            raise torch.cuda.OutOfMemoryError
        return Features(frames[:, :, 0, 0, :1].astype(np.float32), np.zeros((len(frames), 0, 1), np.float32))

    monkeypatch.setattr(VideoEncoder, "_encode_batch", encode_batch)
    encoder = VideoEncoder(checkpoint.read_manifest(folder), Placement("cpu"))
    frames = tiny.frames(CONFIG, clips=20)
    got = np.concatenate([part.globals for part in encoder._batches_on_gpu(CRET(CONFIG), frames)])
    np.testing.assert_array_equal(got[..., 0], frames[:, :, 0, 0, 0])
    assert sizes == [20, 10, 5] + [2] * 10
    limit = 0
    with pytest.raises(ModelError, match="choose the device cpu"):
        list(encoder._batches_on_gpu(CRET(CONFIG), frames))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[RuntimeError]:
    """A stand-in for a GPU, "meta", that loads weights, then raises these errors, the last one repeatedly."""
    errors: list[RuntimeError] = []
    for method in ("encode_video", "encode_text"):
        monkeypatch.setattr(CRET, method, _failing_on_gpu(getattr(CRET, method), errors))
    monkeypatch.setattr(encoder, "choose_device", lambda name: torch.device("cpu" if name == "cpu" else "meta"))
    return errors


def _failing_on_gpu(method: Callable[..., Any], errors: list[RuntimeError]) -> Callable[..., Any]:
    def fail_or_encode(model: CRET, *inputs: torch.Tensor) -> Any:
        if inputs[0].device.type == "meta":
            raise errors.pop(0) if len(errors) > 1 else errors[0]
        return method(model, *inputs)

    return fail_or_encode


@pytest.mark.parametrize(
    "failure",
    [
        torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later."),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_MAPPING_ERROR"),
    ],
    ids=["cuda", "cublas", "cudnn"],
)
def test_a_gpu_that_fails_is_left_for_the_cpu_and_it_says_so(
    folder: Path, model: Model, gpu: list[RuntimeError], failure: RuntimeError
) -> None:
    gpu += [torch.OutOfMemoryError("CUDA out of memory."), failure]
    frames, texts = tiny.frames(CONFIG, clips=5), ["a dog runs"]
    lost = open_model(str(folder), "cuda")
    assert lost.device_lost is None
    np.testing.assert_array_equal(lost.video.encode(frames).globals, model.video.encode(frames).globals)
    assert said(lost.device_lost).startswith(f"The GPU has failed ({str(failure).splitlines()[0]}). ")
    assert said(lost.device_lost).endswith("restart it to use the GPU again.")
    np.testing.assert_array_equal(lost.text.encode(texts).globals, model.text.encode(texts).globals)
    lost.video.release()
    np.testing.assert_array_equal(lost.video.encode(frames).globals, model.video.encode(frames).globals)
    lost.video.release()


def test_a_gpu_that_fails_a_query_is_left_for_the_cpu(folder: Path, model: Model, gpu: list[RuntimeError]) -> None:
    gpu += [torch.AcceleratorError("CUDA error: device-side assert triggered")]
    lost = open_model(str(folder), "cuda")
    np.testing.assert_array_equal(lost.text.encode(["a dog"]).globals, model.text.encode(["a dog"]).globals)
    assert "device-side assert" in said(lost.device_lost)


def test_what_is_no_fault_of_the_gpu_is_not_hidden(folder: Path, gpu: list[RuntimeError]) -> None:
    gpu += [RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")]
    lost = open_model(str(folder), "cuda")
    with pytest.raises(RuntimeError, match="must match"):
        lost.video.encode(tiny.frames(CONFIG, clips=1))
    assert lost.device_lost is None


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_memory_that_does_not_suffice_says_what_to_do(folder: Path, gpu: list[RuntimeError], name: str) -> None:
    words = {
        "cuda": torch.AcceleratorError("CUDA error: out of memory"),
        "mps": RuntimeError("MPS backend out of memory"),
    }
    gpu += [words[name]]
    with pytest.raises(ModelError, match="choose the device cpu"):
        open_model(str(folder), name).video.encode(tiny.frames(CONFIG, clips=4))


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ModelError, match="tpu"):
        open_model(str(folder), "tpu").text.encode(["a dog"])
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="“cuda” is not available"):
            open_model(str(folder), "cuda").video.encode(tiny.frames(CONFIG))


def test_garbage_is_collected_again_after_loading_and_after_failing_to(folder: Path) -> None:
    for device in ("cpu", "tpu"):
        with suppress(ModelError):
            open_model(str(folder), device).text.encode(["a dog"])
        assert gc.isenabled()


def test_a_model_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"models.pe-core-t16.*“starter”"):
        open_model("pe-core-t16")
    with pytest.raises(ModelError, match="Known names: starter"):
        open_model("no-such-model")
    with pytest.raises(ModelError, match="no-such-folder"):
        open_model(str(tmp_path / "no-such-folder"))


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("open_model('starter').info", ("torch", "timm", "tokenizers", "safetensors")),
        ("open_model('starter', 'cpu').text.encode(['a dog'])", ("timm", "torchvision", "transformers", "open_clip")),
        (
            "open_model('starter', 'cpu').video.encode(np.zeros((1, 4, 224, 224, 3), np.uint8))",
            ("transformers", "open_clip"),
        ),
    ],
    ids=["info", "text", "video"],
)
def test_what_the_starter_imports(code: str, absent: tuple[str, ...]) -> None:
    """Each step from cold imports only the modules it needs: imports are most of a cold start's time."""
    program = (
        f"import sys, numpy as np\nfrom cret_desktop.model.encoder import open_model\nresult = {code}\n"
        f"assert result is not None\nprint([name for name in {absent!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_starter_is_the_same_model_as_when_it_was_built() -> None:
    checkpoint.verify(open_model("starter")._manifest.folder)
