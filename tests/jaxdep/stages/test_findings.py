"""What a paper read off its analyses is held against the numbers that are found here."""

from types import SimpleNamespace

import pandas as pd
import pytest

from input_pipeline.errors import DataError
from jaxdep.config import Finding
from jaxdep.stages import analyse

STAGE = SimpleNamespace(name="figure2")
PROFILE = pd.DataFrame(
    [
        ("A", "emotion", "angry", "healthy", 0.5, 100),
        ("A", "emotion", "sad", "healthy", 0.5, 100),
        ("A", "emotion", "angry", "depressed", 0.3, 300),
        ("A", "emotion", "sad", "depressed", 0.7, 300),
        ("A", "valence", "", "healthy", 3.0, 100),
        ("A", "valence", "", "depressed", 3.5, 300),
        ("T", "emotion", "angry", "healthy", 0.4, 100),
        ("T", "emotion", "sad", "healthy", 0.6, 100),
        ("T", "emotion", "angry", "depressed", 0.4, 300),
        ("T", "emotion", "sad", "depressed", 0.6, 300),
    ],
    columns=["model", "task", "class", "group", "mean", "segments"],
)


@pytest.mark.parametrize(
    ("finding", "about", "here"),
    [
        (Finding("A", "angry"), "dominant emotion", "sad"),  # 0.35 against 0.65 of all segments
        (Finding("A", "angry", "depressed"), "mean angry is higher in", "healthy"),
        (Finding("A", "valence", "healthy"), "mean valence is higher in", "depressed"),
        (Finding("T", "angry", "depressed"), "mean angry is higher in", "healthy and depressed"),  # alike
    ],
)
def test_groups_and_dominant_classes_are_those_of_the_means(finding: Finding, about: str, here: str) -> None:
    paper = finding.higher_in or finding.output
    assert analyse._profiled(finding, PROFILE, STAGE) == (about, paper, here)  # type: ignore[arg-type]


def test_a_participants_emotion_is_the_one_that_is_likeliest_in_most_segments() -> None:
    happy = (0.6, 0.2, 0.9, 0.7)  # three of four
    rows = [
        ("350", "350", segment, "A", "emotion", name, p)
        for segment, value in enumerate(happy)
        for name, p in (("happy", value), ("sad", 1 - value))
    ]
    table = pd.DataFrame(rows, columns=["participant", "recording", "segment", "model", "task", "class", "value"])
    found = analyse._most_frequent(Finding("A", "sad", participant="350"), table, STAGE)  # type: ignore[arg-type]
    assert found == ("participant 350, most frequent emotion", "sad", "happy")
    with pytest.raises(DataError, match=r"stages\.figure2\.findings: A says nothing of 'sad' of participant '351'"):
        analyse._most_frequent(Finding("A", "sad", participant="351"), table, STAGE)  # type: ignore[arg-type]


def test_an_output_that_no_model_has_is_named() -> None:
    with pytest.raises(DataError, match=r"stages\.figure2\.findings: A says nothing of 'fear'"):
        analyse._profiled(Finding("A", "fear"), PROFILE, STAGE)  # type: ignore[arg-type]
