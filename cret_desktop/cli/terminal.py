"""What the commands print with: answers to standard output, everything said on the way to standard error.

Names go through `Terminal.say` or `cell`: a line that is printed is one line, and no name is markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.segment import Segment
from rich.text import Text

from cret_desktop.foreign import visible


class Terminal(Console):
    """Shows what cannot be printed as a mark: a file's name could command the terminal, or be no text at all."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_printable(segment.text), segment.style)

    def say(self, text: str, style: str | None = None) -> None:
        """Print one line, whatever it holds: a line break in a name begins no line of its own."""
        self.print(visible(text), style=style, markup=False)


def cell(text: str) -> Text:
    """A text as a table's cell takes it: as it stands, whatever looks like markup in it."""
    return Text(visible(text))


def _printable(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


out = Terminal(soft_wrap=True, highlight=False)
err = Terminal(stderr=True, soft_wrap=True, highlight=False)


@contextmanager
def bar() -> Iterator[Callable[[float, float | None, str], None]]:
    """Show how far something is, on a terminal. Yields what takes (done, of how much, words beside the bar)."""
    words = TextColumn("{task.description}", markup=False)
    with Progress(BarColumn(), words, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task("", total=None)

        def tell(done: float, of: float | None, description: str) -> None:
            shown.update(task, total=of, completed=done, description=description)

        yield tell


def clock(seconds: float) -> str:
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
