"""The files that stages write for exhibits, with the columns that an exhibit reads."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class CsvFile:
    """A file's name below its stage's folder, and its columns in order."""

    name: str
    columns: tuple[str, ...]


PROFILE = CsvFile(
    "profile.csv", ("model", "task", "class", "group", "mean", "ci_low", "ci_high", "recordings", "segments")
)
CASE_STUDY = CsvFile(
    "case_study.csv",
    (
        "participant", "recording", "target", "segment", "start_s", "stop_s",
        "words", "model", "task", "class", "value",
    ),
)  # fmt: skip
ATTENTION = CsvFile("attention.csv", ("example", "branch", "head", "sharpness", "position", "weight"))
ATTENTION_HEADS = CsvFile("attention_heads.csv", ("branch", "head", "sharpness", "peak", "flatness", "examples"))
CONFLICTS = CsvFile(
    "conflicts.csv", ("seed", "split", "member", "recordings", "conflicts", "right", "followed", "vote_right")
)
STABILITY = CsvFile(
    "stability.csv",
    ("row", "against", "split", "metric", "n", "n_against", "std", "std_against", "ratio", "ci_low", "ci_high"),
)
