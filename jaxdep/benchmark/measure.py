"""Times the candidates of a comparison in turn, so that what disturbs the machine disturbs them all alike."""

import dataclasses
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


def in_turn(candidates: Mapping[str, Callable[[], None]], rounds: int, repeats: int = 1) -> Timed:
    """Calls each candidate `repeats` times a round, in an order that turns by one from round to round.

    Each is called once before, untimed. The seconds are of one call.
    """
    names = list(candidates)
    for name in names:
        candidates[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            for _ in range(repeats):
                candidates[name]()
            seconds[name].append((time.perf_counter() - started) / repeats)
    return Timed({name: tuple(values) for name, values in seconds.items()})
