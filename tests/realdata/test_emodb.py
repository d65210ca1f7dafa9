"""EmoDB as published: the counts of its four emotions, and every waveform sound."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from input_pipeline import audio
from input_pipeline.corpora import open_corpus

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def recordings():
    folder = os.environ.get("JAXDEP_DATA")
    if not folder or not (Path(folder) / "emodb").is_dir():
        pytest.skip("JAXDEP_DATA names no folder with emodb")
    return open_corpus("emodb", folder).recordings()


def test_the_published_counts_by_emotion(recordings):
    # Burkhardt et al., "A database of German emotional speech", 2005: the perception-tested release.
    counts = Counter(recording.labels["emotion"] for recording in recordings)
    assert counts == {"anger": 127, "happiness": 71, "neutral": 79, "sadness": 62}


def test_ten_speakers_five_of_them_women_say_ten_sentences(recordings):
    genders = {recording.participant: recording.metadata["gender"] for recording in recordings}
    assert Counter(genders.values()) == {"male": 5, "female": 5}
    assert len({recording.metadata["sentence"] for recording in recordings}) == 10


def test_every_waveform_passes_the_checks(recordings):
    for recording in recordings:
        assert recording.audio is not None
        assert audio.check_waveform(recording.audio).rate_hz == 16000


def test_women_speak_higher_than_men(recordings):
    """The genders by speaker agree with the voices: median pitch of the neutral utterances."""
    librosa = audio.load_librosa()
    pitch_hz = {}
    for gender in ("male", "female"):
        neutral = [item for item in recordings if item.labels["emotion"] == "neutral"]
        chosen = [item for item in neutral if item.metadata["gender"] == gender][::4]
        tracks = [librosa.yin(audio.load(item.audio), fmin=70, fmax=400, sr=16000) for item in chosen]
        pitch_hz[gender] = np.median(np.concatenate(tracks))
    assert pitch_hz["female"] > 1.3 * pitch_hz["male"]
