"""The mapper that was quickest for a program on a device, remembered between experiments."""

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from input_pipeline.errors import DataError
from jaxdep.files import read_json, write_json


class Choices:
    """A folder with a small file for every program that was measured. A damaged one counts as none.

    Args:
        folder: made when the first choice is kept.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def find(self, identity: str) -> dict[str, Any] | None:
        """What `keep` was told of this program and these devices."""
        try:
            found = read_json(self._file(identity))
        except DataError:
            return None
        return found if isinstance(found, dict) else None

    def keep(self, identity: str, record: dict[str, Any]) -> None:
        """Remembers a choice; a folder that cannot be written costs no more than measuring again."""
        with contextlib.suppress(DataError):
            write_json(self._file(identity), record)

    def _file(self, identity: str) -> Path:
        return self._folder / f"{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}.json"
