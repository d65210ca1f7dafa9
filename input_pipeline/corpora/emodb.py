"""EmoDB, the Berlin database of emotional speech: one acted utterance a file, `wav/03a01Fa.wav`."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from input_pipeline import audio
from input_pipeline.corpora.text_files import as_finding, is_apple_double, listing
from input_pipeline.errors import DataError, RuleError
from input_pipeline.recording import Corpus, Finding, Recording, Scanned, Segment

EMOTIONS = {  # by the letter of the file's name, which is the German word's first
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
FOUR_EMOTIONS = ("anger", "happiness", "neutral", "sadness")  # those that IEMOCAP's four-class task has too
GENDERS = {
    "03": "male",
    "08": "female",
    "09": "female",
    "10": "male",
    "11": "male",
    "12": "male",
    "13": "female",
    "14": "female",
    "15": "male",
    "16": "female",
}
_NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[A-Z])(?P<version>[a-z])\.wav")


class EmoDb(Corpus):
    """The reader of EmoDB: one recording an utterance, a participant a speaker, no split.

    Labels: `emotion`. Metadata: `gender`, `sentence` (the code of the spoken text: a01, ..., b10), `version`.
    Utterances of emotions that are not asked for are left out and counted in one finding of the rule `other-emotion`.
    """

    name = "emodb"
    classes: Mapping[str, tuple[str, ...]] = {"emotion": FOUR_EMOTIONS}

    def __init__(self, root: Path, emotions: tuple[str, ...] = FOUR_EMOTIONS):
        """Reads utterances of `emotions`, in whose order the classes are numbered.

        Raises:
            DataError: `root` or its `wav` is no folder; an emotion is not one of the seven in `EMOTIONS`.
        """
        super().__init__(root)
        if not (root / "wav").is_dir():
            raise DataError(f"{root / 'wav'}: no such folder; unpack the corpus there")
        unknown = [emotion for emotion in emotions if emotion not in EMOTIONS.values()]
        if unknown:
            raise DataError(f"emodb has no emotion {unknown[0]!r}; choose among {', '.join(EMOTIONS.values())}")
        self.classes = {"emotion": emotions}

    def scan(self) -> Iterator[Scanned]:
        """Every utterance in the order of the names, then what was left out as a whole."""
        wav = self.root / "wav"
        other: Counter[str] = Counter()
        read = 0
        for path in sorted(
            path for path in listing(wav) if not is_apple_double(path) and not path.name.startswith(".")
        ):
            parts = _NAME.fullmatch(path.name)
            emotion = EMOTIONS.get(parts["emotion"]) if parts else None
            if parts is None or emotion is None or parts["speaker"] not in GENDERS:
                yield Scanned(path.name, None, (_unknown_name(path),))
            elif emotion not in self.classes["emotion"]:
                other[emotion] += 1
            else:
                read += 1
                yield _utterance(path, parts, emotion)
        if other:
            counts = ", ".join(f"{count} {emotion}" for emotion, count in sorted(other.items()))
            message = f"{wav}: {other.total()} utterances of other emotions left out ({counts})"
            yield Scanned("wav", None, (Finding("applied", "other-emotion", message, other.total()),))
        if not read:
            message = f"{wav}: no utterance of {', '.join(self.classes['emotion'])}; unpack the corpus there"
            yield Scanned("wav", None, (Finding("error", "empty-corpus", message),))


def _utterance(path: Path, parts: re.Match[str], emotion: str) -> Scanned:
    try:
        duration_s = audio.header(path).duration_s
    except RuleError as error:
        return Scanned(path.stem, None, (as_finding(error),))
    recording = Recording(
        id=path.stem,
        participant=parts["speaker"],
        split="",
        segments=(Segment(0.0, duration_s),),
        labels={"emotion": emotion},
        metadata={"gender": GENDERS[parts["speaker"]], "sentence": parts["sentence"], "version": parts["version"]},
        audio=path,
    )
    return Scanned(path.stem, recording)


def _unknown_name(path: Path) -> Finding:
    expected = "two digits of a known speaker, sentence (a01), emotion letter, version and .wav, as in 03a01Fa.wav"
    return Finding("error", "unknown-name", f"{path}: not an utterance's name ({expected}); rename or remove it")
