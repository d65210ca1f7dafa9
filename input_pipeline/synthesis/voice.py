"""A source-filter voice: words become phones, a glottal pulse train and turbulence excite them through formants.

The source is the derivative of Rosenberg's glottal pulse (1971) with jitter and shimmer; the vocal tract a cascade of
five resonators after Klatt (1980). The filters change once a frame: each frame of the excitation is multiplied by the
phone's response in the frequency domain and overlapped, so that a minute of speech takes a tenth of a second.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float, Float32, Int

from input_pipeline.synthesis.phones import INDEX, PHONES, pronounce

RATE_HZ = 16_000
HOP = 128  # samples between filter changes: 8 ms
_WINDOW = 256
_FFT = 512
_BLEND_S = 0.010  # half the transition between two phones
_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
_VOICING = np.array([phone.voicing for phone in PHONES.values()])
_LENGTH = np.array([phone.length for phone in PHONES.values()])
_NUCLEUS = np.array([phone.nucleus for phone in PHONES.values()])
_PAUSE = INDEX["pause"]


@dataclasses.dataclass(frozen=True)
class Voice:
    """How someone sounds.

    Attributes:
        pitch_hz: the middle of the pitch contour.
        formant_scale: 1 for the average man; a shorter vocal tract has more.
        tilt_db: slope of the source's spectrum, dB an octave, over that of the pulse.
        breath: amplitude of the noise that goes with voicing.
        jitter, shimmer: standard deviation of a cycle's length and amplitude, relative.
    """

    pitch_hz: float
    formant_scale: float
    tilt_db: float = 0.0
    breath: float = 0.02
    jitter: float = 0.01
    shimmer: float = 0.04


@dataclasses.dataclass(frozen=True)
class Delivery:
    """How someone talks: pitch range (standard deviation), syllables a second, median pause between clauses."""

    pitch_range_semitones: float
    rate_hz: float
    pause_s: float


@dataclasses.dataclass(frozen=True)
class Tract:
    """A voice's filters, one a phone: for the glottal source and for turbulence."""

    voiced: Complex64[np.ndarray, "phones bins"]
    noise: Complex64[np.ndarray, "phones bins"]


@dataclasses.dataclass(frozen=True)
class Speech:
    """A spoken turn, and what was meant by it.

    Attributes:
        samples: the waveform at RATE_HZ.
        pitch_hz: one value a frame of HOP samples; 0 where nothing is voiced.
        phone: the frame's index into PHONES.
    """

    samples: Float32[np.ndarray, " samples"]
    pitch_hz: Float[np.ndarray, " frames"]
    phone: Int[np.ndarray, " frames"]


def tract(voice: Voice, channel: Float[np.ndarray, " bins"]) -> Tract:
    """The filters of `voice` as heard through a microphone with the magnitude response `channel`."""
    hz = bins_hz()
    tilt = 10 ** (voice.tilt_db * np.log2(np.maximum(hz, 60.0) / 500.0) / 20)
    cascades, bands = [], []
    for phone in PHONES.values():
        formants = [voice.formant_scale * f for f in (*phone.formants_hz, 3500.0, 4500.0)]
        cascades.append(phone.voicing * tilt * np.prod([_resonance(f, 50.0 + 0.05 * f) for f in formants], axis=0))
        centre = min(voice.formant_scale * phone.noise_hz, 7000.0)
        band = _resonance(centre, 0.35 * centre + 300.0)
        bands.append(phone.noise * band / np.abs(band).max())
    voiced = np.array(cascades)
    voiced /= np.sqrt(np.mean(np.abs(voiced[_NUCLEUS]) ** 2))  # vowels have unit power
    noise = np.array(bands) + voice.breath * voiced
    return Tract((voiced * channel).astype(np.complex64), (noise * channel).astype(np.complex64))


def bins_hz() -> Float[np.ndarray, " bins"]:
    """Frequencies of the responses' bins."""
    return np.fft.rfftfreq(_FFT, 1 / RATE_HZ)


def speak(
    clauses: Sequence[Sequence[str]], voice: Voice, delivery: Delivery, filters: Tract, rng: np.random.Generator
) -> Speech:
    """The clauses, each a sequence of lower-case words, spoken with a pause between any two."""
    phones, durations_s = _score(clauses, delivery, rng)
    ends_s = np.cumsum(durations_s)
    n_frames = int(np.ceil(ends_s[-1] * RATE_HZ / HOP))
    middles_s = (np.arange(n_frames) * HOP + _WINDOW / 2) / RATE_HZ
    pitch_hz = _contour(phones, ends_s, middles_s, voice, delivery, rng)
    early, late = (
        phones[np.minimum(np.searchsorted(ends_s, middles_s + d), len(phones) - 1)] for d in (-_BLEND_S, _BLEND_S)
    )
    source = _glottal_source(pitch_hz, voice, rng)
    turbulence = rng.standard_normal(source.shape, dtype=np.float32)
    spectrum = _frames(source) * (filters.voiced[early] + filters.voiced[late])
    spectrum += _frames(turbulence) * (filters.noise[early] + filters.noise[late])
    samples = _overlap_add(scipy.fft.irfft(0.5 * spectrum, _FFT, axis=-1))
    return Speech(samples, np.where(_VOICING[late] > 0, pitch_hz, 0.0), late)


