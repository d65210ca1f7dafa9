"""A speaker of an emotional stand-in corpus: voice, delivery and microphone of their own, and utterances in them."""

import dataclasses

import numpy as np
from jaxtyping import Float32

from input_pipeline.synthesis.emotion import Expression
from input_pipeline.synthesis.session import draw_channel, draw_voice, room_noise
from input_pipeline.synthesis.voice import RATE_HZ, Delivery, Tract, Voice, speak, tract

_MARGIN_S = 0.08  # of room noise before and after the words


@dataclasses.dataclass(frozen=True)
class Speaker:
    """Who talks, into which microphone: `noise` is the amplitude of the room, full scale 1."""

    voice: Voice
    delivery: Delivery
    filters: Tract
    noise: float

    def say(
        self, clauses: list[list[str]], expression: Expression, rng: np.random.Generator
    ) -> Float32[np.ndarray, " samples"]:
        """The utterance's waveform at RATE_HZ, within full scale."""
        speech = speak(clauses, *expression.applied(self.voice, self.delivery, self.filters), rng)
        margin = int(_MARGIN_S * RATE_HZ)
        samples = self.silence(len(speech.samples) + 2 * margin, rng)
        samples[margin:-margin] += speech.samples
        return np.clip(samples, -0.99, 0.99)

    def silence(self, length: int, rng: np.random.Generator) -> Float32[np.ndarray, " samples"]:
        """The room without the speaker."""
        return room_noise(length, self.noise, rng)


def draw_speaker(female: bool, rng: np.random.Generator) -> Speaker:
    """A healthy speaker with a microphone."""
    return draw_speaker_of(draw_voice(female, rng), rng)


def draw_speaker_of(voice: Voice, rng: np.random.Generator) -> Speaker:
    """A healthy speaker of this voice, with a microphone."""
    delivery = Delivery(
        pitch_range_semitones=2.6 * float(np.exp(0.2 * rng.standard_normal())),
        rate_hz=5.2 * float(np.exp(0.08 * rng.standard_normal())),
        pause_s=0.2 * float(np.exp(0.3 * rng.standard_normal())),
    )
    loudness = 10 ** (rng.normal(-27.0, 1.5) / 20)
    noise = float(loudness * 10 ** (-rng.uniform(26.0, 40.0) / 20))
    return Speaker(voice, delivery, tract(voice, loudness * draw_channel(rng)), noise)
