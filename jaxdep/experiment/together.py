"""An experiment by several processes, mostly one a host, that train each model together (`jax.distributed`).

The first one makes the run as it would alone, and writes all that is written but the checkpoints, to which each process gives
what it has. The others join it wherever it trains, and do nothing else. The folders of the run and of the features are the
same for all of them.
"""

import contextlib
import dataclasses
import itertools
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import multihost
from rich.console import Console

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep.config import Experiment, TrainStage
from jaxdep.engine.processes import is_first
from jaxdep.experiment import run as alone
from jaxdep.experiment.claim import Claim
from jaxdep.experiment.run import Run
from jaxdep.interruption import TerminatedError
from jaxdep.stages import StageRun
from jaxdep.stages.sources import Sources
from jaxdep.stages.train import train

_LOST = re.compile(r"(Gloo|NCCL)[^\[:]* failed|UNAVAILABLE|[Cc]onnection (reset|closed)|[Hh]eartbeat")
_PATIENCE_MS = 10_000  # of one question to the first process; it is asked again


def run(experiment: Experiment, workdir: Path, sources: Sources, *, overwrite: bool = False, **options: Any) -> None:
    """`run.run` by all processes, with its options; called by each of them. Raises as it does.

    Raises:
        ToldError: the first process has failed; the message has its line.
        LostError: another process is gone.
    """
    try:
        with _losing_in_one_line():
            if is_first():
                _lead(experiment, workdir, sources, overwrite=overwrite, **options)
            else:
                Follower(experiment, workdir, Claim(workdir, experiment, overwrite=overwrite), _quiet(sources)).follow()
    except (TerminatedError, ToldError):
        jax.distributed.shutdown()  # waits for the first process, whose end would end this one before it has told why
        raise


def _lead(experiment: Experiment, workdir: Path, sources: Sources, **options: Any) -> None:
    told = Teller()
    try:
        alone.run(experiment, workdir, sources, **options, kind=partial(Leader, told=told))
    except (ConfigError, DataError, OSError) as error:
        told.tell(failed=str(error))
        jax.distributed.shutdown()  # waits for the others, as above
        raise
    told.tell()


class LostError(DataError):
    """Another process is gone."""


class ToldError(DataError):
    """The first process has failed, and told why."""


class Teller:
    """What the first process tells the others, one after another, in the order in which they hear it."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def tell(self, **facts: Any) -> None:
        """Facts as JSON has them."""
        multihost.get_jax_distributed_client().key_value_set(_key(next(self._numbers)), json.dumps(facts))


class Leader(Run):
    """The first process's run: it calls the others to each stage that trains."""

    def __init__(self, *args: Any, told: Teller):
        super().__init__(*args)
        self._told = told

    def before(self, stage: StageRun) -> None:
        if isinstance(stage.stages[stage.name], TrainStage):
            self._told.tell(stage=stage.name, record=stage.record)


class Follower(Run):
    """The part of another process in it."""

    def follow(self) -> None:
        """Trains where the first process does, until that has ended.

        Raises:
            ToldError: it has failed.
            TerminatedError: one of the processes was told to end.
        """
        for told in _heard():
            if "failed" in told:
                raise ToldError(f"the first process ended: {told['failed']}")
            config = self.experiment.stages[told["stage"]]
            assert isinstance(config, TrainStage)  # Leader.before
            names = [told["stage"], *config.needs()]
            self._sources.forget_all_but([self.experiment.stages[name].data for name in names], self.extracted)
            stage = self.stage_run(told["stage"], self._sources.examples(config.data, self.extracted))
            train(config, dataclasses.replace(stage, told=told["record"]))


def _heard() -> Iterator[dict[str, Any]]:
    """What the first process tells, until it has ended."""
    client = multihost.get_jax_distributed_client()
    for number in itertools.count():
        facts = ""
        while not facts:
            try:
                facts = client.blocking_key_value_get(_key(number), _PATIENCE_MS)
            except jax.errors.JaxRuntimeError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise
        if not (told := json.loads(facts)):
            return
        yield told


@contextlib.contextmanager
def _losing_in_one_line() -> Iterator[None]:
    """Says so where what all processes compute together fails since one of them is gone.

    Not all of it can be caught: XLA itself ends a process that the first one does not answer, or that has waited for
    another one for `heartbeat_timeout_seconds` of `jax.distributed.initialize`.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:  # which of them depends on where it is noticed
        if not (found := _LOST.search(str(error))):
            raise
        raise LostError(
            f"another process of this run is gone ({found[0]}); the same command on all hosts goes on"
        ) from None


def _key(number: int) -> str:
    return f"jaxdep/{number}"


def _quiet(sources: Sources) -> Sources:
    """The same, of which nothing is printed: one process's word is enough."""
    return dataclasses.replace(sources, console=Console(quiet=True))
