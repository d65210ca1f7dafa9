"""Windows of a recording's speech: pauses cut out, what is left cut up, the same for every feature."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from input_pipeline.batching import Arrangement, arrange, read
from input_pipeline.builder import ensure
from input_pipeline.config import ConfigError
from input_pipeline.extraction import extract
from input_pipeline.features import Mfcc, Segmentation, SpectrogramImage, SpeechWindows
from input_pipeline.recording import PARTICIPANT, Corpus, Recording, Scanned, Segment

RATE_HZ = 16000
WINDOWS = SpeechWindows(window_s=0.5, hop_s=0.1, pause_s=0.3)
SOUND = {"image": SpectrogramImage(of="window", size=8, windows=WINDOWS), "mfcc": Mfcc(windows=WINDOWS, dim=24)}


def tone(seconds, hz=500):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def noise(seconds):
    return 1e-4 * np.random.default_rng(0).normal(size=round(seconds * RATE_HZ))


def written(path, *parts):
    """A recording of one segment."""
    samples = np.concatenate(parts)
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    return Recording("rec", "p", "", (Segment(0.0, len(samples) / RATE_HZ),), audio=path)


def cut(recording, windows=WINDOWS, **options):
    return windows.extract(recording, recording.segments, RATE_HZ, "sound", **options).windows


def test_long_pauses_are_cut_out_and_short_ones_stay():
    parts = [noise(0.5), tone(0.4), noise(0.2), tone(0.4), noise(0.6), tone(0.4), noise(0.1)]
    found = WINDOWS.without_pauses(np.concatenate(parts), RATE_HZ)
    expected = np.concatenate([tone(0.4), noise(0.2), tone(0.4), tone(0.4), noise(0.1)])
    assert abs(len(found) - len(expected)) < 0.3 * RATE_HZ  # frames of 64 ms reach over the ends of a tone
    assert np.abs(found).mean() > 0.9 * np.abs(expected).mean()
    everything = dataclasses.replace(WINDOWS, pause_s=0.0).without_pauses(np.concatenate(parts), RATE_HZ)
    np.testing.assert_array_equal(everything, np.concatenate(parts))


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(RATE_HZ), np.full(20, 0.1)])
def test_what_has_no_loudest_frame_has_no_pause(samples):
    np.testing.assert_array_equal(WINDOWS.without_pauses(samples, RATE_HZ), samples)


@pytest.mark.parametrize(("seconds", "starts_s"), [(0.7, [0, 0.1, 0.2]), (0.79, [0, 0.1, 0.2]), (0.5, [0]), (0.2, [0])])
def test_windows_start_every_hop_and_the_last_lies_within(tmp_path, seconds, starts_s):
    recording = written(tmp_path / "a.wav", tone(seconds))
    whole = np.pad(tone(seconds).astype(np.float32), (0, RATE_HZ))
    found = cut(recording)
    assert len(found) == len(starts_s)
    for window, start_s in zip(found, starts_s, strict=True):
        start = round(start_s * RATE_HZ)
        np.testing.assert_array_equal(window, whole[start : start + RATE_HZ // 2])


def test_windows_at_another_rate_are_those_windows_resampled(tmp_path):
    recording = written(tmp_path / "a.wav", tone(1.03))
    found, resampled = cut(recording), cut(recording, resampled_hz=44100)
    assert [len(window) for window in resampled] == [22050] * len(found) == [22050] * 6
    for index, window in enumerate(resampled):
        times_s = index * 0.1 + np.arange(22050) / 44100
        inner = slice(500, -500) if index in (0, 5) else slice(None)  # at the ends there are the filter's own edges
        np.testing.assert_allclose(window[inner], 0.5 * np.sin(2 * np.pi * 500 * times_s)[inner], atol=2e-3)


def test_segments_of_the_participant_are_joined(tmp_path):
    recording = written(tmp_path / "a.wav", tone(0.4, 500), tone(1.0, 1000), tone(0.4, 2000))
    segments = (Segment(0.0, 0.4), Segment(0.4, 1.4, "interviewer"), Segment(1.4, 1.8, PARTICIPANT))
    recording = dataclasses.replace(recording, segments=segments)
    kept = Segmentation().apply(recording)
    found = WINDOWS.extract(recording, kept, RATE_HZ, "sound").windows
    assert len(found) == 4
    np.testing.assert_allclose(found[0], np.concatenate([tone(0.4, 500), tone(0.1, 2000)]), atol=1e-6)


@pytest.mark.parametrize("seconds", [0.3, 1.99, 3.0])
def test_image_and_vector_have_the_same_windows_and_are_one_stretch(tmp_path, seconds):
    recording = written(tmp_path / "a.wav", noise(0.4), tone(seconds), noise(0.4), tone(0.1))
    found = {
        name: next(iter(extract(feature.freeze(), [recording], workers=1, progress=False)))
        for name, feature in SOUND.items()
    }
    assert found["image"].lengths.tolist() == found["mfcc"].lengths.tolist() == [len(cut(recording))]
    assert found["image"].values.shape[1:] == (8, 8, 3)
    assert (found["mfcc"].values.shape[1:], found["mfcc"].values.dtype) == ((24,), np.float32)
    assert SOUND["image"].segments(recording) == SOUND["mfcc"].segments(recording)


class Talks(Corpus):
    name = "talks"
    classes: ClassVar = {"kind": ("short", "long")}

    def scan(self):
        for index, seconds in enumerate((0.3, 0.9)):
            recording = written(self.root / f"r{index}.wav", tone(seconds))
            named = dataclasses.replace(recording, id=f"r{index}", participant=f"p{index}", labels={"kind": index})
            yield Scanned(named.id, named)


def test_they_fit_together_as_examples(tmp_path):
    corpus = Talks(tmp_path)
    sets = {
        name: read(ensure(feature, corpus, features_dir=tmp_path / "f", workers=1)) for name, feature in SOUND.items()
    }
    examples = arrange(sets, {"image": Arrangement(level="image"), "mfcc": Arrangement(level="frame")})
    features = examples.buckets[0].features
    assert features["image"].values.shape == (6, 8, 8, 3)
    assert features["mfcc"].values.shape == (6, 24)
    assert examples.groups.tolist() == [0, 1, 1, 1, 1, 1]
    assert features["mfcc"].mask.all()


@pytest.mark.parametrize(
    ("feature", "line"),
    [
        (Mfcc(windows=SpeechWindows(hop_s=0.0)), r"config\.windows\.hop_s: expected a number above 0, found 0\.0"),
        (
            Mfcc(windows=SpeechWindows(pause_s=-1.0)),
            r"config\.windows\.pause_s: expected a number of seconds, 0 or more",
        ),
        (
            SpectrogramImage(of="window", windows=SpeechWindows(hop_s=1e-6)),
            r"config\.windows\.hop_s: expected one sample or more",
        ),
        (
            SpectrogramImage(windows=WINDOWS),
            r"config\.windows: has a meaning for of='window' alone, found of='segment'",
        ),
    ],
)
def test_impossible_windows_are_named(feature, line):
    with pytest.raises(ConfigError, match=line):
        feature.freeze()
