"""Whose a workdir is: config.json holds the resolved config of the experiment that writes into it, and one process at a
time does, which holds a lock that ends with it."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock

from input_pipeline.config import Config, ConfigError, defaults, field_names, plain
from jaxdep.config import Experiment, Seeds
from jaxdep.files import read_json, write_json

_SHOWN = 6  # differences


class BusyError(ConfigError):
    """Another process is at work in the workdir."""


class Claim:
    """A workdir as that of an experiment, as long as a process is at work in it. A context manager.

    A folder that is not there yet is made and locked when it is taken, and not before: what is wrong with an experiment
    leaves none behind.

    Args:
        any_seeds: whether the workdir may hold the same config of other seeds.
        wait_s: for another process that is at work in it; negative, for its end.

    Attributes:
        experiment: may become one of other seeds, where those are known only when nobody else is at work.

    Raises:
        ConfigError: the workdir holds another config.
        BusyError: another process is at work in it.
    """

    def __init__(
        self, workdir: Path, experiment: Experiment, *, overwrite: bool, any_seeds: bool = False, wait_s: float = 0.0
    ):
        self._workdir, self.experiment = workdir, experiment
        self._overwrite, self._any_seeds, self._wait_s = overwrite, any_seeds, wait_s
        self._lock = lock_of(workdir)

    def __enter__(self) -> Self:
        if self._workdir.is_dir():
            self._hold()
        self._check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def take(self) -> None:
        """Makes the workdir that of the experiment; called before anything else is written into it."""
        if not self._lock.is_locked:
            self._workdir.mkdir(parents=True, exist_ok=True)
            self._hold()
            self._check()  # who was quicker may have taken and left it
        take(self._workdir, self.experiment)

    def _check(self) -> None:
        check(self._workdir, self.experiment, self._overwrite, any_seeds=self._any_seeds)

    def _hold(self) -> None:
        try:
            self._lock.acquire(timeout=self._wait_s)
        except filelock.Timeout:
            raise BusyError(
                f"{self._workdir}: another process is at work in it; wait for its end, or choose another --workdir"
            ) from None


def lock_of(workdir: Path) -> filelock.BaseFileLock:
    """What a process holds that is at work there; it ends with its holder."""
    return filelock.FileLock(workdir / ".lock")


def check(workdir: Path, experiment: Experiment, overwrite: bool, any_seeds: bool = False) -> None:
    """Raises ConfigError where the workdir holds another config, which is not to be overwritten."""
    before = read_json(workdir / "config.json")
    if before is not None and not overwrite:
        refuse(workdir, before, experiment, any_seeds)


def refuse(workdir: Path, before: Any, experiment: Experiment, any_seeds: bool) -> None:
    """Raises ConfigError where the config of a workdir, as JSON, is another one than the experiment's.

    Args:
        any_seeds: whether they may have other seeds; else those that were asked for before must be among them.
    """
    found = list(differences(before, experiment))
    if any_seeds or _has_only_more_seeds(before, experiment):
        found = list(_but_seeds(found))
    lines = [f"{path}: {old!r} there, {new!r} now" for path, old, new in found]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"]
    if lines:
        raise ConfigError(
            f"{workdir} holds another config ({'; '.join(lines)}); choose another --workdir, or --overwrite it"
        )


def is_alike(before: Any, experiment: Experiment) -> bool:
    """Whether the config of a workdir, as JSON, is the experiment's, for whatever seeds."""
    return not any(True for _ in _but_seeds(differences(before, experiment)))


def _but_seeds(found: Iterable[tuple[str, Any, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """The differences but for which seeds there are."""
    return (one for one in found if one[0].removeprefix("config.seeds.") not in Seeds.EXTENT)


def _has_only_more_seeds(before: Any, experiment: Experiment) -> bool:
    """Whether all seeds that were asked for before are asked for now: further ones join those that are trained."""
    seeds = experiment.seeds
    then = defaults(seeds) | (before.get("seeds", {}) if isinstance(before, dict) else {})
    extent = {"first": then["first"], "count": then["count"], "missing": tuple(then["missing"]), "of": 0}
    return set(dataclasses.replace(seeds, **extent).ids) <= set(seeds.ids)


def loss(name: str, record: Mapping[str, Any], seeds: Seeds) -> str:
    """The line on what is deleted with a stage of other results; empty where it has trained nothing.

    Args:
        record: its stage.json.
    """
    trained = sum(count for _, count in record.get("trained", []))
    if not trained:
        return ""
    return (
        f"{name}: its {trained} trained seeds ({record.get('train_s', 0.0):.0f} s of training) are deleted, as config or data "
        f"are others now; with those that they were trained by, --config.seeds.count={max(len(seeds.ids), trained + 1)} without "
        "--overwrite trains further seeds only"
    )


def take(workdir: Path, experiment: Experiment) -> None:
    """Writes the experiment's config into the workdir."""
    config = experiment.as_dict()
    if read_json(workdir / "config.json") != config:
        write_json(workdir / "config.json", config)


def differences(old: Any, new: Any, path: str = "config") -> Iterator[tuple[str, Any, Any]]:
    """Where a config differs from the JSON of another one: path, value there, value now.

    A field that the JSON lacks, since the code had none such when it was written, counts as being at its default.
    """
    if isinstance(new, Config) and isinstance(old, dict):
        kind = type(new).__name__
        if old.get("type") != kind:
            yield f"{path}.type", old.get("type"), kind
            return
        unsaid = {name: plain(value) for name, value in defaults(new).items()}
        yield from _by_key(unsaid | old, {"type": kind} | {name: getattr(new, name) for name in field_names(new)}, path)
    elif isinstance(new, Mapping) and isinstance(old, dict):
        yield from _by_key(old, new, path)
    elif isinstance(new, tuple) and isinstance(old, list) and len(new) == len(old):
        for index, (before, now) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, now, f"{path}[{index}]")
    elif old != plain(new):
        yield path, old, plain(new)


def _by_key(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    for key in [*old, *(key for key in new if key not in old)]:
        yield from differences(old.get(key), new.get(key), f"{path}.{key}")
