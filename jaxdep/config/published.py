"""A figure that a paper printed, as a config holds it."""

import dataclasses
import math
from typing import Literal

from input_pipeline.config import Config, ConfigError

FIELDS = ("max", "avg", "std", "figure")  # what a paper may print of a metric


@dataclasses.dataclass
class Published(Config):
    """What a paper reports for one metric of one row of its table.

    Attributes:
        metric: its name as in `jaxdep.statistics.metrics` ("f1", "unweighted_accuracy", ...).
        max, avg, std: over the paper's seeds, in the metric's unit (0.828, not 82.8); NaN where it prints none.
        source: paper, table and row ("Wu et al. 2022, Table 3").
        figure: the one figure of a paper that tells of no seeds: neither a maximum nor a mean.
        readings: the other metrics that it may be, where the paper does not say which; it stands beside each of them.
        prevalence: of an F1, the share of the positive class among those whom the paper scores. Beside published accuracy
            and UA it tells which reading is meant (`jaxdep.statistics.readings`).
        scored: beside the figure of one metric of a row: how many of the positive and of the negative class the paper scores.
            Which confusion counts come nearest to all that is printed of the row then stands on the page
            (`jaxdep.statistics.readings`).
        split: the split that it was printed of, by its part in the experiment; "" stands beside every one that is reported.
        windows: whether it is of the windows that recordings are cut into (`TrainStage.score_windows`), beside whose row it
            then stands.
    """

    metric: str
    max: float = math.nan
    avg: float = math.nan
    std: float = math.nan
    source: str = ""
    figure: float = math.nan
    readings: tuple[str, ...] = ()
    prevalence: float = math.nan
    scored: tuple[int, ...] = ()
    split: Literal["", "validation", "test"] = ""
    windows: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it stands beside."""
        return (self.metric, *self.readings)

    def check(self) -> None:
        """Raises ConfigError where no figure is given, or what is given does not fit together."""
        over_seeds = [name for name in ("max", "avg", "std") if not math.isnan(getattr(self, name))]
        if not over_seeds and math.isnan(self.figure):
            raise ConfigError(
                f"max: none of {', '.join(FIELDS)} of {self.metric!r} is given; give one or leave the entry out"
            )
        if over_seeds and not math.isnan(self.figure):
            raise ConfigError(
                f"figure: of {self.metric!r} there is {over_seeds[0]} too; a figure over no seeds is alone"
            )
        if len(set(self.metrics)) < len(self.metrics):
            raise ConfigError(f"readings: each names another metric than {self.metric!r}, once, found {self.readings}")
        if not math.isnan(self.prevalence) and (not 0 < self.prevalence < 1 or self.prevalence == 0.5):
            raise ConfigError(
                f"prevalence: a share between 0 and 1, and not 1/2, where accuracy and UA are the same, "
                f"found {self.prevalence}"
            )
        if self.scored and (len(self.scored) != 2 or min(self.scored) < 1):
            raise ConfigError(f"scored: how many positives and how many negatives, found {self.scored}")
