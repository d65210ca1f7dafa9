"""stage.json: what a stage says of itself and the digests of its results, under a digest of its own."""

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import DataError
from jaxdep.files import digests, read_json, write_json

_DIGEST, _RESULTS = "digest", "results"
_NO_RESULTS = (
    "stage.json",
    "checkpoints/",
    ".",
)  # checkpoints have digests of their own; a dot begins what is half written


def read(folder: Path) -> dict[str, Any]:
    """The record in a stage's folder, empty where there is none.

    Raises:
        DataError: it is not what was written.
    """
    path = folder / "stage.json"
    record = read_json(path)
    if record is None:
        return {}
    if not isinstance(record, dict) or record.pop(_DIGEST, None) != _digest(record):
        raise DataError(f"{path}: damaged, or written by another version; delete {folder} and run again")
    return record


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Writes it whole or not at all."""
    plain = json.loads(json.dumps(record))
    write_json(folder / "stage.json", plain | {_DIGEST: _digest(plain)})


def seal(folder: Path) -> dict[str, Any]:
    """What to note of a stage that is finished: the digests of its results."""
    found = {name: digest for name, digest in digests(folder).items() if not name.startswith(_NO_RESULTS)}
    return {"status": "finished", _RESULTS: found}


def changed(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """The results of a finished stage that are gone, or not what was written."""
    noted, found = record.get(_RESULTS, {}), seal(folder)[_RESULTS]
    return [name for name, digest in noted.items() if found.get(name) != digest]


def merged(environments: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The environment of what was made in several: where they differ, each value once."""
    told = list(environments)
    names = dict.fromkeys(itertools.chain.from_iterable(told))
    values = {name: [value for one in told if name in one for value in one[name].split("; ")] for name in names}
    return {name: "; ".join(dict.fromkeys(found)) for name, found in values.items()}


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=16).hexdigest()
