"""Which layout the seed axis has: the one that is named; else the one that was chosen before; else the quickest that fits."""

import itertools
import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

import jaxdep
from input_pipeline.config import ConfigError
from jaxdep import config
from jaxdep.engine.choices import Choice, Choices, Timing
from jaxdep.engine.feeds import Trainer
from jaxdep.engine.grouping import ON_CHIP, group_that_fits
from jaxdep.engine.mappers import ONE_BY_ONE, Layout, Lift, named
from jaxdep.engine.processes import agreed

_OF_MEMORY = 0.9  # of a device's, that a program may take
_PROBE_STEPS = 3
_RECURRENCES = {"cpu": ["scan"], "tpu": ["scan", "pallas"]}  # both are slower unrolled
_RECURRENCES_OF_A_GPU = ["scan", "unrolled", "graph", "cudnn"]
_PROBE_ROUNDS, _PROBE_S = (2, 6), 2.0  # at least and at most so many rounds, no further one after so many seconds


class Tried(NamedTuple):
    """What was compiled to try a layout."""

    lift: Lift
    trainer: Trainer


class Chooser:
    """Chooses for one training program on one mesh.

    Args:
        lanes: of a device.
        memory: bytes of a device.
        identity: the program and the shapes of what it takes, in words.
        train: compiles it with all lanes.

    Attributes:
        tried: what was compiled on the way; the layout chosen need not be there.
        timings: of each layout that was timed, now or when the choice was made.
    """

    def __init__(
        self,
        mapping: config.Mapping,
        mesh: Mesh,
        lanes: int,
        memory: float,
        identity: str,
        train: Callable[[Lift], Trainer],
    ):
        self._mapping, self._mesh, self._lanes, self._memory = mapping, mesh, lanes, memory
        self._program, self._train = identity, train
        self.tried: dict[Layout, Tried] = {}
        self.timings: dict[str, Timing] = {}

    def choose(
        self, remembered: str | None, choices: Choices | None, run: Callable[[Tried, int], float], steps: int
    ) -> Layout:
        """The layout to use.

        Args:
            remembered: the one that `auto` chose for this run before.
            choices: where `auto` looks up and keeps what it chose.
            run: runs an epoch of at most so many steps, with the evaluation; gives its seconds.
            steps: of a whole epoch.

        Raises:
            ConfigError: none fits the device's memory.
        """
        mapper = self._mapping.mapper
        if mapper != "auto":
            return self._layout(mapper, self._group if mapper in ("map", "pmap") else 1)
        # A run that moved on from a TPU does without its kernels, and one that has fewer devices than before without shares.
        if remembered is not None and (layout := named(remembered)) and layout.recurrence in self._recurrences:
            return layout._replace(shards=self._shards)
        known = choices.find(self._identity) if choices is not None else None
        if known is not None and (layout := named(known.mapper)):
            self.timings = dict(known.timings)
            return layout._replace(shards=self._shards)
        layout = self._quickest(run, steps)
        if choices is not None:
            choices.keep(self._identity, Choice(str(layout), self.timings))
        return layout

    def _layout(self, mapper: str, group: int = 1) -> Layout:
        return Layout(mapper, group, self._recurrences[0], self._shards)

    @property
    def _shards(self) -> int:
        return int(self._mesh.shape["data"])

    @property
    def _platform(self) -> str:
        return str(self._mesh.devices.flat[0].platform)

    @cached_property
    def _group(self) -> int:
        """Seeds of a device at a time: as configured; else one on a CPU, and elsewhere as many as its memory holds."""
        if self._mapping.group or self._platform == "cpu" or self._recurrences[0] in ONE_BY_ONE:
            return self._mapping.group or 1
        return group_that_fits(self._needs, self._lanes, _OF_MEMORY * self._memory)

    def _by_groups(self, group: int) -> Layout:
        return self._layout("vmap") if group == self._lanes else self._layout("map", group)

    def _needs(self, group: int) -> float:
        """Bytes that training takes of a device with so many seeds at a time, by the compiler's plan."""
        try:
            return self._compiled(self._by_groups(group)).trainer.memory_bytes or 0.0
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return np.inf

    def _compiled(self, layout: Layout) -> Tried:
        if layout not in self.tried:
            lift = Lift(layout, self._mesh)
            self.tried[layout] = Tried(lift, self._train(lift))
        return self.tried[layout]

    @property
    def _recurrences(self) -> list[str]:
        """Of the recurrent layers' steps, the ways to make them: the first one where none is timed."""
        wanted = self._mapping.recurrence
        if wanted == "auto":
            return _RECURRENCES.get(self._platform, _RECURRENCES_OF_A_GPU)
        return [wanted]

    def _candidates(self) -> list[Layout]:
        """What `auto` times; `pmap` is `map` with another wrapper."""
        layouts = [self._layout("vmap"), self._layout("map", self._group), self._layout("loop")]
        if (
            self._platform == "cpu" and self._lanes == 1
        ):  # vmap is map then, and what loop saves is little beside shares
            layouts = layouts[1:] if self._shards == 1 else layouts[1:2]
        elif not (self._platform == "cpu" or self._mapping.group):
            # A large image fills an accelerator alone; many small products want to be one.
            few = self._layout("map", min(ON_CHIP, self._group))
            layouts = [self._by_groups(self._group), few, self._layout("map"), self._layout("loop")]
        ways = itertools.product(self._recurrences, layouts)
        layouts = [layout._replace(recurrence=way) for way, layout in ways]
        return list(dict.fromkeys(x for x in layouts if not (x.recurrence in ONE_BY_ONE and x.side_by_side)))

    @cached_property
    def _identity(self) -> str:
        """The program, what may be chosen, and the devices, in words."""
        devices = sorted(device.device_kind for device in self._mesh.devices.flat)
        layout = self._mapping.group, self._recurrences, self._mesh.shape
        versions = jaxdep.__version__, jax.__version__, jax.config.values["jax_default_matmul_precision"]
        return repr((self._program, layout, devices, versions))

    def _quickest(self, run: Callable[[Tried, int], float], steps: int) -> Layout:
        """The candidate with the shortest epoch of all seeds; one that does not fit the device's memory counts as endless."""
        quickest, found = np.inf, None
        for layout in self._candidates():
            begun, epoch_s = time.perf_counter(), np.inf
            try:
                tried = self._compiled(layout)
                epoch_s = _epoch_s(partial(run, tried), steps)
            except jax.errors.JaxRuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            compile_s = self.tried[layout].lift.compile_s if layout in self.tried else time.perf_counter() - begun
            self.timings[str(layout)] = Timing(compile_s, epoch_s)
            if epoch_s < quickest:
                quickest, found = epoch_s, layout
        if found is None:
            raise ConfigError("config.mapping.mapper: no mapper fits the device's memory; train fewer seeds at a time")
        return found


def _epoch_s(run: Callable[[int], float], steps: int) -> float:
    """Seconds of an epoch, estimated: that of one step and the evaluation, and what each further step adds.

    Args:
        run: an epoch of at most so many steps; gives its seconds, of which the quickest of some rounds counts.
    """
    few, more = 1, min(1 + _PROBE_STEPS, steps)
    quickest, spent = {few: np.inf, more: np.inf}, 0.0
    for turn in range(_PROBE_ROUNDS[1]):
        if turn >= _PROBE_ROUNDS[0] and agreed(spent > _PROBE_S):
            break
        for count in (few, more):
            seconds = run(count)
            quickest[count], spent = min(seconds, quickest[count]), spent + seconds
    a_step = (quickest[more] - quickest[few]) / max(more - few, 1)
    return agreed(quickest[few] + max(a_step, 0.0) * (steps - few))


def is_out_of_memory(error: jax.errors.JaxRuntimeError) -> bool:
    """Whether a program did not fit the device, when it was compiled or when it ran."""
    return "RESOURCE_EXHAUSTED" in str(error)
