"""Perturbed speech: how far the pitch is shifted, how large the noise is, and that a copy is the same wherever it is made."""

import dataclasses

import numpy as np
import pytest
import soundfile

from input_pipeline.config import ConfigError
from input_pipeline.extraction import extract
from input_pipeline.features import LogMel, Mfcc, Perturbation, Sentences, SpectrogramImage, SpeechWindows
from input_pipeline.recording import Recording, Segment

RATE_HZ = 16000
WINDOWS = SpeechWindows(window_s=0.5, hop_s=0.1, pause_s=0.3)
SOUND = {"image": SpectrogramImage(of="window", size=8, windows=WINDOWS), "mfcc": Mfcc(windows=WINDOWS, dim=24)}


def tone(seconds, hz=440):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def peak_hz(samples):
    """Where the spectrum is largest, to a tenth of a Hertz."""
    n_fft = 10 * RATE_HZ
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)), n_fft)).argmax() * RATE_HZ / n_fft


def written(path):
    samples = np.concatenate([tone(0.5), np.zeros(RATE_HZ), tone(0.6, 600)])  # with a pause that is cut out
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    return Recording(path.stem, "p", "", (Segment(0.0, len(samples) / RATE_HZ),), audio=path)


def extracted(feature, recordings, workers=1):
    return list(extract(feature.freeze(), recordings, workers=workers, progress=False))


@pytest.mark.parametrize("semitones", [-5.0, -2.0, -0.5, 0.5, 2.0, 5.0])
def test_a_tone_is_as_many_semitones_higher_or_lower_and_as_long(semitones):
    speech = tone(2.0)
    shifted = Perturbation(semitones=semitones).apply(speech, RATE_HZ, "r")
    assert len(shifted) == len(speech)
    assert 12 * np.log2(peak_hz(shifted) / 440) == pytest.approx(semitones, abs=0.05)
    assert shifted[2000:-2000].std() == pytest.approx(speech.std(), rel=0.1)


@pytest.mark.parametrize("noise", [0.01, 0.03])
@pytest.mark.parametrize("loudness", [0.0, 1.0])
def test_noise_is_white_and_normal_and_as_large_as_is_said_whatever_it_is_mixed_with(noise, loudness):
    speech = loudness * tone(3.0)
    added = Perturbation(noise=noise).apply(speech, RATE_HZ, "r") - speech
    assert added.std() == pytest.approx(noise, rel=0.02)
    assert added.mean() == pytest.approx(0, abs=0.02 * noise)
    assert (np.abs(added) > 2 * noise).mean() == pytest.approx(0.0455, abs=0.005)
    assert np.corrcoef(added[1:], added[:-1])[0, 1] == pytest.approx(0, abs=0.02)


def test_noise_follows_from_the_recording_and_the_copy_and_from_nothing_else():
    speech, quiet = tone(0.1), np.zeros(RATE_HZ)
    first = Perturbation(noise=0.01).apply(speech, RATE_HZ, "r1")
    np.testing.assert_array_equal(first, Perturbation(noise=0.01).apply(speech, RATE_HZ, "r1"))
    drawn = [
        one.apply(quiet, RATE_HZ, name) / one.noise
        for one, name in (
            (Perturbation(noise=0.01), "r1"),
            (Perturbation(noise=0.01), "r2"),
            (Perturbation(noise=0.02), "r1"),
            (Perturbation(noise=0.02, semitones=1.0), "r1"),
        )
    ]
    np.testing.assert_allclose(np.corrcoef(drawn), np.eye(4), atol=0.05)
    whole, decimal = (Perturbation(noise=one).apply(quiet, RATE_HZ, "r") for one in (1, 1.0))
    np.testing.assert_array_equal(whole, decimal)


def test_the_pitch_is_shifted_before_noise_is_added():
    speech = tone(1.0)
    both = Perturbation(noise=0.02, semitones=-2.0).apply(speech, RATE_HZ, "r")
    added = both - Perturbation(semitones=-2.0).apply(speech, RATE_HZ, "r")
    assert added.std() == pytest.approx(0.02, rel=0.03)
    assert np.corrcoef(added[1:], added[:-1])[0, 1] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("samples", [0, 1, 700])