def _score(
    clauses: Sequence[Sequence[str]], delivery: Delivery, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " phones"], Float[np.ndarray, " phones"]]:
    """The turn's phones and their durations in seconds: syllables at the speaker's rate, then pauses between them."""
    phones: list[int] = []
    pauses_s: dict[int, float] = {}
    for clause in clauses:
        for word in clause:
            phones += pronounce(word)
            if rng.random() < 0.12:  # a hesitation
                pauses_s[len(phones)] = 0.7 * delivery.pause_s * float(np.exp(0.4 * rng.standard_normal()))
                phones.append(_PAUSE)
        if clause is not clauses[-1]:
            pauses_s[len(phones)] = delivery.pause_s * float(np.exp(0.4 * rng.standard_normal()))
            phones.append(_PAUSE)
    sequence = np.array(phones)
    durations = _LENGTH[sequence] * np.exp(0.2 * rng.standard_normal(len(sequence)))
    durations[sequence == _PAUSE] = 0.0
    rate_hz = delivery.rate_hz * np.exp(0.06 * rng.standard_normal())
    durations *= _NUCLEUS[sequence].sum() / rate_hz / durations.sum()
    for position, pause_s in pauses_s.items():
        durations[position] = pause_s
    return sequence, durations


def _contour(
    phones: Int[np.ndarray, " phones"],
    ends_s: Float[np.ndarray, " phones"],
    at_s: Float[np.ndarray, " frames"],
    voice: Voice,
    delivery: Delivery,
    rng: np.random.Generator,
) -> Float[np.ndarray, " frames"]:
    """Pitch: an accent a syllable around a declining line, with unit variance, scaled to the speaker's range."""
    knots_s = ends_s[_NUCLEUS[phones]]
    accents = 0.85 * rng.standard_normal(len(knots_s)) + np.linspace(0.9, -0.9, len(knots_s))
    semitones = delivery.pitch_range_semitones * np.clip(np.interp(at_s, knots_s, accents), -2.5, 2.5)
    return voice.pitch_hz * 2 ** (semitones / 12)


def _glottal_source(
    pitch_hz: Float[np.ndarray, " frames"], voice: Voice, rng: np.random.Generator
) -> Float32[np.ndarray, " samples"]:
    """Pulses at the pitch, each cycle a little too long or short, too loud or soft; unit power."""
    length = len(pitch_hz) * HOP + _WINDOW - HOP
    per_sample = np.interp(np.arange(length) / HOP, np.arange(len(pitch_hz)), pitch_hz / RATE_HZ)
    cycle = np.cumsum(per_sample).astype(np.int64)
    phase = np.cumsum(per_sample * (1 + voice.jitter * rng.standard_normal(cycle[-1] + 1)[cycle]))
    cycle = phase.astype(np.int64)
    loudness = (1 + voice.shimmer * rng.standard_normal(cycle[-1] + 1)).astype(np.float32)
    return _PULSE[((phase - cycle) * len(_PULSE)).astype(np.int64)] * loudness[cycle]


def _rosenberg_pulse(points: int = 2048, opening: float = 0.4, closing: float = 0.16) -> Float32[np.ndarray, " points"]:
    """One cycle of the glottal flow's derivative, Rosenberg's type C: a slow opening and a fast closing."""
    t = np.arange(points) / points
    rising = 0.5 * (1 - np.cos(np.pi * t / opening))
    falling = np.cos(0.5 * np.pi * (t - opening) / closing)
    flow = np.where(t < opening, rising, np.where(t < opening + closing, falling, 0.0))
    slope = np.diff(flow, append=flow[0])
    slope -= slope.mean()
    return (slope / np.sqrt(np.mean(slope**2))).astype(np.float32)


def _resonance(centre_hz: float, width_hz: float) -> np.ndarray:
    """Klatt's digital resonator (1980, eq. 1-2) on the FFT's bins: unit gain at 0 Hz."""
    c = -np.exp(-2 * np.pi * width_hz / RATE_HZ)
    b = 2 * np.exp(-np.pi * width_hz / RATE_HZ) * np.cos(2 * np.pi * centre_hz / RATE_HZ)
    z = np.exp(-2j * np.pi * bins_hz() / RATE_HZ)
    return (1 - b - c) / (1 - b * z - c * z**2)


def _frames(signal: Float32[np.ndarray, " samples"]) -> np.ndarray:
    """Spectra of the windowed frames, [F, bins]; the windows of neighbouring frames add up to one."""
    windows = np.lib.stride_tricks.sliding_window_view(signal, _WINDOW)[::HOP]
    return scipy.fft.rfft(windows * _HANN, _FFT, axis=-1)


def _overlap_add(frames: Float32[np.ndarray, "frames fft"]) -> Float32[np.ndarray, " samples"]:
    steps = _FFT // HOP
    blocks = np.zeros((len(frames) + steps - 1, HOP), np.float32)
    for step in range(steps):
        blocks[step : step + len(frames)] += frames[:, step * HOP : (step + 1) * HOP]
    return blocks.reshape(-1)


_PULSE = _rosenberg_pulse()
