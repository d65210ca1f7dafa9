"""What a model does not get to see of the data, as counts with their reason, from the corpus to the padded examples."""

from collections.abc import Iterable
from typing import NamedTuple

MUCH = 0.1  # a larger share than this is warned of before anything is trained


class LeftOut(NamedTuple):
    """What is left out for one reason.

    Attributes:
        unit: what is counted, in the plural: "frames", "segments", "images", "recordings".
        why: what becomes of them and by which rule, the sentence's verb first ("are cut by max_frames=224").
        lost, of: so many of so many.
        recordings, of_recordings: in how many recordings.
        feature: its name; "" where it is of the recordings as a whole.
    """

    unit: str
    why: str
    lost: int
    of: int
    recordings: int
    of_recordings: int
    feature: str = ""

    @property
    def is_much(self) -> bool:
        """Whether it is more than a tenth."""
        return self.lost > MUCH * self.of

    @property
    def sentence(self) -> str:
        """The counts in one line."""
        share = f"{self.lost} of {self.of} {self.unit} ({100 * self.lost / self.of:.1f} %)"
        where = "" if self.unit == "recordings" else f", in {self.recordings} of {self.of_recordings} recordings"
        return f"{self.feature}{': ' if self.feature else ''}{share} {self.why}{where}."


def counted(unit: str, why: str, of_recordings: Iterable[tuple[int, int]], feature: str = "") -> tuple[LeftOut, ...]:
    """The sum over recordings, of each of which so many of so many are left out; nothing where none is."""
    pairs = list(of_recordings)
    lost, of = (sum(numbers) for numbers in zip(*pairs, strict=True)) if pairs else (0, 0)
    return (LeftOut(unit, why, lost, of, sum(some > 0 for some, _ in pairs), len(pairs), feature),) if lost else ()
