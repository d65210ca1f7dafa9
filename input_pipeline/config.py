"""The base of every config dataclass: assignable while the command line is read, typed and frozen from then on."""

import copy
import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self


class ConfigError(Exception):
    """A wrong config: one line that names the field, what was found and what would be right."""


class Config:
    """Base of the config dataclasses.

    ml_collections' flags override a config by plain assignment, so an instance stays assignable until `freeze()`,
    which checks every field's type, recursively, and closes the instance. Subclasses are decorated with
    `@dataclasses.dataclass` and may override `check()` for what types cannot say.

    Attributes:
        version: of what the class makes; raised where the same fields give other results, as after a changed default.
    """

    version: ClassVar[int] = 1

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__dict__.get("_frozen"):
            raise ConfigError(
                f"{type(self).__name__}.{name}: the config is frozen; make a changed copy with dataclasses.replace"
            )
        if name not in field_names(self):
            raise ConfigError(unknown_field(self, name))
        super().__setattr__(name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """An assignable copy, also of a frozen instance."""
        return type(self)(**{name: copy.deepcopy(_thawed(getattr(self, name)), memo) for name in field_names(self)})

    def check(self) -> None:
        """Raises ConfigError where the values, each well typed, do not fit each other."""

    def freeze(self, path: str = "config") -> Self:
        """Checks types and values below `path`, then makes the instance and all it holds immutable. Returns itself.

        Raises:
            ConfigError: a field has a value of the wrong type or one that `check` refuses; the message names it.
        """
        hints = typing.get_type_hints(type(self))
        for name in field_names(self):
            value = getattr(self, name)
            if not _fits(value, hints[name]):
                raise ConfigError(f"{path}.{name}: expected {_type_name(hints[name])}, found {value!r}")
            for key, inner in _configs_in(value):
                inner.freeze(f"{path}.{name}{key}")
            if isinstance(value, dict) and not self.__dict__.get("_frozen"):
                setattr(self, name, types.MappingProxyType(value))
        try:
            self.check()
        except ConfigError as error:
            raise ConfigError(f"{path}.{error}") from None
        self.__dict__["_frozen"] = True
        return self

    def as_dict(self) -> dict[str, Any]:
        """The config as JSON types, every nested config tagged with its type's name."""
        return {"type": type(self).__name__} | {name: plain(getattr(self, name)) for name in field_names(self)}

    def compact(self) -> dict[str, Any]:
        """As `as_dict`, without what stands at its default, so that a field that is added later changes nothing.

        A default that changes would change nothing either: raise the class's `version`, which stands here unless it
        is 1. Every class that is not of version 1 stands here, also where it is at its default.
        """
        version = {"version": self.version} if self.version != 1 else {}
        fields = [(field, getattr(self, field.name)) for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        told = {field.name: _compact(value) for field, value in fields if not _goes_without_saying(field, value)}
        return {"type": type(self).__name__} | version | told


def field_names(config: Any) -> list[str]:
    """The names of a config's fields (of the class or of an instance)."""
    return [field.name for field in dataclasses.fields(config)]


def defaults(config: Any) -> dict[str, Any]:
    """The default values of a config's fields (of the class or of an instance), of those that have one."""
    found = {field.name: _default(field) for field in dataclasses.fields(config)}
    return {name: value for name, value in found.items() if value is not dataclasses.MISSING}


def plain(value: Any) -> Any:
    """The value of a field as JSON types."""
    if isinstance(value, Config):
        return value.as_dict()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    return _of_items(plain, value)


def unknown_field(config: Any, name: str) -> str:
    """The line for a misspelt field: it names the nearest real one."""
    near = difflib.get_close_matches(name, field_names(config), n=1, cutoff=0.0)
    return f"{name}: {type(config).__name__} has no such field; did you mean {near[0]!r}?"


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(k, arguments[0]) and _fits(v, arguments[1]) for k, v in value.items()
        )
    if hint is float:  # 1 is a fine value for a float; True is not
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(hint)))
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__name__
    return str(hint).replace("typing.", "")


def _configs_in(value: Any) -> list[tuple[str, Config]]:
    if isinstance(value, Config):
        return [("", value)]
    if isinstance(value, Mapping):
        return [(f".{key}{inner}", config) for key, item in value.items() for inner, config in _configs_in(item)]
    if isinstance(value, tuple):
        return [
            (f"[{index}]{inner}", config) for index, item in enumerate(value) for inner, config in _configs_in(item)
        ]
    return []


def _thawed(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _compact(value: Any) -> Any:
    if isinstance(value, Config):
        return value.compact()
    return _of_items(_compact, value) if isinstance(value, Mapping | tuple) else plain(value)


def _of_items(change: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: change(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [change(item) for item in value]
    return value


def _goes_without_saying(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a value is the field's default, and of classes that have only ever made the same of it."""
    return plain(value) == plain(_default(field)) and not _is_revised(value)


def _default(field: dataclasses.Field[Any]) -> Any:
    """The default of a field, or MISSING where it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _is_revised(value: Any) -> bool:
    """Whether a value holds a config whose class is not of version 1."""
    return any(
        config.version != 1 or any(_is_revised(getattr(config, name)) for name in field_names(config))
        for _, config in _configs_in(value)
    )
