"""The output of the commands: answers on standard output, all other text on standard error.

Names go through `Terminal.say` or `cell`: each is printed on one line and never parsed as markup.
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
    """A console that replaces unprintable characters: a file's name could control the terminal, or be invalid text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_printable(segment.text), segment.style)

    def say(self, text: str, style: str | None = None) -> None:
        """Print a text on one line: a line break in a name does not start a new one."""
        self.print(visible(text), style=style, markup=False)


def cell(text: str) -> Text:
    """Return a text for a table cell, unchanged and without markup."""
    return Text(visible(text))


def _printable(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


out = Terminal(soft_wrap=True, highlight=False)
err = Terminal(stderr=True, soft_wrap=True, highlight=False)


@contextmanager
def bar() -> Iterator[Callable[[float, float | None, str], None]]:
    """Show a progress bar on a terminal. Yield a function that takes (done, total, text beside the bar)."""
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