def test_speech_may_be_shorter_than_a_frame(samples):
    assert len(Perturbation(noise=0.01, semitones=1.0).apply(tone(1.0)[:samples], RATE_HZ, "r")) == samples


def test_a_copy_is_the_same_in_any_process(tmp_path):
    recordings = [written(tmp_path / f"r{index}.wav") for index in range(2)]
    feature = SOUND["mfcc"].perturbed(Perturbation(noise=0.01, semitones=2.0))
    here, there = extracted(feature, recordings), extracted(feature, recordings, workers=2)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    assert not np.array_equal(here[0].values, here[1].values)  # of the same sound, by noise of their own


def test_image_and_vector_are_of_the_very_same_perturbed_speech(tmp_path):
    recording, perturbation = written(tmp_path / "r.wav"), Perturbation(noise=0.02, semitones=-5.0)
    image, mfcc = (SOUND[name].perturbed(perturbation) for name in ("image", "mfcc"))
    mfcc = dataclasses.replace(mfcc, reading="paper")
    speech = np.concatenate([tone(0.5), np.zeros(RATE_HZ), tone(0.6, 600)]).astype(np.float32).astype(float)
    joined = perturbation.apply(WINDOWS.without_pauses(speech, RATE_HZ), RATE_HZ, "r")
    windows = [joined[start : start + 8000] for start in range(0, len(joined) - 8000 + 1, 1600)]
    assert len(windows) == len(WINDOWS.extract(recording, recording.segments, RATE_HZ, "x").starts)
    (images,), (vectors,) = (extracted(feature, [recording]) for feature in (image, mfcc))
    np.testing.assert_array_equal(images.values, [image.image(window) for window in windows])
    np.testing.assert_allclose(vectors.values, [mfcc.paper_vector(window) for window in windows], rtol=1e-5, atol=1e-5)
    (plain,) = extracted(SOUND["image"], [recording])
    assert plain.values.shape == images.values.shape
    assert not np.array_equal(plain.values, images.values)


def test_features_without_a_perturbation_are_called_as_they_were():
    """What stands in a fingerprint: caches from before there were perturbations are still found."""
    windows = {"type": "SpeechWindows", "window_s": 0.5, "hop_s": 0.1, "pause_s": 0.3}
    assert SOUND["mfcc"].compact() == {"type": "Mfcc", "version": 2, "dim": 24, "windows": windows}
    assert Mfcc().compact() == {"type": "Mfcc", "version": 2}
    assert SpectrogramImage(of="window").compact() == {"type": "SpectrogramImage", "of": "window"}
    assert SOUND["mfcc"].perturbed(Perturbation()).compact() == SOUND["mfcc"].compact()
    perturbed = SOUND["mfcc"].perturbed(Perturbation(noise=0.01)).compact()["windows"]
    assert perturbed == windows | {"perturbation": {"type": "Perturbation", "noise": 0.01}}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"noise": -0.01}, r"^config\.noise: expected a share of full scale, 0 or more, found -0\.01$"),
        ({"noise": float("nan")}, r"^config\.noise: expected a share of full scale, 0 or more, found nan$"),
        ({"noise": float("inf")}, r"^config\.noise: .* found inf$"),
        ({"semitones": float("nan")}, r"^config\.semitones: expected -24 to 24, found nan$"),
        ({"semitones": 30.0}, r"^config\.semitones: expected -24 to 24, found 30\.0$"),
    ],
)
def test_impossible_perturbations_are_named(fields, line):
    with pytest.raises(ConfigError, match=line):
        Perturbation(**fields).freeze()


@pytest.mark.parametrize(
    ("feature", "line"),
    [
        (Sentences(), "^sentences cannot be made of perturbed speech; leave it out, or the copies$"),
        (LogMel(), "cannot be made of perturbed speech; leave it out, or the copies$"),
        (SpectrogramImage(), r"^of: there are perturbed copies of windows alone, found of='segment'$"),
        (
            Mfcc(windows=SpeechWindows(perturbation=Perturbation(noise=0.1))),
            r"^windows\.perturbation: the copies have their own; leave it out$",
        ),
    ],
)
def test_what_cannot_be_perturbed_says_so(feature, line):
    with pytest.raises(ConfigError, match=line):
        feature.perturbed(Perturbation(noise=0.01))
