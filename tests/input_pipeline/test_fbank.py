from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

from input_pipeline import audio
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features import LogMel, Segmentation
from input_pipeline.recording import PARTICIPANT, Recording, Segment

librosa = audio.load_librosa()

RATE_HZ = 16000
GOLDEN = Path(__file__).parent / "golden" / "log_mel_chirp.npz"


def _chirp(seconds: float = 0.3) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return 0.5 * scipy.signal.chirp(time_s, f0=100, t1=seconds, f1=7000)


def _recording(path: Path, samples: np.ndarray, *segments: tuple[float, float]) -> Recording:
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    spoken = tuple(Segment(start, stop, PARTICIPANT) for start, stop in segments)
    return Recording(id="rec", participant="p", split="", segments=spoken, audio=path)


def _by_definition(samples: np.ndarray) -> np.ndarray:
    """The docstring of LogMel, frame by frame, with scipy's window, numpy's FFT and librosa's filters."""
    window = scipy.signal.get_window("hamming", 400, fftbins=True)
    filters = librosa.filters.mel(
        sr=RATE_HZ, n_fft=512, n_mels=40, fmin=20, fmax=8000, htk=True, norm=None, dtype=float
    )
    frames = [samples[start : start + 400] * window for start in range(0, len(samples) - 399, 160)]
    static = np.log(np.maximum([filters @ np.abs(np.fft.rfft(frame, 512)) ** 2 for frame in frames], 1e-10))
    last = len(static) - 1
    delta = [
        sum(n * (static[min(t + n, last)] - static[max(t - n, 0)]) for n in (1, 2)) / 10 for t in range(len(static))
    ]
    return np.concatenate([static, delta], axis=1)


def test_the_chirp_has_the_values_that_were_stored():
    with np.load(GOLDEN, allow_pickle=False) as golden:
        np.testing.assert_allclose(LogMel().frames(_chirp()), golden["log_mel"], atol=1e-5)


@pytest.mark.parametrize("samples", [400, 401, 559, 560, 1000, 4800])
def test_frames_are_those_of_the_definition(samples):
    rng = np.random.default_rng(samples)
    waveform = _chirp()[:samples] + 0.01 * rng.normal(size=samples)
    found = LogMel().frames(waveform)
    assert len(found) == 1 + (samples - 400) // 160
    np.testing.assert_allclose(found, _by_definition(waveform), atol=1e-5)


def test_the_second_derivative_is_the_derivative_of_the_first():
    found = LogMel(deltas=2).frames(_chirp())
    first, second = found[:, 40:80], found[:, 80:]
    expected = librosa.feature.delta(first, width=5, order=1, axis=0, mode="nearest")
    np.testing.assert_allclose(second, expected, atol=1e-9)
    assert found.shape[1] == LogMel(deltas=2).dim == 120


def test_a_tone_is_strongest_in_the_filter_that_holds_it():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ)
    loudest = LogMel(deltas=0).frames(tone).argmax(axis=1)
    centres_hz = librosa.mel_frequencies(42, fmin=20, fmax=8000, htk=True)[1:-1]
    assert set(loudest) == {int(np.abs(centres_hz - 1000).argmin())}


def test_every_one_of_128_filters_hears_white_noise():
    noise = np.random.default_rng(0).normal(size=RATE_HZ)
    assert LogMel(n_mels=128, deltas=0).frames(noise).min() > np.log(1e-9)


def test_a_segment_shorter_than_a_frame_gives_one_frame(tmp_path):
    recording = _recording(tmp_path / "a.wav", _chirp(1.0), (0.0, 0.5), (0.6, 0.6001))
    values, lengths, _ = LogMel(normalize="none").extract(recording)
    assert lengths.tolist() == [48, 1]
    assert values.dtype == np.float32
    assert values.shape == (49, 80)


def test_what_lies_outside_the_segments_changes_nothing(tmp_path):
    samples = _chirp(1.0)
    loud = samples.copy()
    loud[: round(0.3 * RATE_HZ)] = 1.0
    loud[round(0.6 * RATE_HZ) :] = -1.0
    found = [
        LogMel().extract(_recording(tmp_path / name, waveform, (0.3, 0.6))).values
        for name, waveform in (("a.wav", samples), ("b.wav", loud))
    ]
    np.testing.assert_array_equal(*found)


