"""Pictures of the model page. Its cards are made up: a download takes longer than a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cret_desktop.engine.protocol import DownloadProgress, ModelCard, ModelState
from cret_desktop.gui.models.model_dialog import ModelDialog
from tests.narrowing import found

if TYPE_CHECKING:
    from tests.gui.screenshots import Photographer

READY, MB = ModelState.READY, 1_000_000
CARDS = (
    ModelCard("starter", "Starter (objects and scenes)", READY, 107 * MB, 0, "", "en", 3420, 31 * MB, answers=True),
    ModelCard(
        "pe-core-t16", "Perception Encoder T16", READY, 278 * MB, 0, "Apache-2.0", "en", 900, 4 * MB, wanted=True
    ),
    ModelCard("pe-core-s16", "Perception Encoder S16", ModelState.DOWNLOADING, 349 * MB, 0, "Apache-2.0", "en"),
    ModelCard("pe-core-b16", "Perception Encoder B16", ModelState.DOWNLOADABLE, 1790 * MB, 0, "Apache-2.0", "en"),
    ModelCard("siglip2-b32", "SigLIP 2 B32", ModelState.PARTIAL, 1507 * MB, 600 * MB, "Apache-2.0", "many"),
    ModelCard("siglip2-b16", "SigLIP 2 B16", ModelState.DOWNLOADABLE, 1501 * MB, 0, "Apache-2.0", "many"),
    ModelCard("paper", "CRET (paper)", ModelState.IMPORTABLE),
    ModelCard("my-films", "My films", READY, 402 * MB, clips=3420, index_bytes=28 * MB, removable=True),
)


def models(at: Photographer) -> None:
    """The page with every state there is, and the line that leads to it."""
    from tests.gui.screenshots import wait

    window = at.window
    window.models.offered.emit(CARDS[3])
    at.take("66-offer")
    window.models.offered.emit(None)
    wait(window.models.changed, window.everyday.show_models)
    dialog = found(window.findChild(ModelDialog))
    dialog.resize(760, 1040)
    window.models.changed.emit(CARDS)
    window.models.progressed.emit(DownloadProgress("pe-core-s16", "fetching", 120 * MB, 349 * MB))
    at.take("67-models", dialog)
    window.models.failed.emit(
        OSError("“Perception Encoder B16” cannot be downloaded: huggingface.co cannot be reached. Try again later.")
    )
    dialog.resize(620, 560)
    at.take("68-models-problem", dialog)
    dialog.close()
