"""Times the candidates of a comparison in turn, so that what disturbs the machine disturbs them all alike."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True)
class Timed:
    """Seconds of each candidate, by name, [rounds]."""

    seconds: Mapping[str, tuple[float, ...]]

    def median(self, name: str) -> float:
        """Of one candidate's seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """The median over the rounds of how many times longer `name` takes than `to`."""
        return statistics.median(a / b for a, b in zip(self.seconds[name], self.seconds[to], strict=True))


def in_turn(candidates: Mapping[str, Callable[[], None]], rounds: int, at_least_s: float = 1.0) -> Timed:
    """Calls each candidate in every round, in an order that turns by one from round to round.

    Each is called once before. Then each is called so often in a round that the quickest takes `at_least_s`. The seconds
    are of one call. Before it is timed each is called once more: to get back the memory that it gave up while the others
    ran took a sixth of a call on a virtual machine, and in a sweep nothing runs between.
    """
    names = list(candidates)
    first = {name: _seconds(candidates[name]) for name in names}
    repeats = math.ceil(at_least_s / min(first.values()))
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            candidates[name]()
            seconds[name].append(_seconds(candidates[name], repeats))
    return Timed({name: tuple(values) for name, values in seconds.items()})


def _seconds(candidate: Callable[[], None], repeats: int = 1) -> float:
    """Of one call, the mean of so many."""
    started = time.perf_counter()
    for _ in range(repeats):
        candidate()
    return (time.perf_counter() - started) / repeats
