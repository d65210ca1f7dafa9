"""The phones of the stand-in voices, and the spelling rules that turn words into them."""

import dataclasses
import re
from functools import cache


@dataclasses.dataclass(frozen=True)
class Phone:
    """A stretch of constant articulation.

    Attributes:
        formants_hz: the first three, of an adult man; F4 and F5 are the speaker's own.
        voicing: amplitude of the glottal source through the formants.
        noise: amplitude of the turbulence.
        noise_hz: centre of the turbulence's band.
        length: relative duration; a vowel has 1.
        nucleus: whether it carries a syllable.
    """

    formants_hz: tuple[float, float, float]
    voicing: float = 1.0
    noise: float = 0.0
    noise_hz: float = 1500.0
    length: float = 1.0
    nucleus: bool = False


def _vowel(f1: float, f2: float, f3: float, length: float = 1.0) -> Phone:
    return Phone((f1, f2, f3), length=length, nucleus=True)


# Formants of the vowels after Peterson and Barney (1952), men.
PHONES = {
    "pause": Phone((500, 1500, 2500), voicing=0.0),
    "i": _vowel(270, 2290, 3010, 1.1),
    "I": _vowel(390, 1990, 2550, 0.8),
    "e": _vowel(530, 1840, 2480, 0.9),
    "a": _vowel(660, 1720, 2410),
    "A": _vowel(730, 1090, 2440, 1.1),
    "o": _vowel(570, 840, 2410, 1.1),
    "u": _vowel(300, 870, 2240, 1.1),
    "U": _vowel(440, 1020, 2240, 0.8),
    "V": _vowel(640, 1190, 2390, 0.8),
    "R": _vowel(490, 1350, 1690, 1.1),
    "j": Phone((280, 2200, 2900), voicing=0.7, length=0.4),
    "w": Phone((300, 700, 2200), voicing=0.7, length=0.5),
    "l": Phone((360, 1100, 2600), voicing=0.6, length=0.5),
    "r": Phone((420, 1250, 1600), voicing=0.6, length=0.5),
    "m": Phone((250, 1000, 2200), voicing=0.4, length=0.6),
    "n": Phone((250, 1500, 2500), voicing=0.4, length=0.6),
    "N": Phone((250, 2000, 2600), voicing=0.4, length=0.6),
    "v": Phone((250, 1100, 2200), voicing=0.25, noise=0.06, noise_hz=4500, length=0.5),
    "D": Phone((270, 1300, 2500), voicing=0.3, noise=0.05, noise_hz=5000, length=0.4),
    "z": Phone((250, 1500, 2500), voicing=0.2, noise=0.22, noise_hz=5500, length=0.7),
    "f": Phone((400, 1100, 2200), voicing=0.0, noise=0.12, noise_hz=5000, length=0.7),
    "T": Phone((400, 1300, 2500), voicing=0.0, noise=0.10, noise_hz=5500, length=0.6),
    "s": Phone((400, 1500, 2500), voicing=0.0, noise=0.40, noise_hz=5800, length=0.8),
    "S": Phone((400, 1700, 2500), voicing=0.0, noise=0.42, noise_hz=3200, length=0.8),
    "h": Phone((500, 1500, 2500), voicing=0.0, noise=0.10, noise_hz=1500, length=0.5),
    "hold": Phone((400, 1500, 2500), voicing=0.0, length=0.35),
    "bar": Phone((200, 1200, 2300), voicing=0.12, length=0.35),
    "p!": Phone((400, 900, 2200), voicing=0.0, noise=0.30, noise_hz=1000, length=0.2),
    "t!": Phone((400, 1700, 2600), voicing=0.0, noise=0.40, noise_hz=4500, length=0.2),
    "k!": Phone((400, 1900, 2400), voicing=0.0, noise=0.35, noise_hz=2200, length=0.25),
}
INDEX = {name: index for index, name in enumerate(PHONES)}

# Spelling to phones, the longest match first; enough for speech-like syllables, not a pronunciation dictionary.
_SPELLING = {
    "igh": "A j", "tion": "S V n", "ould": "U bar t!", "ough": "o", "augh": "A", "sh": "S", "ch": "hold t! S",
    "th": "T", "ph": "f", "ng": "N", "ck": "hold k!", "wh": "w", "kn": "n", "qu": "hold k! w", "ee": "i", "ea": "i",
    "oo": "u", "ou": "A U", "ow": "o U", "oi": "o j", "oy": "o j", "ai": "e j", "ay": "e j", "au": "o", "aw": "o",
    "ie": "i", "er": "R", "ir": "R", "ur": "R", "ar": "A r", "or": "o r", "a": "a", "e": "e", "i": "I", "o": "A",
    "u": "V", "y": "i", "b": "bar p!", "c": "hold k!", "d": "bar t!", "f": "f", "g": "bar k!", "h": "h",
    "j": "bar t! S", "k": "hold k!", "l": "l", "m": "m", "n": "n", "p": "hold p!", "q": "hold k!", "r": "r",
    "s": "s", "t": "hold t!", "v": "v", "w": "w", "x": "hold k! s", "z": "z",
}  # fmt: skip
_FUNCTION_WORDS = {
    "i": "A j", "the": "D V", "a": "V", "my": "m A j", "to": "hold t! u", "of": "V v", "is": "I z", "was": "w V z",
    "you": "j u", "are": "A r", "have": "h a v", "one": "w V n", "some": "s V m", "that": "D a hold t!", "me": "m i",
    "this": "D I s", "they": "D e j", "there": "D e r", "with": "w I D", "like": "l A j hold k!",
}  # fmt: skip
_GRAPHEMES = re.compile("|".join(sorted(_SPELLING, key=len, reverse=True)))
_SILENT_E = re.compile(r"(?<=[aeiouy][bcdfgklmnprstvz])e(?=s?$)")


@cache
def pronounce(word: str) -> tuple[int, ...]:
    """The phones of a lower-case word, as indices into PHONES; every word has at least one syllable."""
    if word in _FUNCTION_WORDS:
        names = _FUNCTION_WORDS[word].split()
    else:
        letters = _SILENT_E.sub("", re.sub(r"([bcdfglmnprstz])\1", r"\1", word))
        names = " ".join(_SPELLING[part] for part in _GRAPHEMES.findall(letters)).split()
    if not any(PHONES[name].nucleus for name in names):
        names.append("V")
    return tuple(INDEX[name] for name in names)
