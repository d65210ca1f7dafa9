"""Stand-in corpora: small, synthetic, in the layouts of the real ones, with a planted effect of known size.

Which corpora have one, and what writes it, their readers say (`Corpus.stand_in`).
"""

import inspect
import pkgutil
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from input_pipeline.corpora import CORPORA
from input_pipeline.errors import DataError


def with_stand_in() -> tuple[str, ...]:
    """The names of the corpora of which a stand-in can be written, sorted."""
    return tuple(sorted(name for name, reader in CORPORA.items() if reader.stand_in is not None))


def options_of(name: str) -> dict[str, type]:
    """The options that the stand-in of the corpus `name` has, and of which type, without None, each is.

    Raises:
        DataError: no stand-in exists for this corpus.
    """
    writer = _writer(name)
    hints = typing.get_type_hints(writer)
    return {option: _type(hints[option]) for option in list(inspect.signature(writer).parameters)[1:]}


def synthesize(name: str, data_dir: Path | str, **options: Any) -> Path:
    """Writes the stand-in of the corpus `name` to its folder below `data_dir` and returns that folder.

    Args:
        options: some of `options_of(name)`.

    Raises:
        DataError: no stand-in exists for this corpus, an option is not one of its own or out of range, or the folder
            holds something that must not be replaced.
    """
    known = options_of(name)
    for option in options:
        if option not in known:
            raise DataError(f"{option}: the stand-in of {name} has no such option; it has {', '.join(known)}")
    return _writer(name)(data_dir, **options)


def _writer(name: str) -> Callable[..., Path]:
    reader = CORPORA.get(name)
    if reader is None or reader.stand_in is None:
        raise DataError(f"{name}: no stand-in can be written for this corpus, only for {', '.join(with_stand_in())}")
    return pkgutil.resolve_name(reader.stand_in)


def _type(hint: Any) -> type:
    """Of `int | None` the int."""
    (found,) = [one for one in typing.get_args(hint) or (hint,) if one is not type(None)]
    return found
