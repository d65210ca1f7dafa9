"""Which labels a corpus has is known before it is opened, and is what its recordings then have."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from input_pipeline.corpora import CORPORA, label_types, open_corpus
from input_pipeline.errors import DataError
from input_pipeline.recording import Corpus
from input_pipeline.synthesis import synthesize

SMALL: dict[str, dict[str, Any]] = {
    "cmu_mosei": {"sessions": 12},
    "daic_woz": {"sessions": 10, "turns": 2},
    "daic_woz_utterances": {"sessions": 10, "turns": 2, "utterance_emotions": 1.0},
    "e_daic": {"sessions": 10, "turns": 2},
    "e_daic_utterances": {"sessions": 10, "turns": 2},
    "emotion_faces": {"sessions": 20, "duration_s": 1},
    "iemocap": {"sessions": 10, "turns": 6},
    "librispeech": {"sessions": 8, "turns": 1},
    "mgid": {"sessions": 40},
    "mgid_repaired": {"sessions": 40},
    "recola": {"sessions": 6, "duration_s": 5},
    "talking_faces": {"sessions": 20, "duration_s": 1},
    "topical_chat": {"sessions": 20, "turns": 5},
}


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[str], Corpus]:
    """The corpus as a stand-in, or as the tests write it where there is none."""

    def open_by_name(name: str) -> Corpus:
        if name == "emodb":
            (tmp_path / "emodb/wav").mkdir(parents=True)
            for utterance in ("03a01Fa", "08a01Na", "09a01Wa", "10a01Ta"):
                soundfile.write(tmp_path / f"emodb/wav/{utterance}.wav", np.full(8000, 0.1), 16000)
        else:
            root = synthesize(name, tmp_path, workers=1, **SMALL[name])
            if name == "e_daic_utterances":  # whose emotions are a file of the user's own
                (root / "utterance_emotions.csv").write_text("session,turn,emotion\n300,0,sad\n")
        return open_corpus(name, tmp_path)

    return open_by_name


@pytest.mark.parametrize("name", CORPORA)
def test_every_label_of_a_recording_was_declared(opened: Callable[[str], Corpus], name: str) -> None:
    types = label_types(name)
    labels = [item for recording in opened(name).recordings() for item in recording.labels.items()]
    assert {task for task, _ in labels} == {*types.classes, *types.scores}
    for task, value in labels:
        assert value in types.classes[task] if task in types.classes else isinstance(value, float)


def test_no_label_is_both_a_class_and_a_score() -> None:
    for name in CORPORA:
        types = label_types(name)
        assert not {*types.classes} & {*types.scores}


def test_a_manifests_labels_are_those_given_and_no_file_is_asked_for() -> None:
    classes, scores = label_types("manifest:none/mine.csv", {"mood": ["low", "high"]}, ["age"])
    assert (classes, scores) == ({"mood": ("low", "high")}, ("age",))


@pytest.mark.parametrize(
    ("name", "types", "found"),
    [
        ("daic-woz", {}, "did you mean 'daic_woz'"),
        ("daic_woz", {"scores": ["phq8_score"]}, "label types of its own"),
        ("manifest:mine.csv", {"classes": {"mood": ("low",)}}, "mine.csv: classes of 'mood'"),
        ("manifest:mine.csv", {"scores": ["split"]}, "'split' is no label"),
    ],
)
def test_types_that_cannot_be_are_refused_as_on_opening(tmp_path: Path, name: str, types: dict, found: str) -> None:
    (tmp_path / "mine.csv").write_text("id,participant,mood\n")
    for call in (lambda: label_types(name, **types), lambda: open_corpus(name, tmp_path, **types)):
        with pytest.raises(DataError, match=re.escape(found)) as caught:
            call()
        assert "\n" not in str(caught.value)
