"""The model behind the library's ports `Model`, `VideoEncoder` and `TextEncoder`: numpy in, numpy out.

`open_model` reads only config.json. Each side loads its weights on first use, so a search never loads the video tower,
and describing a model never imports torch. If a GPU runs out of memory, batches become smaller. If it fails, the model
moves to the CPU, and `Model.device_lost` reports it.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cret_desktop import paths
from cret_desktop.domain.clips import DEVICES, Features, Frames, ModelInfo
from cret_desktop.errors import ModelError
from cret_desktop.messages import Message
from cret_desktop.model import checkpoint, foreign, trial
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.presets import PRESETS

# torch takes seconds to import. Every command imports this module, so only the functions that load weights import
# torch.
if TYPE_CHECKING:
    import torch

    from cret_desktop.model.cret import CRET
    from cret_desktop.model.transforms import Tokenizer

log = logging.getLogger(__name__)

CLIPS_AT_ONCE = 64  # on a GPU; halved when it runs out of memory
TEXTS_AT_ONCE = 64
# Beginnings of torch's errors for a failed device, as opposed to an invalid operation.
_DEVICE_FAILED = re.compile(r"(CUDA|HIP|MPS|cuDNN|cuBLAS|CUDNN|CUBLAS)\b.*(error|failed|STATUS)")


def model_folders(name: str) -> tuple[Path, ...]:
    """Return the possible folders of a model: shipped with the app, or in the user's data folder."""
    return paths.resource("models", name), user_models() / name


def user_models() -> Path:
    """Return the folder of the user's own models."""
    return paths.data_folder() / "models"


def open_model(name_or_folder: str, device: str = "auto") -> Model:
    """Open a model by its name (see `presets.PRESETS`) or its folder, reading only its description.

    device: auto, cuda, mps or cpu; its availability is checked when weights are loaded.
    Raises: ModelError.
    """
    folders = model_folders(name_or_folder)
    if Path(name_or_folder).name != name_or_folder or Path(name_or_folder).is_dir():
        folders = (Path(name_or_folder),)
    for folder in folders:
        if (folder / checkpoint.CONFIG).is_file():
            manifest = checkpoint.read_manifest(folder)
            if not trial.is_ours(folder):
                foreign.check(manifest)
            return Model(manifest, device)
    looked = ", ".join(map(str, folders))
    if name_or_folder in PRESETS:
        raise ModelError("model.not-found", name=name_or_folder, folders=looked, file=checkpoint.CONFIG)
    known = ", ".join(PRESETS)
    raise ModelError("model.name-unknown", name=name_or_folder, folders=looked, file=checkpoint.CONFIG, names=known)


def available_devices() -> list[str]:
    """Return the kinds of device that this computer and this build of torch support, fastest first."""
    import torch

    kinds: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    return [kind for kind, is_available in kinds.items() if is_available()]


def choose_device(device: str) -> torch.device:
    """Return the torch device. Raises: ModelError for one that this computer or this build of torch lacks."""
    import torch

    if device not in DEVICES:
        raise ModelError("model.no-device", device=device, devices=", ".join(DEVICES))
    available = available_devices()
    if device == "auto":
        device = available[0]
    if device not in available:
        raise ModelError("model.device-away", device=device)
    return torch.device(device)


def describe_device(device: torch.device) -> str:
    """Describe a device for people and bug reports."""
    import torch

    if device.type != "cuda":
        return device.type
    memory = torch.cuda.get_device_properties(device).total_memory
    return f"cuda: {torch.cuda.get_device_name(device)}, {memory / 2**30:.0f} GiB"


class Placement:
    """The device of both sides of a model: the requested one, or the CPU after a GPU has failed.

    A process whose GPU has failed cannot use it again. `lost` is then a message about it, until then None.
    """

    def __init__(self, requested: str = "auto") -> None:
        self._requested = requested
        self.lost: Message | None = None

    def choose(self) -> torch.device:
        """Return the device to use. Raises: ModelError for one that is not available."""
        return choose_device("cpu" if self.lost else self._requested)

    def give_up(self, failure: _DeviceLost) -> None:
        log.warning("the GPU is given up: %s", failure)
        self.lost = Message("model.gpu-lost", failure=str(failure))


class _DeviceLost(Exception):
    """A GPU failed; the message is torch's."""


