"""Stand-in corpora appear whole or not at all, never over a real corpus, and a marker in them tells what they are."""

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import DataError
from input_pipeline.recording import SYNTHETIC_MARKER
from input_pipeline.scratch import alone, scratch_folder


def publish(root: Path, marker: Mapping[str, Any], write: Callable[[Path], None], overwrite: bool = False) -> bool:
    """Makes the folder `root` by `write`, which fills a folder beside it that is renamed at the end.

    Args:
        marker: the content of the marker file. Its entries "version" and "parameters" say which stand-in this is: one
            that is there already with the same two is left as it is.
        overwrite: replace a stand-in of other parameters.

    Returns:
        Whether it was written.

    Raises:
        DataError: `root` is something other than a stand-in, or a stand-in of other parameters without `overwrite`.
    """
    if _is_there(root, marker, overwrite):
        return False
    with alone(root), scratch_folder(root) as scratch:
        if _is_there(root, marker, overwrite):  # since another process has written it
            return False
        folder = scratch / root.name
        folder.mkdir()
        write(folder)
        (folder / SYNTHETIC_MARKER).write_text(json.dumps(marker, indent=2) + "\n")
        _swap(folder, root, scratch / "old", overwrite)
    return True


def _is_there(root: Path, marker: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether the very stand-in exists; raises DataError where what exists must not be replaced."""
    if not root.exists() and not root.is_symlink():
        return False
    path = root / SYNTHETIC_MARKER
    if not path.is_file():
        raise DataError(f"{root}: exists without a {SYNTHETIC_MARKER}, so it is no stand-in; choose another --data_dir")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: is not JSON ({error}); remove {root} and write the stand-in again") from None
    difference = _difference(found if isinstance(found, dict) else {}, marker)
    if difference and not overwrite:
        raise DataError(
            f"{path}: the stand-in there has {difference}; add --overwrite to replace it, or choose another --data_dir"
        )
    return not difference


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The identifying entries that differ, in words; empty where none does."""
    pairs = {
        "corpus": (found.get("corpus"), wanted.get("corpus")),
        "version": (found.get("version"), wanted.get("version")),
    }
    parameters = found.get("parameters")
    there, asked = parameters if isinstance(parameters, dict) else {}, wanted["parameters"]
    for name in [*asked, *(name for name in there if name not in asked)]:
        pairs[name] = (there.get(name), asked.get(name))
    return ", ".join(f"{name}={a!r} where {b!r} is asked for" for name, (a, b) in pairs.items() if a != b)


def _swap(folder: Path, root: Path, old: Path, overwrite: bool) -> None:
    """Renames `folder` to `root`; a stand-in that is there goes out of the way first, to `old`."""
    if overwrite and root.exists():
        root.rename(old)
    try:
        folder.rename(root)
    except OSError as error:  # a folder appeared there meanwhile
        with contextlib.suppress(OSError):
            old.rename(root)
        raise DataError(
            f"{root}: cannot be put in place ({error.strerror}); is another writer at work on it?"
        ) from None
