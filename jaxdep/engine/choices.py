"""The mapper that was quickest for a program on a device, remembered between experiments."""

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from input_pipeline.errors import DataError
from jaxdep.files import read_json, write_json


class Timing(NamedTuple):
    """Seconds of a mapper: compiling, and an epoch of all seeds as estimated from a few steps."""

    compile_s: float
    epoch_s: float


class Choice(NamedTuple):
    """A mapper, and the timings by mapper that it was chosen by."""

    mapper: str
    timings: Mapping[str, Timing]


class Choices:
    """A folder with a small file for every program that was measured. A damaged file counts as none.

    Args:
        folder: made when the first choice is kept.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def find(self, identity: str) -> Choice | None:
        """What `keep` was told of this program and these devices."""
        try:
            record = read_json(self._file(identity))
            return Choice(str(record["mapper"]), {name: Timing(**timing) for name, timing in record["timings"].items()})
        except (DataError, OSError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, identity: str, choice: Choice) -> None:
        """Remembers a choice; a folder that cannot be written costs no more than measuring again."""
        timings = {name: timing._asdict() for name, timing in choice.timings.items()}
        with contextlib.suppress(DataError):
            write_json(self._file(identity), {"mapper": choice.mapper, "timings": timings})

    def _file(self, identity: str) -> Path:
        return self._folder / f"{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}.json"
