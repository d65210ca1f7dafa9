"""Modalities that some participants lack, in evaluation and in fusion."""

import dataclasses

from input_pipeline.config import Config, ConfigError


@dataclasses.dataclass
class Missing(Config):
    """One modality that some participants lack.

    Attributes:
        of: what is missing: a feature, or the stage that decides from it.
        share: of the test split's participants who have the label, rounded to whole ones.
        seed: of the draw; the same participants for all seeds and for all stages that name the same one.
        draws: how often the participants are drawn anew. A seed's score is its mean over the draws, and the report has the
            spread over them beside that over the seeds.
    """

    of: str = ""
    share: float = 0.0
    seed: int = 0
    draws: int = 1

    def check(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share: of the participants, from 0 to 1, found {self.share}")
        if self.draws < 1:
            raise ConfigError(f"draws: at least 1, found {self.draws}")


def draws_of(missing: tuple[Missing, ...]) -> int:
    """How often is drawn who lacks something; 1 where nothing is missing."""
    return max([one.draws for one in missing], default=1)


def check_missing(missing: tuple[Missing, ...], known: tuple[str, ...], report: tuple[str, ...]) -> None:
    """Raises ConfigError where something unknown is missing, or a split is reported in which nothing is."""
    lacked = [one.of for one in missing]
    for name in lacked:
        if name not in known or lacked.count(name) > 1:
            raise ConfigError(f"missing: each names another of {', '.join(known)}, found {lacked}")
    if any(one.draws != draws_of(missing) for one in missing):
        raise ConfigError(f"missing: draws: the same for each, found {[one.draws for one in missing]}")
    if missing and report != ("test",):
        raise ConfigError(f"report: modalities are missing in the test split alone; report that alone, found {report}")
