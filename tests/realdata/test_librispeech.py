"""LibriSpeech as published: readers, genders and voices of those that are there."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from input_pipeline import audio
from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.librispeech_texts import read_readers

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def corpus():
    folder = os.environ.get("JAXDEP_DATA")
    if not folder or not (Path(folder) / "librispeech").is_dir():
        pytest.skip("JAXDEP_DATA names no folder with librispeech")
    return open_corpus("librispeech", folder)


def test_the_published_numbers_of_readers(corpus):
    # Panayotov et al., 2015, Table 1: hours, minutes a reader, women and men of each subset.
    readers, findings = read_readers(corpus.folder / "SPEAKERS.TXT")
    assert findings == []
    counts = Counter((reader.subset, reader.gender) for reader in readers.values())
    published = {
        "dev-clean": (20, 20),
        "test-clean": (20, 20),
        "dev-other": (16, 17),
        "test-other": (17, 16),
        "train-clean-100": (125, 126),
        "train-clean-360": (439, 482),
        "train-other-500": (564, 602),
    }
    assert counts == {
        (subset, gender): count
        for subset, both in published.items()
        for gender, count in zip(("female", "male"), both, strict=True)
    }


def test_the_40_readers_of_emoaudionet_are_a_subset(corpus):
    """20 women and 20 men of some eight minutes each, five hours and twenty minutes together."""
    readers, _ = read_readers(corpus.folder / "SPEAKERS.TXT")
    for subset in ("dev-clean", "test-clean"):
        minutes = [reader.minutes for reader in readers.values() if reader.subset == subset]
        assert len(minutes) == 40
        assert 8.0 <= min(minutes) <= max(minutes) < 8.5
        assert sum(minutes) == pytest.approx(5 * 60 + 20, abs=5)


def test_every_reader_is_read_without_an_error(corpus):
    recordings = corpus.recordings()
    assert len({one.participant for one in recordings}) == len(recordings) == 251
    assert Counter(one.labels["gender"] for one in recordings) == {"female": 125, "male": 126}
    assert {one.split for one in recordings} == {"train-clean-100"}
    assert [finding for session in corpus.scan() for finding in session.findings] == []


def test_every_waveform_passes_the_checks(corpus):
    for recording in corpus.recordings():
        assert audio.check_waveform(recording.audio).rate_hz == 16000


def test_women_speak_higher_than_men(corpus):
    librosa = audio.load_librosa()
    pitch_hz = {}
    for gender in ("male", "female"):
        chosen = [one for one in corpus.recordings() if one.labels["gender"] == gender][::12]
        tracks = [librosa.yin(audio.load(one.audio, stop_s=6.0), fmin=70, fmax=400, sr=16000) for one in chosen]
        pitch_hz[gender] = np.median(np.concatenate(tracks))
    assert pitch_hz["female"] > 1.3 * pitch_hz["male"]