@contextmanager
def _noticing_loss() -> Iterator[None]:
    """Raise _DeviceLost in place of torch's own error for a failed device."""
    try:
        yield
    except RuntimeError as error:
        words = str(error).partition("\n")[0]
        if _is_out_of_memory(error) or not _DEVICE_FAILED.match(words):
            raise
        raise _DeviceLost(words.rstrip(".")) from error


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    # Some allocations bypass torch's allocator, and on Apple's GPUs no error has the type.
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)


class Model:
    """Both encoders of one model, and its description."""

    def __init__(self, manifest: Manifest, device: str = "auto") -> None:
        self._manifest = manifest
        self._placement = Placement(device)

    @property
    def device_lost(self) -> Message | None:
        """Message about a failed GPU, as in `library.ports.Model`."""
        return self._placement.lost

    @cached_property
    def info(self) -> ModelInfo:
        config = self._manifest.config
        return ModelInfo(
            name=config.name,
            title=config.title,
            fingerprint=self._manifest.fingerprint,
            width=config.width,
            centers=config.correspondence.centers,
            frame_format=config.frames,
            score=config.score,
        )

    def check_files(self) -> None:
        """Raise a ModelError that names the remedy if a file of the model is missing. Reads no weights."""
        for source in self._manifest.files:
            checkpoint.locate(source, self._manifest.folder)

    @cached_property
    def video(self) -> VideoEncoder:
        return VideoEncoder(self._manifest, self._placement)

    @cached_property
    def text(self) -> TextEncoder:
        return TextEncoder(self._manifest, self._placement)


class VideoEncoder:
    """Encodes clips; see `library.ports`. One thread encodes at a time, others wait."""

    def __init__(self, manifest: Manifest, placement: Placement) -> None:
        self._manifest = manifest
        self._placement = placement
        self._model: CRET | None = None
        self._clips_at_once = CLIPS_AT_ONCE
        self._workers: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def encode(self, frames: Frames) -> Features:
        """Encode uint8 RGB [N, M, H, W, 3] to float32 globals [N, M, D] and centers [N, C, D].

        Raises: ModelError; ValueError for another shape or type of array.
        """
        config = self._manifest.config
        size = config.frames.size
        if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[2:] != (size, size, 3):
            raise ValueError(f"frames must be uint8 [N, M, {size}, {size}, 3], not {frames.dtype} {list(frames.shape)}")
        with self._lock:
            try:
                batches = self._encode_all(frames)
            except _DeviceLost as failure:
                self._model = None
                self._placement.give_up(failure)
                batches = self._encode_all(frames)
        width = config.width
        empty = Features(
            np.empty((0, frames.shape[1], width), np.float32),
            np.empty((0, config.correspondence.centers, width), np.float32),
        )
        return _joined([empty, *batches])

    def release(self) -> None:
        """Drop the weights and free the GPU's memory. The next `encode` loads them again."""
        with self._lock:
            device = self._device() if self._model is not None else None
            self._model = None
            if self._workers is not None:
                self._workers.shutdown()
                self._workers = None
        if device is not None and device.type == "cuda":
            try:
                _empty_cache()
            except _DeviceLost as failure:
                self._placement.give_up(failure)

    def _device(self) -> torch.device:
        assert self._model is not None
        return next(self._model.parameters()).device

    def _loaded(self) -> CRET:
        if self._model is None:
            trial.believed(self._manifest, trial.Stage.WHOLE)
            with _collector_paused():
                from cret_desktop.model.video_tower import fold_batch_norms

                device = self._placement.choose()
                model = checkpoint.load(self._manifest, text=False)
            fold_batch_norms(model)
            self._model = _moved(model, device)
            if device.type == "cpu":
                self._workers = ThreadPoolExecutor(os.cpu_count(), "encode", initializer=_use_one_thread)
        return self._model

    def _encode_all(self, frames: Frames) -> list[Features]:
        with _noticing_loss():
            return list(self._batches(frames))

    def _batches(self, frames: Frames) -> Iterator[Features]:
        model = self._loaded()
        if self._workers is None:
            yield from self._batches_on_gpu(model, frames)
        else:
            # One clip per thread: threads within one operator spin while they wait for each other. That took five
            # times as long while decoders used the cores, too.
            yield from self._workers.map(
                partial(self._encode_batch, model), (frames[i : i + 1] for i in range(len(frames)))
            )

    def _batches_on_gpu(self, model: CRET, frames: Frames) -> Iterator[Features]:
        start = 0
        while start < len(frames):
            batch = frames[start : start + self._clips_at_once]
            try:
                yield self._encode_batch(model, batch)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                if len(batch) == 1:
                    raise _no_memory() from error
                self._clips_at_once = len(batch) // 2
            else:
                start += len(batch)
                continue
            # Only here has the traceback of the failed pass been dropped, and with it the pass's tensors.
            _empty_cache()

    def _encode_batch(self, model: CRET, frames: Frames) -> Features:
        import torch

        from cret_desktop.model.transforms import normalise_pixels

        config, device = self._manifest.config, self._device()
        with torch.inference_mode(), _autocast(device):
            pixels = torch.from_numpy(np.require(frames, requirements=["C", "W"])).to(device)
            return _to_numpy(*model.encode_video(normalise_pixels(pixels, config.mean, config.std)))