def test_normalisation_is_over_all_kept_frames_of_the_recording(tmp_path):
    recording = _recording(tmp_path / "a.wav", _chirp(1.0), (0.0, 0.3), (0.5, 1.0))
    values, lengths, _ = LogMel(normalize="recording").extract(recording)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-4)
    assert abs(values[: lengths[0]].mean(axis=0)).max() > 0.1  # not segment by segment


def test_pooling_is_the_mean_of_consecutive_frames_of_one_segment(tmp_path):
    recording = _recording(tmp_path / "a.wav", _chirp(1.0), (0.0, 0.2), (0.3, 0.6))
    single, lengths, _ = LogMel().extract(recording)
    pooled, pooled_lengths, _ = LogMel(pool_frames=5).extract(recording)
    assert pooled_lengths.tolist() == [-(-length // 5) for length in lengths]
    np.testing.assert_allclose(pooled[0], single[:5].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(pooled[pooled_lengths[0] - 1], single[15:18].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(pooled[pooled_lengths[0]], single[18:23].mean(axis=0), atol=1e-5)


def test_a_segment_is_clipped_to_the_audio_and_one_just_behind_it_is_a_silent_frame(tmp_path):
    recording = _recording(tmp_path / "a.wav", _chirp(1.0), (0.5, 1.4), (1.4, 1.6))
    values, lengths, _ = LogMel(normalize="none", deltas=0).extract(recording)
    assert lengths.tolist() == [48, 1]
    np.testing.assert_allclose(values[-1], np.log(1e-10), rtol=1e-6)


def test_a_segment_far_behind_the_audio_is_refused(tmp_path):
    recording = _recording(tmp_path / "a.wav", _chirp(1.0), (0.0, 1.0), (31.0, 32.0))
    with pytest.raises(DataError, match=r"a\.wav: lasts 1\.00 s, but a segment of recording rec starts at 31\.00 s"):
        LogMel().extract(recording)


@pytest.mark.parametrize("samples", [np.zeros(RATE_HZ), np.full(RATE_HZ, np.nan)], ids=["silent", "nan"])
def test_audio_without_a_signal_is_refused(tmp_path, samples):
    with pytest.raises(DataError, match=r"a\.wav"):
        LogMel().extract(_recording(tmp_path / "a.wav", samples, (0.0, 1.0)))


def test_a_recording_without_audio_is_refused():
    with pytest.raises(DataError, match="recording r1: log_mel needs audio"):
        LogMel().extract(Recording(id="r1", participant="p", split="", segments=(Segment(0, 1),)))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (LogMel(n_mels=0), "n_mels"),
        (LogMel(deltas=3), "deltas"),
        (LogMel(hop_s=0.0), "hop_s"),
        (LogMel(frame_s=float("nan")), "frame_s"),
        (LogMel(low_hz=5000.0, high_hz=4000.0), "high_hz"),
        (LogMel(high_hz=9000.0), "high_hz"),
        (LogMel(pool_frames=0), "pool_frames"),
        (LogMel(low_hz=100.0, high_hz=101.0), "n_mels"),
        (LogMel(segmentation=Segmentation(min_s=-1.0)), "segmentation.min_s"),
    ],
)
def test_impossible_settings_are_named(config, field):
    with pytest.raises(ConfigError, match=f"config.{field}"):
        config.freeze()


def test_a_clip_of_a_long_file_has_the_frames_that_it_has_in_the_whole(tmp_path, monkeypatch):
    samples = np.random.default_rng(0).normal(size=4 * RATE_HZ)
    session = _recording(tmp_path / "a.wav", samples, (0.1234, 0.6), (1.2005, 1.7), (3.0, 3.9))
    clip = _recording(tmp_path / "b.wav", samples, (1.2005, 1.7))
    feature = LogMel(normalize="none")
    whole, read = feature.extract(session), []
    load = audio.load
    monkeypatch.setattr(
        audio, "load", lambda *given, **named: read.append(len(load(*given, **named))) or load(*given, **named)
    )
    alone = feature.extract(clip)
    first, length = whole.lengths[0], whole.lengths[1]
    np.testing.assert_array_equal(alone.values, whole.values[first : first + length])
    assert read == [round(1.7 * RATE_HZ) - round(1.2005 * RATE_HZ)]
    late = _recording(tmp_path / "c.wav", samples, (9.0, 9.5))
    with pytest.raises(DataError, match=r"lasts 4\.00 s, but a segment of recording rec starts at 9\.00 s"):
        feature.extract(late)
