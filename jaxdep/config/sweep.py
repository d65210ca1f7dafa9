"""Hyperparameters that are tried side by side: those that may differ within one compiled program, and all others."""

import copy
import fnmatch
import itertools
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from input_pipeline.config import Config, ConfigError, field_names, unknown_field

# Fields of a stage that trains of which each lane may have its own value: numbers that the compiled step only computes
# with, and what class weights are counted by.
IN_LANES = (
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "optimizer.clip_norm",
    "training.penalty_weight",
    "tasks.*.weight",
    "tasks.*.class_weights",
)

Values = Mapping[str, str]  # by path below a stage, as they were written
Stage = TypeVar("Stage", bound=Config)


def in_lanes(path: str) -> bool:
    """Whether the field may differ between the lanes of one program."""
    return any(fnmatch.fnmatchcase(path, pattern) and path.count(".") == pattern.count(".") for pattern in IN_LANES)


def combinations(sweep: Mapping[str, tuple[str, ...]]) -> list[dict[str, str]]:
    """Every value of each path with every value of the others; the last path changes first."""
    return [dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values())]


def name_of(values: Values) -> str:
    """What a combination is called: `learning_rate=1e-4, weight_decay=0`; as much of the paths as tells them apart."""
    return ", ".join(f"{_shortest(path, values)}={value}" for path, value in values.items())


def changed(stage: Stage, values: Values) -> Stage:
    """A copy of a stage with other values.

    Raises:
        ConfigError: a path is none of the stage's, or a value is not of the field's type.
    """
    found = copy.deepcopy(stage)
    for path, text in values.items():
        *above, last = path.split(".")
        owner: Any = found
        for name in above:
            owner = _inside(owner, name, path)
        _inside(owner, last, path)
        value = _parsed(text, typing.get_type_hints(type(owner)).get(last), path)
        setattr(owner, last, value)
    return found


def number_at(stage: Config, path: str) -> float | None:
    """The value of a field that is a number, else None."""
    owner: Any = stage
    for name in path.split("."):
        owner = _inside(owner, name, path)
    return float(owner) if isinstance(owner, int | float) else None


def _inside(owner: Any, name: str, path: str) -> Any:
    if isinstance(owner, Mapping):
        if name in owner:
            return owner[name]
        raise ConfigError(f"{path}: there is no {name!r}; there are {', '.join(owner)}")
    if not isinstance(owner, Config):
        raise ConfigError(f"{path}: there is nothing below {name!r}")
    if name not in field_names(owner):
        raise ConfigError(f"{path}: {unknown_field(owner, name)}")
    return getattr(owner, name)


def _parsed(text: str, hint: Any, path: str) -> Any:
    kinds: Iterable[type] = (int, float, bool, str)
    if typing.get_origin(hint) is typing.Literal:
        values = {str(value): value for value in typing.get_args(hint)}
        if text in values:
            return values[text]
        raise ConfigError(f"{path}: expected one of {', '.join(values)}, found {text!r}")
    if hint is bool and text in ("True", "False", "true", "false"):
        return text in ("True", "true")
    if hint not in kinds or hint is bool:
        raise ConfigError(f"{path}: values of this field cannot be swept, found {text!r}")
    try:
        return hint(text)
    except ValueError:
        raise ConfigError(f"{path}: expected {hint.__name__}, found {text!r}") from None


def _shortest(path: str, values: Values) -> str:
    parts = path.split(".")
    for count in range(1, len(parts)):
        ending = ".".join(parts[-count:])
        if sum(other == ending or other.endswith(f".{ending}") for other in values) == 1:
            return ending
    return path
