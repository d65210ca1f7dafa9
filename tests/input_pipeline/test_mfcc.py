"""Cepstral vectors: of windows by the authors' code as librosa has them, by the paper as its definition; of frames."""

import dataclasses

import librosa
import numpy as np
import pytest
import scipy.fft

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import Mfcc, MfccFrames, SpeechWindows
from input_pipeline.recording import Recording, Segment

RATE_HZ = 16000


@pytest.fixture
def samples():
    """2.5 s at 44.1 kHz, quiet behind the middle, so that the range of 80 dB cuts something off."""
    waveform = 0.1 * np.random.default_rng(0).normal(size=110250)
    waveform[60000:] *= 1e-6
    return waveform


def test_by_the_code_a_vector_is_the_mean_of_librosas_coefficients(samples):
    expected = librosa.feature.mfcc(y=samples.astype(np.float32), sr=44100, n_mfcc=13)
    assert expected.shape == (13, 216)
    found = Mfcc().code_vector(samples)
    assert found.shape == (177,)
    np.testing.assert_allclose(found, expected.mean(axis=0)[:177], atol=1e-3)
    assert not Mfcc().code_vector(np.zeros(110250)).std() > 1e-3  # silence: finite, and the same in each frame


def test_by_the_paper_a_vector_is_the_cosine_transform_of_24_bands():
    feature = Mfcc(reading="paper", windows=SpeechWindows(window_s=0.25))
    waveform = np.random.default_rng(1).normal(size=4000)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(4000) / 4000)
    amplitude = np.abs(np.fft.rfft(waveform * window, 4096))
    mel = 2595 * np.log10(1 + np.linspace(0, 8000, 2049) / 700)
    corners = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 26)
    hz, corners_hz = 700 * (10 ** (mel / 2595) - 1), 700 * (10 ** (corners / 2595) - 1)
    bands = []
    for low, middle, high in zip(corners_hz, corners_hz[1:], corners_hz[2:]):  # noqa: B905 (three that overlap)
        weights = np.interp(hz, [low, middle, high], [0, 1, 0])
        bands.append(np.average(np.log(amplitude), weights=weights))
    found = feature.paper_vector(waveform)
    expected = np.concatenate([bands, np.zeros(153)])
    np.testing.assert_allclose(scipy.fft.idct(found, norm="ortho"), expected, atol=1e-6)
    cosines = np.cos(np.pi * np.arange(177)[:, None] * (2 * np.arange(24) + 1) / (2 * 177)) @ bands
    np.testing.assert_allclose(found[1:], np.sqrt(2 / 177) * cosines[1:], atol=1e-6)
    assert np.isfinite(feature.paper_vector(np.zeros(4000))).all()


def test_a_recording_without_audio_is_named():
    recording = Recording("rec", "p", "", (Segment(0.0, 1.0),))
    with pytest.raises(DataError, match=r"^recording rec: mfcc needs audio, and the recording has none$"):
        next(iter(extract(Mfcc().freeze(), [recording], workers=1, progress=False)))


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"dim": 217}, r"config\.dim: windows of 2\.5 s have 216 frames at 44100 Hz, found 217"),
        ({"dim": 0}, r"config\.dim: expected 1 or more"),
        ({"dim": 23, "reading": "paper"}, r"config\.dim: the paper's 24 bands need 24 or more, found 23"),
        ({"code_hz": 0}, r"config\.code_hz: expected 1 or more"),
    ],
)
def test_impossible_vectors_are_named(fields, line):
    with pytest.raises(ConfigError, match=line):
        dataclasses.replace(Mfcc(), **fields).freeze()


@pytest.mark.parametrize("n_mels", [40, 128])
def test_cepstral_frames_are_librosas_but_for_the_unit(n_mels):
    waveform = np.random.default_rng(0).normal(size=RATE_HZ) * 0.1
    n_fft = 512 if n_mels == 40 else 1024  # 128 filters of HTK's scale are too narrow for bins of 31 Hz
    padded = np.pad(waveform, (n_fft - 400) // 2)  # librosa sets its window in the middle of the FFT's frame
    power = librosa.feature.melspectrogram(
        **{"y": padded, "sr": RATE_HZ, "n_fft": n_fft, "win_length": 400, "hop_length": 160, "window": "hamming"},
        **{"center": False, "n_mels": n_mels, "fmin": 20, "fmax": 8000, "htk": True, "norm": None, "dtype": np.float64},
    )
    expected = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=None), n_mfcc=13).T
    found = MfccFrames(n_mels=n_mels).frames(waveform)
    assert found.shape == (98, 13)
    np.testing.assert_allclose(found * 10 / np.log(10), expected, atol=1e-6)


def test_cepstral_frames_have_a_length_for_each_segment(wav):
    audio_file = wav(0.1 * np.random.default_rng(0).normal(size=RATE_HZ))
    recording = Recording("rec", "p", "", (Segment(0.0, 0.3), Segment(0.5, 0.51)), audio=audio_file)
    values, lengths, _ = MfccFrames(deltas=1).extract(recording)
    assert lengths.tolist() == [28, 1]
    assert values.shape == (29, 26)
    assert values.dtype == np.float32


def test_more_coefficients_than_filters_are_refused():
    with pytest.raises(ConfigError, match=r"^config\.coefficients: expected 1 to 40 \(n_mels\), found 41$"):
        MfccFrames(coefficients=41).freeze()
