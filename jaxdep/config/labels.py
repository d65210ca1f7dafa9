"""What a corpus may say of its recordings, as it is known before any of them is there; configs are held against it."""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence

from input_pipeline.config import ConfigError
from jaxdep.config.settings import Task


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of a corpus.

    Attributes:
        corpus: its name.
        classes: of each label with classes, in the order of their indices.
        scores: the labels that are numbers.
        metrics: the names of the metrics that a label with these classes has, or, without classes, a score.
    """

    corpus: str
    classes: Mapping[str, tuple[str, ...]]
    scores: Sequence[str]
    metrics: Callable[[tuple[str, ...]], Sequence[str]]

    @property
    def names(self) -> list[str]:
        return [*self.classes, *self.scores]

    def classes_of(self, label: str) -> tuple[str, ...]:
        """Its classes; none where it is a score."""
        return tuple(self.classes.get(label, ()))

    def check_label(self, field: str, label: str, *, with_classes: bool = False) -> None:
        """Raises ConfigError where the corpus has no such label, or where it is a score and must not be one."""
        known = list(self.classes) if with_classes else self.names
        if label not in known:
            what = "label with classes" if with_classes else "label"
            raise ConfigError(f"{field}: {self.corpus} has no {what} {label!r}; {_there_are(label, known)}")

    def check_task(self, label: str, task: Task) -> None:
        """Raises ConfigError where the corpus has no such label, or the loss does not fit it."""
        self.check_label("tasks", label)
        task.loss.check_label(f"tasks.{label}.loss", len(self.classes_of(label)))

    def check_metrics(self, field: str, label: str, names: Iterable[str]) -> None:
        """Raises ConfigError where one of the metrics is none of the label's."""
        known = self.metrics(self.classes_of(label))
        for name in names:
            if name not in known:
                raise ConfigError(f"{field}: no metric {name!r} for {label!r}; {nearest(name, known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a line about a name that is none of `known`."""
    return f"did you mean {difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]!r}?"


def _there_are(name: str, known: list[str]) -> str:
    return f"there are {', '.join(known)}; {nearest(name, known)}" if known else "there is none: declare one"
