"""Waveforms: what is loaded is what was written; what is broken is refused by name."""

import contextlib
import struct
import threading

import numpy as np
import pytest
import scipy.signal
import soundfile

from input_pipeline import audio
from input_pipeline.errors import DataError, RuleError


def tone(seconds=1.0, rate_hz=16000, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def refused(function, path, rule):
    with pytest.raises(RuleError) as caught:
        function(path)
    assert caught.value.rule == rule
    assert isinstance(caught.value, DataError)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_samples_come_back_as_written(wav):
    np.testing.assert_array_equal(audio.load(wav(tone(), subtype="FLOAT")), tone())


def test_channels_are_averaged(wav):
    loaded = audio.load(wav(np.stack([tone(), 0.5 * tone()], axis=1), subtype="FLOAT"))
    np.testing.assert_allclose(loaded, 0.75 * tone(), atol=1e-6)


def test_resampling_agrees_with_scipy_on_a_tone(wav):
    loaded = audio.load(wav(tone(rate_hz=44100), 44100, "FLOAT"))
    reference = scipy.signal.resample_poly(tone(rate_hz=44100), 160, 441)
    assert loaded.shape == (16000,)
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(loaded[500:-500], reference[500:-500], atol=2e-3)


def test_a_stretch_is_that_part_of_the_whole(wav):
    path = wav(tone(), subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(path, start_s=0.25, stop_s=0.5), tone()[4000:8000])
    np.testing.assert_array_equal(audio.load(path, start_s=0.75, stop_s=9.0), tone()[12000:])


def test_a_long_file_is_read_over_block_borders(wav, monkeypatch):
    monkeypatch.setattr(audio, "_BLOCK_FRAMES", 777)
    np.testing.assert_array_equal(audio.load(wav(tone(), subtype="FLOAT"), start_s=0.1), tone()[1600:])


@pytest.mark.parametrize(("start_s", "stop_s"), [(2.0, 3.0), (0.5, 0.5), (-1.0, 0.5)])
def test_a_stretch_without_samples_is_refused(wav, start_s, stop_s):
    with pytest.raises(RuleError, match="correct the times") as caught:
        audio.load(wav(tone()), start_s=start_s, stop_s=stop_s)
    assert caught.value.rule == "outside-audio"


@pytest.mark.parametrize("function", [audio.header, audio.check_waveform, audio.load])
def test_missing_file(tmp_path, function):
    refused(function, tmp_path / "none.wav", "missing-audio")


@pytest.mark.parametrize("function", [audio.header, audio.check_waveform, audio.load])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "PCM_U8"])
def test_a_wav_cut_in_half_is_truncated_not_shorter(wav, function, subtype):
    path = wav(tone(), subtype=subtype)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(function, path, "truncated-audio")


def test_a_cut_flac_is_refused_when_read(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(4.0), 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.flac"):
        audio.load(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all" * 9], ids=["empty", "four bytes", "text"])
def test_what_is_no_audio_is_unreadable(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    refused(audio.header, path, "unreadable-audio")


def test_a_wav_without_samples(wav):
    refused(audio.header, wav(np.zeros(0, np.float32)), "empty-audio")


def test_a_wav_written_to_a_pipe_promises_nothing(wav):
    path = wav(tone())
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert audio.header(path).frames == 16000


def test_an_rf64_wav_is_measured_by_its_long_size(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), 16000, format="RF64")
    assert audio.header(path).duration_s == 1.0
    path.write_bytes(path.read_bytes()[:-100])
    refused(audio.header, path, "truncated-audio")


@pytest.mark.parametrize("function", [audio.check_waveform, audio.load])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_named(wav, function, value):
    samples = tone()
    samples[1234] = value
    path = wav(samples, subtype="FLOAT")
    refused(function, path, "non-finite-audio")
    with pytest.raises(RuleError, match="sample 1234 "):
        function(path)


@pytest.mark.parametrize("function", [audio.check_waveform, audio.load])
@pytest.mark.parametrize("peak", [0.0, 9e-5])
def test_silence_from_start_to_end_is_refused(wav, function, peak):
    refused(function, wav(2 * peak * tone(), subtype="FLOAT"), "silent-audio")


@pytest.mark.parametrize("function", [audio.check_waveform, audio.load])
def test_a_constant_is_silent_too(wav, function):
    refused(function, wav(np.full(16000, 0.5, np.float32)), "silent-audio")
    function(wav(0.5 + 0.1 * tone()))


@pytest.mark.parametrize("function", [audio.header, audio.check_waveform, audio.load])
@pytest.mark.parametrize("rate_hz", [1, 999])
def test_a_rate_that_no_speech_has_is_refused_before_it_fills_the_memory(wav, function, rate_hz):
    refused(function, wav(tone(), rate_hz), "odd-rate")


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_cut_ogg_is_truncated_not_shorter(tmp_path, kept):
    path = tmp_path / "a.ogg"
    soundfile.write(path, tone(30.0), 16000)
    assert audio.header(path).frames == 30 * 16000
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    refused(audio.header, path, "truncated-audio")


def test_a_damaged_mp3_says_nothing_by_itself(tmp_path, capfd):
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(4.0), 16000)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    with contextlib.suppress(RuleError):
        audio.load(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["a" * 300 + ".wav", "loop.wav", "folder.wav"])
def test_a_path_that_is_no_file_is_named(tmp_path, name):
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(RuleError, match=name):
        audio.header(tmp_path / name)


def test_a_silent_stretch_within_a_recording_is_no_fault(wav):
    samples = tone()
    samples[:8000] = 0
    path = wav(samples)
    assert audio.check_waveform(path).duration_s == 1.0
    assert not audio.load(path, stop_s=0.5).any()


def test_librosa_is_imported_by_one_at_a_time():
    audio.load_librosa()  # again it takes no time, but for the waiting
    importing = threading.Thread(target=audio.load_librosa.__wrapped__, daemon=True)
    with audio.librosa_lock():
        importing.start()
        importing.join(0.3)
        assert importing.is_alive()
    importing.join(120)
    assert not importing.is_alive()
