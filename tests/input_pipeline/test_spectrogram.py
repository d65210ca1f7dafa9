"""Spectrograms as images."""

import dataclasses

import matplotlib
import numpy as np
import pytest
import scipy.signal
import soundfile

from input_pipeline.batching import Arrangement, FeatureSet, Stored, arrange
from input_pipeline.builder import Description
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import SpectrogramImage, SpeechWindows, spectrogram
from input_pipeline.features.spectrogram import _coloured
from input_pipeline.recording import PARTICIPANT, Recording, Segment

RATE_HZ = 16000
FEATURE = SpectrogramImage(size=24, channels=1, dtype="float32")


def tone(hz, seconds=0.5):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


@pytest.fixture
def recording(tmp_path):
    """Half a second at 1 kHz, half a second of another speaker, half a second at 6 kHz."""
    soundfile.write(tmp_path / "a.wav", np.concatenate([tone(1000), tone(3000), tone(6000)]), RATE_HZ, subtype="FLOAT")
    segments = (Segment(0.0, 0.5), Segment(0.5, 1.0, "interviewer"), Segment(1.0, 1.5, PARTICIPANT))
    return Recording("rec", "p", "", segments, audio=tmp_path / "a.wav")


def extracted(feature, recording):
    return next(iter(extract(feature.freeze(), [recording], workers=1, progress=False)))


def test_the_colours_are_those_of_interpolation_between_their_corners_bit_for_bit():
    levels = np.append(np.random.default_rng(0).random(10_000), np.linspace(0, 1, 257)).astype(np.float32)
    corners = (0.0, 0.125, 0.375, 0.625, 0.875, 1.0)
    shades = ((0.0, 0.0, 0.0, 1.0, 1.0, 0.5), (0.0, 0.0, 1.0, 1.0, 0.0, 0.0), (0.5, 1.0, 1.0, 0.0, 0.0, 0.0))
    expected = np.stack([np.interp(levels, corners, shade) for shade in shades], axis=-1).astype(np.float32)
    np.testing.assert_array_equal(_coloured(levels[None])[0], expected)


@pytest.mark.parametrize("samples", [300, 400, 559, 560, 4800])
def test_levels_are_those_of_the_definition(samples):
    waveform = np.random.default_rng(samples).normal(size=samples)
    padded = np.pad(waveform, (0, max(0, 400 - samples)))
    window = scipy.signal.get_window("hann", 400, fftbins=True)
    frames = [padded[start : start + 400] * window for start in range(0, len(padded) - 399, 160)]
    power_db = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)).T)
    expected = np.clip((power_db - power_db.max() + 80) / 80, 0, 1)
    np.testing.assert_allclose(FEATURE.levels(waveform), expected, atol=1e-5)


def test_silence_is_black():
    assert not FEATURE.levels(np.zeros(1600)).any()


def test_an_image_has_time_to_the_right_and_frequency_upwards(recording):
    found = extracted(FEATURE, recording)
    assert (found.values.shape, found.values.dtype, found.lengths.tolist()) == ((2, 24, 24, 1), np.float32, [1, 1])
    for image, hz in zip(found.values[..., 0], (1000, 6000), strict=True):
        np.testing.assert_allclose(image.argmax(0), 23.5 - hz / 8000 * 24, atol=1)
    joined = extracted(dataclasses.replace(FEATURE, of="recording"), recording)
    assert (joined.values.shape, joined.lengths.tolist()) == ((1, 24, 24, 1), [1])
    rows = joined.values[0, ..., 0].argmax(0)
    np.testing.assert_allclose(rows[:11], 20.5, atol=1)
    np.testing.assert_allclose(rows[-11:], 5.5, atol=1)


def test_resizing_keeps_the_mean_of_what_shrinks(recording):
    large = dataclasses.replace(FEATURE, size=96)
    levels = large.levels(np.random.default_rng(0).normal(size=RATE_HZ))
    image = large.image(np.random.default_rng(0).normal(size=RATE_HZ))
    np.testing.assert_allclose(image.mean(), levels.mean(), atol=0.005)
    assert image.std() < levels.std()


def test_uint8_is_the_float_rounded_and_three_channels_are_the_colours_of_the_levels(recording):
    grey = extracted(FEATURE, recording).values[..., 0]
    bytes_ = extracted(dataclasses.replace(FEATURE, dtype="uint8"), recording).values[..., 0]
    assert bytes_.dtype == np.uint8
    np.testing.assert_allclose(bytes_ / 255, grey, atol=0.5 / 255 + 1e-6)
    coloured = extracted(dataclasses.replace(FEATURE, channels=3), recording).values
    # matplotlib's corners lie up to 0.035 beside the textbook's, on slopes of 4.
    assert np.abs(coloured - matplotlib.colormaps["jet"](grey)[..., :3]).max() < 0.15
    ends = _coloured(np.array([[0, 0.25, 0.5, 0.75, 1]], np.float32))
    np.testing.assert_allclose(ends[0], [[0, 0, 0.5], [0, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 0], [0.5, 0, 0]], atol=1e-6)


def test_an_image_a_segment_is_an_example_or_stands_with_the_others(recording):
    found = extracted(dataclasses.replace(FEATURE, dtype="uint8"), recording)
    stored = Stored("rec", "p", "", {}, {}, found.values, found.lengths, np.array([0.0, 1.0]), np.array([0.5, 1.5]))
    description = Description(
        corpus="c", synthetic=False, feature={}, version=1, shape=FEATURE.shape, dtype="uint8", fingerprint="f",
        file_format="tfrecord", tasks=(), classes={}, recordings=("rec",),
    )  # fmt: skip
    sets = {"sound": FeatureSet(description, (stored,))}
    shapes = [
        arrange(sets, {"sound": Arrangement(level=level)}).buckets[0].features["sound"].values.shape
        for level in ("image", "images")
    ]
    assert shapes == [(2, 24, 24, 1), (1, 2, 24, 24, 1)]


@pytest.mark.parametrize("hop_s", [0.05, 0.033])  # whole hops of frames, which windows share, and not
@pytest.mark.parametrize("at_a_time", [1, 3, 64])
def test_windows_that_share_frames_are_drawn_as_each_alone(recording, hop_s, at_a_time, monkeypatch):
    monkeypatch.setattr(spectrogram, "_WINDOWS_AT_A_TIME", at_a_time)
    windows = SpeechWindows(window_s=0.2, hop_s=hop_s)
    feature = dataclasses.replace(FEATURE, of="window", windows=windows)
    found = extracted(feature, recording).values
    alone = windows.extract(recording, feature.segmentation.apply(recording), RATE_HZ, "image").windows
    assert len(found) == len(alone) > 10
    np.testing.assert_array_equal(found, [feature.image(samples) for samples in alone])


def test_a_recording_without_audio_is_named(recording):
    with pytest.raises(DataError, match=r"^recording rec: spectrogram_image needs audio, and the recording has none$"):
        extracted(FEATURE, dataclasses.replace(recording, audio=None))


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"size": 0}, r"config\.size: expected 1 or more"),
        ({"hop_s": 0.0}, r"config\.hop_s: expected one sample or more"),
        ({"range_db": 0.0}, r"config\.range_db: expected a number above 0"),
        ({"channels": 2}, r"config\.channels: expected one of 1, 3"),
    ],
)
def test_impossible_images_are_named(fields, line):
    with pytest.raises(ConfigError, match=line):
        dataclasses.replace(FEATURE, **fields).freeze()
