"""What a paper reads off its analyses, as configs hold it, to stand beside what is found here."""

import dataclasses

from input_pipeline.config import Config, ConfigError
from jaxdep.config.rows import CsvFile

FINDINGS = CsvFile("findings.csv", ("model", "about", "paper", "here", "agrees", "source"))


@dataclasses.dataclass
class Finding(Config):
    """One statement of a paper on what its models say.

    Attributes:
        model: the label of the stage that applied the model ("A").
        output: a class, or the task of a score.
        higher_in: the group in which its mean is higher than in every other one. Empty: the class is the model's dominant
            one, of all its task's classes the one with the highest mean over all groups, or of a participant's segments
            the one that is most often the likeliest.
        participant: of a case study, of whom.
        source: where the paper says so ("section 4").
    """

    model: str = ""
    output: str = ""
    higher_in: str = ""
    participant: str = ""
    source: str = ""

    def check(self) -> None:
        for name in ("model", "output", "source"):
            if not getattr(self, name):
                raise ConfigError(f"{name}: a finding needs one")
