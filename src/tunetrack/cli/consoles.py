"""Where commands print their tables: standard output, as wide as it is, and tables without lines."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["NOT_THERE", "console_of", "table_of"]

#: Characters a line where standard output is no terminal.
PIPE_WIDTH = 160

#: Stands for a parameter of a branch that the trial did not take.
NOT_THERE = "–"


def console_of() -> Console:
    """Standard output; a file or a pipe has no width of its own and gets enough for one row a trial."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def table_of(*columns: str, **options: Any) -> Table:
    """An empty table without lines; a column whose name ends in ``>`` stands right."""
    table = Table(box=None, pad_edge=False, header_style="bold", **options)
    for column in columns:
        name, _, align = column.partition(">")
        table.add_column(name, justify="right" if align or column.endswith(">") else "left", overflow="fold")
    return table
