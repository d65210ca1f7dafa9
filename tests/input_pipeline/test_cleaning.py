"""Cleaning of speech: what is gated, which pauses go, and that no feature changes that does not ask for it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from input_pipeline.config import ConfigError
from input_pipeline.features import Cleaning, LogMel, MfccFrames, RecordingFeature
from input_pipeline.recording import Recording, Segment

RATE_HZ = 16000


def tone(seconds: float, hz: float = 1000) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def noise(seconds: float, deviation: float = 0.01, seed: int = 1) -> np.ndarray:
    return deviation * np.random.default_rng(seed).normal(size=round(seconds * RATE_HZ))


def word_in_noise() -> tuple[np.ndarray, np.ndarray]:
    """Half a second of all frequencies, from second 2 on, alone and in the noise of 4.5 s."""
    word = np.concatenate([np.zeros(2 * RATE_HZ), noise(0.5, 0.3, seed=2), np.zeros(2 * RATE_HZ)])
    return word, word + noise(4.5)


def extracted(feature: LogMel, path: Path, samples: np.ndarray, *segments: tuple[float, float]) -> RecordingFeature:
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    bounds = segments or ((0.0, len(samples) / RATE_HZ),)
    return feature.extract(Recording("r", "p", "", tuple(Segment(*one) for one in bounds), audio=path))


def level_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(samples**2))


def test_noise_goes_and_what_stands_out_of_it_stays():
    word, heard = word_in_noise()
    found = Cleaning().without_noise(heard, RATE_HZ)
    spoken = slice(2 * RATE_HZ + 2000, 2 * RATE_HZ + 6000)
    assert len(found) == len(word)
    assert level_db(found[RATE_HZ // 2 : RATE_HZ]) < level_db(noise(0.5)) - 15
    assert abs(level_db(found[spoken]) - level_db(word[spoken])) < 1


def test_speech_that_hardly_pauses_is_not_taken_for_noise():
    """Bursts of all levels with short gaps: a threshold from the whole would mute the quieter ones."""
    levels = np.repeat(10 ** np.random.default_rng(3).uniform(-2, -0.5, 30), RATE_HZ // 5)
    levels[np.arange(len(levels)) % RATE_HZ < RATE_HZ // 5] = 0.0
    speech = levels * noise(6.0, 1.0, seed=2)
    found = Cleaning().without_noise(speech + noise(6.0, 1e-4), RATE_HZ)
    assert 10 * np.log10((speech**2).sum() / ((found - speech) ** 2).sum()) > 10


@pytest.mark.parametrize("samples", [0, 1, 500, 2048, 3 * RATE_HZ, 700_000])  # the last is gated in two pieces
def test_digital_silence_stays_as_it_is(samples):
    np.testing.assert_array_equal(Cleaning().without_noise(np.zeros(samples), RATE_HZ), np.zeros(samples))
    word, heard = word_in_noise()
    found = Cleaning().without_noise(np.concatenate([np.zeros(samples), heard]), RATE_HZ)
    assert np.isfinite(found).all()
    assert level_db(found[samples + RATE_HZ // 2 : samples + RATE_HZ]) < level_db(noise(0.5)) - 15
    assert len(found) == samples + len(word)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000])
def test_frames_are_as_long_at_every_rate(rate_hz):
    background = 0.01 * np.random.default_rng(0).normal(size=3 * rate_hz)
    found = Cleaning().without_noise(background, rate_hz)
    assert level_db(found) < level_db(background) - 15


def test_pauses_are_told_over_all_segments_together():
    """A segment that is quiet throughout is a pause, though it has a loudest frame of its own."""
    segments = [
        tone(1.0),
        np.concatenate([noise(1.0, 1e-5), tone(0.5), noise(0.2, 1e-5)]),
        noise(0.5, 1e-5),
        np.zeros(0),
    ]
    found = Cleaning(pause_s=0.3).apply(segments, RATE_HZ)
    np.testing.assert_array_equal(found[0], segments[0])
    assert 0.5 * RATE_HZ <= len(found[1]) < 0.7 * RATE_HZ
    np.testing.assert_array_equal(found[2], segments[2])  # nothing but pause
    assert len(found[3]) == 0


def test_nothing_is_changed_by_default():
    segments = [noise(0.3), np.zeros(0), tone(0.1)]
    for found, samples in zip(Cleaning().apply(segments, RATE_HZ), segments, strict=True):
        np.testing.assert_array_equal(found, samples)
    assert LogMel().compact() == {"type": "LogMel"}
    assert "cleaning" in LogMel(cleaning=Cleaning(noise_reduction=True)).compact()


def test_frames_are_of_cleaned_speech(tmp_path):
    speech = np.concatenate([noise(1.0, 1e-5), tone(1.0), noise(2.0, 1e-5), tone(1.0)])
    feature = MfccFrames(cleaning=Cleaning(pause_s=0.5))
    found = extracted(feature, tmp_path / "a.wav", speech)
    assert 198 <= found.lengths[0] < 215  # of 498: two seconds of tone, and what frames of 64 ms add
    both = extracted(feature, tmp_path / "b.wav", speech, (0.0, 2.0), (2.0, 5.0))
    assert len(both.lengths) == 2
    assert both.lengths.min() >= 98


def test_gating_quietens_the_frames_between_words_alone(tmp_path):
    _, heard = word_in_noise()
    plain = LogMel(n_mels=128, deltas=0, normalize="none")
    gated = LogMel(n_mels=128, deltas=0, normalize="none", cleaning=Cleaning(noise_reduction=True))
    before, after = (extracted(one, tmp_path / "a.wav", heard).values for one in (plain, gated))
    assert before.shape == after.shape
    assert (before - after)[20:180].mean() > 2  # natural logarithms
    assert np.abs(before - after)[210:240].mean() < 0.5


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"quiet_share": 0.0}, "quiet_share: expected a share above 0, at most 1, found 0.0"),
        ({"pause_s": -1.0}, "pause_s: expected a number of seconds, 0 or more, found -1.0"),
        ({"pause_db": 0.0}, "pause_db: expected a number above 0, found 0.0"),
    ],
)
def test_wrong_fields_are_named(fields, line):
    with pytest.raises(ConfigError, match=f"^config.cleaning.{line}"):
        LogMel(cleaning=Cleaning(**fields)).freeze()