class TextEncoder:
    """Encodes queries without the video side; see `library.ports`. Any thread may call it."""

    def __init__(self, manifest: Manifest, placement: Placement) -> None:
        self._manifest = manifest
        self._placement = placement
        self._parts: tuple[CRET, Tokenizer, torch.device] | None = None
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Features:
        """Encode texts to float32 globals [N, D] and centers [N, C, D]. Raises: ModelError."""
        try:
            return self._encode(texts)
        except _DeviceLost as failure:
            with self._lock:
                self._parts = None
            self._placement.give_up(failure)
            return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> Features:
        with _noticing_loss():
            return self._encode_here(*self._loaded(), texts)

    def _encode_here(self, model: CRET, tokenizer: Tokenizer, device: torch.device, texts: Sequence[str]) -> Features:
        import torch

        if device.type == "cpu":
            _use_one_thread()
        config = self._manifest.config
        encoded = [
            Features(
                np.empty((0, config.width), np.float32),
                np.empty((0, config.correspondence.centers, config.width), np.float32),
            )
        ]
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            ids, mask = tokenizer(texts[start : start + TEXTS_AT_ONCE])
            with torch.inference_mode(), _autocast(device):
                encoded.append(_to_numpy(*model.encode_text(ids.to(device), mask.to(device))))
        features = _joined(encoded)
        if not (np.isfinite(features.globals).all() and np.isfinite(features.centers).all()):
            raise ModelError("model.no-numbers", title=config.title)
        return features

    def _loaded(self) -> tuple[CRET, Tokenizer, torch.device]:
        with self._lock:
            if self._parts is None:
                tried = trial.believed(self._manifest, trial.Stage.WORDS)
                with _collector_paused():
                    from cret_desktop.model.transforms import Tokenizer

                    device = self._placement.choose()
                    file = checkpoint.tokenizer_file(self._manifest)
                    tokenizer = Tokenizer(file, self._manifest.config.text, tried=tried)
                    model = checkpoint.load(self._manifest, video=False)
                self._parts = _moved(model, device), tokenizer, device
            return self._parts


def _moved(model: CRET, device: torch.device) -> CRET:
    try:
        return model.to(device)
    except RuntimeError as error:
        if _is_out_of_memory(error):
            raise _no_memory() from error
        raise


def _no_memory() -> ModelError:
    return ModelError("model.gpu-memory")


def _empty_cache() -> None:
    """Free the GPU's cached memory. Raises: _DeviceLost."""
    import torch

    with _noticing_loss():
        torch.cuda.empty_cache()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector while importing torch: it finds almost nothing and takes a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _use_one_thread() -> None:
    """Run the calling thread's operators on it alone: a query is too small to share, a clip has its own thread."""
    import torch

    torch.set_num_threads(1)


@contextmanager
def _autocast(device: torch.device) -> Iterator[None]:
    """Use bfloat16 if the GPU supports it, else float16; full precision on CPUs and Apple's GPUs."""
    import torch

    if device.type != "cuda":
        yield
        return
    kind = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    with torch.autocast("cuda", kind):
        yield


def _to_numpy(features: torch.Tensor, centers: torch.Tensor) -> Features:
    return Features(features.float().cpu().numpy(), centers.float().cpu().numpy())


def _joined(parts: Sequence[Features]) -> Features:
    return Features(np.concatenate([part.globals for part in parts]), np.concatenate([part.centers for part in parts]))
