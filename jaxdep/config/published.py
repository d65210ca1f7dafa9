"""A figure that a paper printed, as a config holds it."""

import dataclasses
import math

from input_pipeline.config import Config, ConfigError


@dataclasses.dataclass
class Published(Config):
    """What a paper reports for one metric of one row of its table.

    Attributes:
        metric: its name as in `jaxdep.statistics.metrics` ("f1", "unweighted_accuracy", ...).
        max, avg, std: over the paper's seeds, in the metric's unit (0.828, not 82.8); NaN where it prints none.
        source: paper, table and row ("Wu et al. 2022, Table 3").
    """

    metric: str
    max: float = math.nan
    avg: float = math.nan
    std: float = math.nan
    source: str = ""

    def check(self) -> None:
        """Raises ConfigError where no figure is given."""
        if all(math.isnan(value) for value in (self.max, self.avg, self.std)):
            raise ConfigError(
                f"max: none of max, avg and std of {self.metric!r} is given; give one or leave the entry out"
            )
