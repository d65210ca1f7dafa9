"""One stand-in interview: who says what and when, the microphone's waveform of it, and its transcript."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.signal
from jaxtyping import Float, Float32

from input_pipeline.synthesis import wording
from input_pipeline.synthesis.emotion import MEANS, Expression, chain, draw_affect, draw_expression, draw_words
from input_pipeline.synthesis.phones import PHONES
from input_pipeline.synthesis.population import Participant
from input_pipeline.synthesis.voice import HOP, RATE_HZ, Delivery, Speech, Tract, Voice, bins_hz, speak, tract

ELLIE, PARTICIPANT = "Ellie", "Participant"  # the speakers' names in a transcript
SYNC_MARKS = ("<sync>", "<synch>", "[sync]", "[synch]", "[syncing]", "[synching]")
SCRUBBED = "scrubbed_entry"
PERSISTENCE = 0.3  # of an answer's emotion to the next
BRACKETED_FROM = 364  # from this id on the interviewer's words stand in brackets behind a name
_ELLIE_VOICE = Voice(pitch_hz=195.0, formant_scale=1.14, jitter=0.004, shimmer=0.02)
_ELLIE_DELIVERY = Delivery(pitch_range_semitones=2.2, rate_hz=6.0, pause_s=0.2)
_ELLIE_GAIN = 0.6
ANATOMY = {True: (205.0, 1.16), False: (115.0, 1.0)}  # of women and of men: median pitch in Hz and formant scale
_FORMANTS_HZ = np.array([phone.formants_hz for phone in PHONES.values()])


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the transcript, in seconds of the recording."""

    start_s: float
    stop_s: float
    speaker: str
    value: str


@dataclasses.dataclass(frozen=True)
class Session:
    """A finished interview.

    Attributes:
        samples: at RATE_HZ, full scale 1.
        rows: in order of time.
        spoken: every spoken stretch with its first sample and the speaker's formant scale.
    """

    samples: Float32[np.ndarray, " samples"]
    rows: tuple[Row, ...]
    spoken: tuple[tuple[int, Speech, float], ...]


def interview(
    participant: Participant,
    session_id: int,
    turns: int,
    seed: int,
    climate: Mapping[str, float] | None = None,
    remarks: Sequence[str] = (),
) -> Session:
    """The session `session_id`: greeting, `turns` prompts and answers, goodbye. Depends on its arguments alone.

    Args:
        climate: the share of answers in each emotion. Such an answer has words of its emotion besides those about the
            topic, and is said in its expression. Without it, answers have no emotion.
        remarks: of each answer the emotion of the words that it has besides, which the voice does not express.
    """
    rng = np.random.default_rng([seed, 1, session_id])
    weather = chain(turns, climate, PERSISTENCE, rng) if climate else [None] * turns
    floor = _Floor(draw_voice(participant.female, rng), _delivery(participant), session_id, rng)
    floor.sync()
    if rng.random() < 0.4:  # talk before the interview: not part of it
        floor.say(PARTICIPANT, [["okay"]])
    floor.say(ELLIE, [wording.INTERVIEWER_OPENING.split()])
    if rng.random() < 0.25:
        floor.say(ELLIE, [["what", "is", "your", "name"]])
        floor.scrub(0.6)
    beside: Sequence[str | None] = remarks or [None] * turns
    for (topic, prompt), emotion, remark in zip(wording.agenda(turns, rng), weather, beside, strict=True):
        floor.say(ELLIE, [prompt.split()])
        clauses = wording.answer(topic, participant.negative_share, participant.first_person_share, rng)
        expression = None
        if emotion is not None:
            affect = draw_affect(MEANS[emotion], rng)
            clauses += draw_words(affect, 1.0, rng)
            expression = draw_expression(affect, 1.0, rng)
        if remark is not None:
            clauses += wording.remarks(itertools.repeat(remark).__next__, rng)
        floor.say(PARTICIPANT, clauses, expression)
        if rng.random() < 0.3:
            floor.say(ELLIE, [wording.backchannel(rng).split()])
    floor.say(ELLIE, [wording.INTERVIEWER_CLOSING.split()])
    return floor.session()


def transcript(rows: Sequence[Row], rng: np.random.Generator) -> str:
    """The rows as DAIC-WOZ writes them, with a blank line here and there."""
    lines = ["start_time\tstop_time\tspeaker\tvalue"]
    for row in rows:
        lines.append(f"{row.start_s:.3f}\t{row.stop_s:.3f}\t{row.speaker}\t{row.value}")
        lines += [""] * (rng.random() < 0.04)
    return "\n".join(lines) + "\n\n"


def tracks(
    session: Session, rate_hz: float, duration_s: float
) -> tuple[Float[np.ndarray, " frames"], Float[np.ndarray, "frames 5"]]:
    """Pitch (0: unvoiced) and five formants of the session's first `duration_s`, in Hz, at `rate_hz`."""
    times_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    pitch_hz = np.zeros(len(times_s))
    formants_hz = np.tile(np.array([500.0, 1500.0, 2500.0, 3500.0, 4500.0]), (len(times_s), 1))
    for start, speech, scale in session.spoken:
        frame = np.floor((times_s * RATE_HZ - start) / HOP).astype(int)
        inside = (frame >= 0) & (frame < len(speech.pitch_hz))
        pitch_hz[inside] = speech.pitch_hz[frame[inside]]
        formants_hz[inside, :3] = scale * _FORMANTS_HZ[speech.phone[frame[inside]]]
    return pitch_hz, formants_hz


