"""Writes a small stand-in for IEMOCAP in the very layout of the original, every sound and word of it synthetic.

Five sessions of a woman and a man each. An emotion holds on in a dialogue, so an utterance's neighbours tell of it too.
Three raters see an utterance's affect through noise of their own: the label is the emotion that two of them name, `xxx`
where there is none, and the attributes are the raters' means. Differences from the original, beside the sizes: there
are two kinds of label outside the four classes (fru, xxx), and no motion capture, video, forced alignment or waveform
of the whole dialogue. What an emotion changes stands in `emotion`.
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from input_pipeline.synthesis import emotion
from input_pipeline.synthesis.emotion import Affect, draw_expression, draw_words
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.speaker import Speaker, draw_speaker
from input_pipeline.synthesis.voice import RATE_HZ
from input_pipeline.synthesis.wording import written
from input_pipeline.synthesis.writing import check, marker_of, write_all

VERSION = 1  # of the generator: another one writes other bytes
SESSIONS = 5
MOST = 400  # dialogues; a name has two digits for the scene
SHARES = {"angry": 0.2, "happy": 0.3, "neutral": 0.3, "sad": 0.2}
PERSISTENCE = 0.7
_FORMS = ("F_impro{:02}", "M_impro{:02}", "F_script{:02}_1", "M_script{:02}_1")  # of a dialogue's name, in turns
_RATERS = ("E2", "E3", "E4")
_LAUGHTER, _BREATHS = 0.03, 0.02  # how often an utterance has a mark, and is followed by what is no utterance
_MISHEARD = 0.1  # how often a rater names an emotion at random
_RATER_SPREAD = 0.45
_LIVELY = 3.9  # activation of a happiness that raters call excitement
_WEARY = 3.5  # activation of an anger that raters call frustration
_NAMES = {
    "ang": "Anger",
    "exc": "Excited",
    "fru": "Frustration",
    "hap": "Happiness",
    "neu": "Neutral",
    "sad": "Sadness",
}
_HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def synthesize_iemocap(
    data_dir: Path | str,
    *,
    sessions: int = 30,
    seed: int = 0,
    effect: float = 1.0,
    turns: int = 16,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/iemocap` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: dialogues, spread over the five sessions of the layout.
        seed: the same seed gives the same bytes on the same machine, however many workers write.
        effect: how far emotions move delivery and words; 0: not at all.
        turns: utterances a dialogue.
        workers: processes; None is one a core.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    check(sessions, SESSIONS, MOST, seed, why="one dialogue a session", turns=turns, effect=effect)
    parameters: dict[str, Any] = {"sessions": sessions, "seed": seed, "effect": float(effect), "turns": turns}
    root = Path(data_dir) / "iemocap"

    def write(folder: Path) -> None:
        for session in range(1, SESSIONS + 1):
            for below in ("dialog/EmoEvaluation", "dialog/transcriptions", "sentences/wav"):
                (folder / f"Session{session}" / below).mkdir(parents=True)
        write_all(partial(_write_dialogue, folder, turns, effect, seed), range(sessions), workers, root, "dialogues")

    planted = {"shares_of_emotions": SHARES, "persistence": PERSISTENCE, **emotion.planted(effect)}
    publish(root, marker_of("iemocap", VERSION, parameters, **planted), write, overwrite)
    return root


def _write_dialogue(folder: Path, turns: int, effect: float, seed: int, dialogue: int) -> None:
    """The dialogue's waveforms, its transcription and its evaluation."""
    session, scene = dialogue % SESSIONS + 1, dialogue // SESSIONS
    name = f"Ses{session:02}{_FORMS[scene % len(_FORMS)].format(scene // len(_FORMS) + 1)}"
    speakers = _speakers(session, seed)
    rng = np.random.default_rng([seed, 2, dialogue])
    below = folder / f"Session{session}"
    sounds = below / "sentences" / "wav" / name
    sounds.mkdir()
    now_s, spoken = float(rng.uniform(1.0, 6.0)), Counter[str]()
    evaluation, transcription = [_HEADER], []
    who = str(rng.choice(list(speakers)))
    for mood in emotion.chain(turns, SHARES, PERSISTENCE, rng):
        affect = emotion.draw_affect(emotion.MEANS[mood], rng)
        clauses = draw_words(affect, effect, rng)
        samples = speakers[who].say(clauses, draw_expression(affect, effect, rng), rng)
        utterance = f"{name}_{who}{spoken[who]:03}"
        soundfile.write(sounds / f"{utterance}.wav", samples, RATE_HZ, subtype="PCM_16")
        stop_s = now_s + len(samples) / RATE_HZ
        laughter = "[LAUGHTER] " if rng.random() < _LAUGHTER else ""
        transcription.append(_line(utterance, now_s, stop_s, laughter + written(clauses)))
        evaluation.append(f"[{now_s:.4f} - {stop_s:.4f}]\t{utterance}\t{_rated(mood, affect, rng)}\n")
        now_s = stop_s + float(rng.uniform(0.1, 0.8))
        if rng.random() < _BREATHS:
            transcription.append(_line(f"{name}_{who}XX{spoken[who]}", stop_s, now_s, "[BREATHING]"))
        spoken[who] += 1
        if rng.random() < 0.85:
            who = "M" if who == "F" else "F"
    (below / "dialog" / "transcriptions" / f"{name}.txt").write_bytes("".join(transcription).encode())
    (below / "dialog" / "EmoEvaluation" / f"{name}.txt").write_bytes("".join(evaluation).encode())


def _line(utterance: str, start_s: float, stop_s: float, words: str) -> str:
    return f"{utterance} [{start_s:08.4f}-{stop_s:08.4f}]: {words}\n"


def _speakers(session: int, seed: int) -> dict[str, Speaker]:
    """The session's two speakers by the letter in an utterance's name; the same in all its dialogues."""
    rng = np.random.default_rng([seed, 1, session])
    return {who: draw_speaker(who == "F", rng) for who in ("F", "M")}


def _rated(mood: str, affect: Affect, rng: np.random.Generator) -> str:
    """The rest of an utterance's line (label and attributes), and a line a rater's answer to both questions."""
    named = [_name(mood, affect, rng) for _ in _RATERS]
    seen = np.clip(np.rint(affect + _RATER_SPREAD * rng.standard_normal((len(_RATERS), 3))), 1, 5).astype(int)
    label, votes = Counter(named).most_common(1)[0]
    means = ", ".join(f"{mean:.4f}" for mean in seen.mean(axis=0))
    lines = [f"{label if votes > 1 else 'xxx'}\t[{means}]"]
    lines += [f"C-{rater}:\t{_NAMES[name]};\t()" for rater, name in zip(_RATERS, named, strict=True)]
    lines += [f"A-{rater}:\tval {v}; act {a}; dom  {d};\t()" for rater, (v, a, d) in zip(_RATERS, seen, strict=True)]
    return "\n".join(lines) + "\n"


def _name(mood: str, affect: Affect, rng: np.random.Generator) -> str:
    """What a rater calls an utterance."""
    if rng.random() < _MISHEARD:
        return str(rng.choice(list(_NAMES)))
    if mood == "happy":
        return "exc" if affect.activation > _LIVELY else "hap"
    if mood == "angry":
        return "fru" if affect.activation < _WEARY else "ang"
    return {"neutral": "neu", "sad": "sad"}[mood]
