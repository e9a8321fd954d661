"""How an import looks on a terminal: a bar over the bytes of its files, resources per second, time remaining."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from api.loading.run import Problem

SHOWN_PROBLEMS = 50


class _Rate(ProgressColumn):
    """Resources so far and per second since the start."""

    def render(self, task: Task) -> Text:
        resources = int(task.fields["resources"])
        elapsed = task.finished_time if task.finished else task.elapsed
        return Text(f"{resources:,} resources, {resources / elapsed if elapsed else 0:,.0f}/s")


class Bar:
    """A `Watcher` that draws. The first problems are printed as they come, the rest only counted."""

    def __init__(self, console: Console, total_bytes: int) -> None:
        self._progress = Progress(
            TextColumn("[bold]import"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("import", total=total_bytes, resources=0)
        self._resources = 0
        self._problems = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advanced(self, position: int, resources: int) -> None:
        self._resources += resources
        self._progress.update(self._task, completed=position, resources=self._resources)

    def failed(self, problem: Problem) -> None:
        self._problems += 1
        if self._problems <= SHOWN_PROBLEMS:
            self._progress.console.print(f"[red]{escape(str(problem))}[/red]", soft_wrap=True, highlight=False)
        elif self._problems == SHOWN_PROBLEMS + 1:
            self._progress.console.print("[red]More problems are counted, not shown[/red]")
