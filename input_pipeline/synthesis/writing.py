"""What the writers of all stand-in corpora share: checked options, parallel work, tables, and the marker's first lines."""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import joblib

from input_pipeline.errors import DataError
from input_pipeline.progress import progress
from input_pipeline.workers import map_in_workers

_Item = TypeVar("_Item")


def check(sessions: int, fewest: int, most: int, seed: int, *, why: str = "", turns: int = 1, **sizes: float) -> None:
    """Refuses options out of their range; `sizes` are those of planted effects, by the option's name.

    Raises:
        DataError: names the first such option.
    """
    if not fewest <= sessions <= most:
        raise DataError(f"sessions: found {sessions}; use {fewest}{f' ({why})' if why else ''} to {most}")
    if turns < 1:
        raise DataError(f"turns: found {turns}; a session has at least 1")
    if seed < 0:
        raise DataError(f"seed: found {seed}; use 0 or more")
    for name, size in sizes.items():
        if not 0.0 <= size <= 4.0:
            raise DataError(f"{name}: found {size}; use 0 (none) to 4")


def write_all(
    task: Callable[[_Item], None], items: Sequence[_Item], workers: int | None, root: Path, unit: str
) -> None:
    """Runs `task` on every item in `workers` processes (None: one a core) and shows the progress of writing `root`."""
    done = map_in_workers(task, items, workers or joblib.cpu_count(), f"writing {root}")
    for _ in progress(done, len(items), f"writing {root}", unit):
        pass


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], encoding: str = "utf-8") -> None:
    """A comma-separated table with its header."""
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def marker_of(corpus: str, version: int, parameters: dict[str, Any], **planted: Any) -> dict[str, Any]:
    """The content of the marker file: which stand-in this is, and what is planted in it."""
    return {
        "corpus": corpus,
        "synthetic": "every voice, word and label here is made up; no person was recorded",
        "generator": f"input_pipeline.synthesis.{corpus}",
        "version": version,
        "parameters": parameters,
        **planted,
    }