def draw_voice(female: bool, rng: np.random.Generator) -> Voice:
    """Anatomy and voice quality, which tell nothing of any label."""
    pitch_hz, scale = ANATOMY[female]
    return Voice(
        pitch_hz=pitch_hz * float(np.exp(0.11 * rng.standard_normal())),
        formant_scale=scale * float(np.exp(0.04 * rng.standard_normal())),
        tilt_db=float(rng.normal(0.0, 1.0)),
        breath=float(rng.uniform(0.01, 0.05)),
        jitter=float(rng.uniform(0.005, 0.02)),
        shimmer=float(rng.uniform(0.02, 0.08)),
    )


def draw_channel(rng: np.random.Generator) -> Float[np.ndarray, " bins"]:
    """A microphone: it cuts off the lowest frequencies and tilts the rest."""
    hz = bins_hz()
    tilt = 10 ** (rng.normal(0.0, 1.0) * np.log2(np.maximum(hz, 100.0) / 1000.0) / 20)
    return tilt * hz / (hz + rng.uniform(40.0, 120.0))


def room_noise(length: int, amplitude: float, rng: np.random.Generator) -> Float32[np.ndarray, " samples"]:
    """What a microphone hears while nobody talks: noise with more of the low frequencies."""
    white = rng.standard_normal(length, dtype=np.float32)
    rumble = scipy.signal.lfilter(np.array([0.5], np.float32), np.array([1.0, -0.7], np.float32), white)
    return np.float32(amplitude) * rumble


class _Floor:
    """The microphone's side of a running interview: whoever has the floor is appended to the recording."""

    def __init__(self, voice: Voice, delivery: Delivery, session_id: int, rng: np.random.Generator):
        self._rng, self._session_id = rng, session_id
        loudness = 10 ** (rng.normal(-25.0, 3.0) / 20)
        channel = loudness * draw_channel(rng)
        self._noise = loudness * 10 ** (-rng.uniform(26.0, 40.0) / 20)
        self._speakers: dict[str, tuple[Voice, Delivery, Tract]] = {
            ELLIE: (_ELLIE_VOICE, _ELLIE_DELIVERY, tract(_ELLIE_VOICE, _ELLIE_GAIN * channel)),
            PARTICIPANT: (voice, delivery, tract(voice, channel)),
        }
        self._loudness = loudness
        self._now = 0
        self._rows: list[Row] = []
        self._sounds: list[tuple[int, np.ndarray]] = []
        self._spoken: list[tuple[int, Speech, float]] = []
        self._zeroed: list[tuple[int, int]] = []

    def say(self, speaker: str, clauses: list[list[str]], expression: Expression | None = None) -> None:
        voice, delivery, filters = self._speakers[speaker]
        if expression is not None:
            voice, delivery, filters = expression.applied(voice, delivery, filters)
        self._wait()
        speech = speak(clauses, voice, delivery, filters, self._rng)
        text = " ".join(word for clause in clauses for word in clause)
        value = self._marked(text) if speaker == PARTICIPANT else self._prompt(text)
        self._spoken.append((self._now, speech, voice.formant_scale))
        self._sound(speech.samples, speaker, value)

    def sync(self) -> None:
        """The tone by which audio and video are aligned, before anybody talks."""
        self._wait()
        tone = np.sin(2 * np.pi * 1000 * np.arange(int(0.2 * RATE_HZ)) / RATE_HZ) * np.hanning(int(0.2 * RATE_HZ))
        self._sound((self._loudness * tone).astype(np.float32), PARTICIPANT, str(self._rng.choice(SYNC_MARKS)))

    def scrub(self, duration_s: float) -> None:
        """Something that names a person: the words are taken out of the transcript, the audio is set to zero."""
        self._wait()
        silence = np.zeros(int(duration_s * RATE_HZ), np.float32)
        self._zeroed.append((self._now, self._now + len(silence)))
        self._sound(silence, PARTICIPANT, SCRUBBED)

    def session(self) -> Session:
        self._wait()
        samples = room_noise(self._now, self._noise, self._rng)
        for start, sound in self._sounds:
            samples[start : start + len(sound)] += sound
        for start, stop in self._zeroed:
            samples[start:stop] = 0.0
        return Session(np.clip(samples, -0.99, 0.99), tuple(self._rows), tuple(self._spoken))

    def _wait(self) -> None:
        self._now += int(self._rng.uniform(0.1, 0.22) * RATE_HZ)

    def _sound(self, samples: np.ndarray, speaker: str, value: str) -> None:
        stop = self._now + len(samples)
        self._sounds.append((self._now, samples))
        self._rows.append(Row(self._now / RATE_HZ, stop / RATE_HZ, speaker, value))
        self._now = stop

    def _prompt(self, text: str) -> str:
        if self._session_id < BRACKETED_FROM:
            return text
        return f"{'_'.join(text.split()[:3])}{self._rng.integers(1, 4)} ({text})"

    def _marked(self, text: str) -> str:
        """The words with the transcriber's marks for laughter, cut-off words and what could not be understood."""
        words = text.split()
        if self._rng.random() < 0.05:
            at = int(self._rng.integers(len(words)))
            words[at] += f" <{words[at][: max(len(words[at]) // 2, 1)]}>"
        if self._rng.random() < 0.04:
            words.insert(int(self._rng.integers(len(words))), "xxx")
        if self._rng.random() < 0.06:
            words.insert(int(self._rng.integers(2)) * len(words), str(self._rng.choice(("<laughter>", "[laughter]"))))
        return " ".join(words)


def _delivery(participant: Participant) -> Delivery:
    return Delivery(participant.pitch_range_semitones, participant.rate_hz, participant.pause_s)
