"""Files that appear whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from input_pipeline.errors import DataError, advice
from input_pipeline.recording import digest_files


def write_text(path: Path, text: str) -> None:
    """Writes `path` through a temporary file beside it, so that a kill leaves the old file or the new one.

    Raises:
        DataError: it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same of bytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); {advice(error.errno)}") from None


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file, or None where there is no such file. Raises DataError where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); delete the file and run again") from None


def digests(folder: Path) -> dict[str, str]:
    """By its path below the folder, a digest of the content of each file. Raises OSError where one cannot be read."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_files([path]) for path in files}


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # opened as any file, for the permissions of the umask
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
