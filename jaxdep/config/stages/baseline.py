"""References without seeds, and the trivial ones that stand beside every detector."""

import dataclasses
from typing import Any, ClassVar, Literal

from input_pipeline.config import ConfigError
from jaxdep.config.labels import Labels
from jaxdep.config.rows import Row
from jaxdep.config.settings import Data, Task
from jaxdep.config.stages.base import Finished, ScoredStage


@dataclasses.dataclass
class BaselineStage(ScoredStage):
    """A reference without seeds: a trivial classifier, the training split's median of a score, an SVM on mean and standard
    deviation of the features, or a logistic regression on their mean.

    Attributes:
        deviation: of an SVM, whether the standard deviation stands beside the mean.
        visual_words: of an SVM or a logistic regression, by feature into how many visual words its vectors are sorted, in
            place of mean and deviation: clusters of the training split's vectors, of which a recording has a share each
            (Csurka et al. 2004, "Visual Categorization with Bags of Keypoints").
    """

    version: ClassVar[int] = 2
    runner: ClassVar[str] = "jaxdep.stages.baseline:run"

    kind: Literal["majority", "all_positive", "gender", "median", "svm", "logistic"] = "majority"
    deviation: bool = True
    visual_words: dict[str, int] = dataclasses.field(default_factory=dict)

    def check(self) -> None:
        super().check()
        if not self.deviation and self.kind != "svm":
            raise ConfigError(f"deviation: has a meaning for kind='svm' alone, found {self.kind!r}")
        if self.visual_words and self.is_trivial:
            raise ConfigError(f"visual_words: have a meaning for svm and logistic alone, found kind={self.kind!r}")
        for feature, count in self.visual_words.items():
            if feature not in self.data.features:
                there = ", ".join(self.data.features)
                raise ConfigError(f"visual_words: there is no feature {feature!r}; there are {there}")
            if count < 2:
                raise ConfigError(f"visual_words: two words or more, found {count} of {feature!r}")
        task = self.task
        if (self.kind == "median") != (not self.tasks[task].loss.of_classes):
            what = "a score, whose baseline is the median" if self.kind != "median" else "a label with classes"
            raise ConfigError(f"kind: {self.kind!r} does not fit {task!r}, by its loss {what}")

    def check_labels(self, labels: Labels) -> None:
        super().check_labels(labels)
        classes = labels.classes_of(self.task)
        if self.kind == "all_positive" and len(classes) != 2:
            raise ConfigError(f"kind: all_positive needs two classes, {self.task!r} has {', '.join(classes)}")

    def metadata(self) -> tuple[str, ...]:
        return ("gender",) if self.kind == "gender" else ()

    @property
    def is_trivial(self) -> bool:
        """Whether it looks at no feature."""
        return self.kind not in ("svm", "logistic")

    def scored(self, finished: Finished) -> list[Row]:
        return [dataclasses.replace(row, baseline=self.is_trivial) for row in super().scored(finished)]


def trivial_baselines(
    data: Data, tasks: dict[str, Task], *, genders: bool = True, binary: bool = True, **row: Any
) -> dict[str, BaselineStage]:
    """The rows that stand beside every detector: majority, all-positive, and gender-only where genders are known.

    Args:
        genders: whether the corpus knows them.
        binary: whether the task has a positive class.
        row: what else the stages share (`metrics`, `report`).
    """
    kinds = {"majority": "Majority class", "all_positive": "All positive", "gender": "Gender only"}
    if not genders:
        del kinds["gender"]
    if not binary:
        del kinds["all_positive"]
    return {
        kind: BaselineStage(label=label, kind=kind, data=data, tasks=tasks, **row)  # type: ignore[arg-type]
        for kind, label in kinds.items()
    }
