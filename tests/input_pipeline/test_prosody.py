"""Prosody: the pitch of tones, voicing, the level of a sine; librosa's pitch tracker at the frames of all features of sound."""

import dataclasses

import librosa
import numpy as np
import pytest
import scipy.signal

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import Cleaning, MfccFrames, Perturbation, Prosody, prosody
from input_pipeline.recording import Recording, Segment

RATE_HZ = 16000


def glide(seconds: float, first_hz: float, last_hz: float) -> np.ndarray:
    """A voice of ten harmonics whose pitch moves evenly in semitones."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rate = np.log(last_hz / first_hz) / seconds
    turns = first_hz * (np.expm1(rate * time_s) / rate if rate else time_s)
    return 0.1 * sum(np.sin(2 * np.pi * n * turns) / n for n in range(1, 11))


def spoken(path, *segments: tuple[float, float]) -> Recording:
    return Recording("rec", "p", "", tuple(Segment(*one) for one in segments or ((0.0, 9.0),)), audio=path)


@pytest.mark.parametrize(("first_hz", "last_hz"), [(90, 180), (420, 250), (75, 75)])
def test_a_glide_has_its_pitch_in_semitones_above_100_hz(first_hz, last_hz):
    found = Prosody().frames(glide(2.0, first_hz, last_hz))
    middles_s = np.arange(len(found)) * 0.01 + 0.0125
    expected = 12 * np.log2(first_hz / 100) + 12 * np.log2(last_hz / first_hz) * middles_s / 2
    voiced = found[:, 0] == 1
    assert voiced[5:-5].all()
    assert np.abs(found[5:-5, 1] - expected[5:-5]).max() < 0.5


def test_frames_are_those_of_the_other_features_of_sound():
    for samples in (1, 400, 559, 560, 5000, 16000):
        waveform = glide(1.0, 120, 150)[:samples]
        assert len(Prosody().frames(waveform)) == len(MfccFrames().frames(waveform))
    coarse = {"hop_s": 0.02, "frame_s": 0.04}
    assert len(Prosody(**coarse).frames(waveform)) == len(MfccFrames(**coarse).frames(waveform))


def test_pitch_and_voicing_are_librosas():
    waveform = np.concatenate([np.zeros(4000), glide(1.0, 100, 200), np.zeros(8000), glide(0.5, 300, 220)])
    waveform += 0.003 * np.random.default_rng(0).normal(size=len(waveform))
    before = (1024 - 400) // 2  # of windows of three periods of 60 Hz, with the middles of frames of 25 ms
    settings = {"fmin": 60, "fmax": 500, "sr": RATE_HZ, "frame_length": 1024, "hop_length": 160, "center": False}
    expected_hz, expected, _ = librosa.pyin(np.pad(waveform, before), **settings)
    pitch_hz, voiced = Prosody().pitch(waveform)
    assert 0.3 < voiced.mean() < 0.8
    np.testing.assert_array_equal(voiced, expected)
    np.testing.assert_allclose(pitch_hz, expected_hz, rtol=1e-12)
    semitones = Prosody().frames(waveform)[:, 1]
    np.testing.assert_allclose(semitones[voiced], 12 * np.log2(expected_hz[voiced] / 100), atol=1e-9)


def test_between_voiced_frames_the_pitch_is_interpolated_and_held_at_the_ends():
    pause = np.zeros(RATE_HZ // 2)
    found = Prosody().frames(np.concatenate([pause, glide(0.5, 120, 120), pause, glide(0.5, 240, 240), pause]))
    at = np.flatnonzero(found[:, 0])
    left, right = at[at < 120][-1], at[at > 120][0]
    low, high = 12 * np.log2(1.2), 12 * np.log2(2.4)
    np.testing.assert_allclose(found[: at[0], 1], low, atol=0.5)
    np.testing.assert_allclose(found[at[-1] :, 1], high, atol=0.5)
    between = found[left : right + 1, 1]
    np.testing.assert_allclose(np.diff(between), (between[-1] - between[0]) / (right - left), atol=1e-9)
    assert between[-1] - between[0] > 11
    assert right - left > 30


@pytest.mark.parametrize(
    "samples", [np.zeros(RATE_HZ), np.full(RATE_HZ, 0.1), np.zeros(0)], ids=["zeros", "dc", "none"]
)
def test_where_nothing_is_voiced_the_pitch_is_0(samples):
    found = Prosody().frames(samples)
    np.testing.assert_array_equal(found[:, :2], 0)
    expected_db = -20 if samples.any() else -100
    np.testing.assert_allclose(found[:, 2], expected_db, atol=1e-6)


def test_noise_is_hardly_voiced():
    found = Prosody().frames(0.1 * np.random.default_rng(0).normal(size=2 * RATE_HZ))
    assert found[:, 0].mean() < 0.2
    assert np.isfinite(found).all()


@pytest.mark.parametrize("amplitude", [1.0, 0.5, 0.01])
def test_a_sine_is_3_db_below_its_amplitude(amplitude):
    sine = amplitude * np.sin(2 * np.pi * 200 * np.arange(RATE_HZ) / RATE_HZ)
    np.testing.assert_allclose(Prosody().frames(sine)[:, 2], 20 * np.log10(amplitude) - 3.01, atol=0.1)


def test_a_long_segment_is_decoded_in_stretches_of_the_same_frames(monkeypatch):
    waveform = glide(1.0, 100, 200)
    whole = Prosody().frames(waveform)
    monkeypatch.setattr(prosody, "_STRETCH", 33)
    parts = Prosody().frames(waveform)
    assert parts.shape == whole.shape
    np.testing.assert_allclose(parts[5:-5], whole[5:-5], atol=0.2)


def test_each_segment_is_by_itself_and_cleaned_first(wav):
    path = wav(np.concatenate([glide(1.0, 100, 100), np.zeros(RATE_HZ), glide(1.0, 200, 200)]))
    one, other = spoken(path, (0.0, 1.0), (2.0, 3.0)), spoken(path, (0.0, 3.0))
    (found,) = extract(Prosody().freeze(), [one], workers=1, progress=False)
    assert (found.values.shape, found.values.dtype, found.lengths.tolist()) == ((196, 3), np.float32, [98, 98])
    np.testing.assert_allclose(found.values[:98, 1], 0, atol=0.3)
    np.testing.assert_allclose(found.values[98:, 1], 12, atol=0.3)
    (cut,) = extract(Prosody(cleaning=Cleaning(pause_s=0.5)).freeze(), [other], workers=1, progress=False)
    assert 196 <= cut.lengths[0] < 225


def test_pooled_frames_are_their_means(wav):
    path = wav(np.concatenate([glide(0.6, 110, 160), np.zeros(RATE_HZ // 4), glide(0.3, 200, 180)]))
    single, pooled = (Prosody(pool_frames=count).extract(spoken(path)) for count in (1, 10))
    assert pooled.lengths.tolist() == [-(-single.lengths[0] // 10)]
    expected = [single.values[start : start + 10].mean(0) for start in range(0, len(single.values), 10)]
    np.testing.assert_allclose(pooled.values, expected, rtol=1e-5, atol=1e-6)


def test_a_voice_is_followed_in_another_rate(wav):
    path = wav(scipy.signal.resample_poly(glide(1.0, 150, 150), 1, 2), rate_hz=RATE_HZ // 2)
    (found,) = extract(Prosody().freeze(), [spoken(path)], workers=1, progress=False)
    np.testing.assert_allclose(found.values[5:-5, 1], 12 * np.log2(1.5), atol=0.3)


def test_audio_that_cannot_be_used_is_told_in_one_line(wav):
    for samples, told in (
        (np.full(RATE_HZ, np.nan), "is NaN or infinite"),
        (np.zeros(RATE_HZ), "silent from start to end"),
    ):
        path = wav(samples, subtype="FLOAT")
        with pytest.raises(DataError, match=told) as raised:
            Prosody().extract(spoken(path))
        assert str(raised.value).startswith(f"{path}: ")
        assert "\n" not in str(raised.value)
    with pytest.raises(DataError, match=r"lasts 0\.50 s, but a segment of recording rec starts at 2\.00 s"):
        Prosody().extract(spoken(wav(glide(0.5, 100, 100)), (0.0, 0.5), (2.0, 3.0)))
    with pytest.raises(DataError, match=r"^recording rec: prosody needs audio, and the recording has none$"):
        Prosody().check_recordings([spoken(None)])


def test_it_has_no_perturbed_copies_as_other_frames_of_speech_have_none():
    with pytest.raises(ConfigError, match=r"^prosody cannot be made of perturbed speech"):
        Prosody().perturbed(Perturbation(noise=0.1))


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"low_hz": 0.0}, "high_hz: expected low_hz < high_hz <= 8000"),
        ({"high_hz": 50.0}, "high_hz: expected low_hz < high_hz <= 8000"),
        ({"high_hz": 9000.0}, "high_hz: expected low_hz < high_hz <= 8000"),
        ({"high_hz": 62.0}, r"high_hz: expected 4 semitones above low_hz or more, .* found 60\.0 and 62\.0"),
        ({"hop_s": 0.2}, r"high_hz: expected 86 semitones above low_hz or more, .* in 0\.2 s \(hop_s\)"),
        ({"hop_s": 0.0}, "hop_s: expected one sample or more"),
        ({"pool_frames": 0}, "pool_frames: expected 1 or more"),
        ({"rate_hz": 0}, "rate_hz: expected 1 or more"),
    ],
)
def test_impossible_settings_are_named(fields, line):
    with pytest.raises(ConfigError, match=f"^config.{line}"):
        dataclasses.replace(Prosody(), **fields).freeze()


def test_the_narrowest_range_of_pitch_and_the_longest_hop_that_are_let_through_can_be_computed():
    for fields in ({"low_hz": 100.0, "high_hz": 126.0}, {"hop_s": 0.08}, {"frame_s": 0.1}):
        feature = Prosody(**fields).freeze()
        found = feature.frames(glide(1.0, 110, 115))
        np.testing.assert_allclose(np.median(found[:, 1]), 12 * np.log2(1.125), atol=0.4)
