"""LibriSpeech: readers of public domain books, an utterance a file, `train-clean-100/103/1240/103-1240-0000.flac`.

Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP 2015.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from itertools import compress
from pathlib import Path
from typing import NamedTuple

from input_pipeline import audio
from input_pipeline.corpora.librispeech_texts import READERS_FILE, Reader, read_readers, read_words
from input_pipeline.corpora.text_files import as_finding, is_apple_double, listing
from input_pipeline.errors import DataError, RuleError
from input_pipeline.recording import Corpus, Finding, Recording, Scanned, Segment

FOLDER = "LibriSpeech"  # of the archives, which all unpack to it
GENDERS = ("male", "female")
_NUMBER = re.compile(r"[0-9]+")
_OF_THE_CORPUS = (READERS_FILE, "BOOKS.TXT", "CHAPTERS.TXT", "LICENSE.TXT", "README.TXT")


class Entries(NamedTuple):
    """What lies in a folder, by name; hidden files are left out."""

    folders: list[Path]
    files: list[Path]


@dataclasses.dataclass
class Subset:
    """A subset's folder, and what is noticed on the way that is told once for all of it."""

    folder: Path
    companions: int = 0
    strays: list[Path] = dataclasses.field(default_factory=list)
    listed_elsewhere: list[Reader] = dataclasses.field(default_factory=list)

    def entries(self, folder: Path) -> Entries:
        """What lies in a folder of the subset; `._` companions of macOS are counted.

        Raises:
            RuleError: unreadable-folder.
        """
        found = listing(folder)
        self.companions += sum(map(is_apple_double, found))
        seen = [path for path in found if not path.name.startswith(".")]
        kinds = [path.is_dir() for path in seen]
        return Entries(
            list(compress(seen, kinds)), [path for path, folder in zip(seen, kinds, strict=True) if not folder]
        )

    def findings(self) -> tuple[Finding, ...]:
        """What was noticed."""
        found = []
        if self.companions:
            message = f"{self.folder}: {self.companions} `._` entries of macOS ignored"
            found.append(Finding("applied", "apple-double", message))
        if self.strays:
            what = f"{len(self.strays)} entries are no part of the corpus ({self.strays[0]} is the first)"
            found.append(Finding("warning", "stray-file", f"{self.folder}: {what}; remove them"))
        if self.listed_elsewhere:
            first = self.listed_elsewhere[0]
            what = f"{len(self.listed_elsewhere)} readers are listed in another subset ({first.id} in {first.subset})"
            advice = "the folder's name is their split; move them back if that is a mistake"
            found.append(Finding("warning", "other-subset", f"{self.folder}: {what}; {advice}"))
        return tuple(found)


class LibriSpeech(Corpus):
    """The reader of LibriSpeech: one recording an utterance, a participant a reader of books.

    In the corpus's folder lies `LibriSpeech` with `SPEAKERS.TXT` and whichever subsets were unpacked. The split is the
    subset's folder ("train-clean-100", "dev-clean", ...); a reader stands in one alone. The words are those of the
    chapter's transcript, and empty where a copy has none.

    Labels: `gender`. Metadata: `gender`, `chapter`.

    EmoAudioNet is trained first on "40 speakers among them 20 males and 20 female", of "approximately, eight minutes"
    each (section IV.A). By SPEAKERS.TXT that is what `dev-clean` and `test-clean` are, 323 and 324 minutes; the paper
    does not say which. With one of them unpacked alone, or named in a config's `Splits`, its readers are those.
    """

    name = "librispeech"
    classes: Mapping[str, tuple[str, ...]] = {"gender": GENDERS}
    stand_in = "input_pipeline.synthesis.librispeech:synthesize_librispeech"

    def __init__(self, root: Path):
        """Raises DataError where `root` is no folder or holds no folder `LibriSpeech`."""
        super().__init__(root)
        self.folder = root / FOLDER
        if not self.folder.is_dir():
            raise DataError(f"{self.folder}: no such folder; unpack the corpus in {root}")

    def scan(self) -> Iterator[Scanned]:
        """Every utterance by subset, reader and chapter, each subset's own findings behind it."""
        top = Subset(self.folder)
        try:
            readers, findings = read_readers(self.folder / READERS_FILE)
            entries = top.entries(self.folder)
        except RuleError as error:
            yield Scanned(FOLDER, None, (as_finding(error),))
            return
        top.strays += [path for path in entries.files if path.name not in _OF_THE_CORPUS]
        if found := (*findings, *top.findings()):
            yield Scanned(FOLDER, None, found)
        subset_of: dict[str, str] = {}
        for folder in entries.folders:
            yield from _subset(folder, readers, subset_of)
        if not subset_of:
            message = f"{self.folder}: no folder of a listed reader; unpack a subset of the corpus there"
            yield Scanned(FOLDER, None, (Finding("error", "empty-corpus", message),))


def _subset(folder: Path, readers: Mapping[str, Reader | None], subset_of: dict[str, str]) -> Iterator[Scanned]:
    """The utterances of a subset; `subset_of` collects by reader the subset in which utterances are."""
    subset = Subset(folder)
    try:
        entries = subset.entries(folder)
    except RuleError as error:
        yield Scanned(folder.name, None, (as_finding(error),))
        return
    yield from _out_of_place(entries.files, subset)
    for path in entries.folders:
        if path.name not in readers:
            yield Scanned(path.name, None, (_unlisted(path),))
            continue
        reader = readers[path.name]
        if reader is None:  # whose line is an error already
            continue
        first = subset_of.setdefault(reader.id, folder.name)
        if first != folder.name:
            message = f"{path}: reader {reader.id} stands in {first} too; remove one of the folders"
            yield Scanned(reader.id, None, (Finding("error", "participant-in-two-splits", message),))
            continue
        if reader.subset != folder.name:
            subset.listed_elsewhere.append(reader)
        yield from _reader(path, reader, subset)
    if findings := subset.findings():
        yield Scanned(folder.name, None, findings)


def _reader(folder: Path, reader: Reader, subset: Subset) -> Iterator[Scanned]:
    try:
        entries = subset.entries(folder)
    except RuleError as error:
        yield Scanned(reader.id, None, (as_finding(error),))
        return
    yield from _out_of_place(entries.files, subset)
    if not entries.folders:
        yield Scanned(reader.id, None, (_empty(folder, "chapter"),))
    for path in entries.folders:
        if _NUMBER.fullmatch(path.name):
            yield from _chapter(path, reader, subset)
        else:
            message = f"{path}: no chapter's name, expected a number as in {reader.id}/1240; rename or remove it"
            yield Scanned(f"{reader.id}-{path.name}", None, (Finding("error", "unknown-name", message),))


def _chapter(folder: Path, reader: Reader, subset: Subset) -> Iterator[Scanned]:
    """The chapter's own findings, then its utterances; where its transcript has an error, no utterance is told."""
    chapter = f"{reader.id}-{folder.name}"
    transcript = folder / f"{chapter}.trans.txt"
    try:
        entries = subset.entries(folder)
        words = read_words(transcript, chapter) if transcript in entries.files else None
    except RuleError as error:
        yield Scanned(chapter, None, (as_finding(error),))
        return
    form = re.compile(rf"{chapter}-[0-9]+\.flac")
    spoken = [path for path in entries.files if form.fullmatch(path.name)]
    subset.strays += entries.folders
    known = {*spoken, transcript}
    yield from _out_of_place([path for path in entries.files if path not in known], subset, f"{chapter}-0000.flac")
    silent = [path.stem for path in spoken if words is not None and path.stem not in words]
    if silent:
        message = f"{transcript}: no line for {len(silent)} utterances ({silent[0]} is the first); they have no words"
        yield Scanned(chapter, None, (Finding("warning", "missing-words", message),))
    if not spoken:
        yield Scanned(chapter, None, (_empty(folder, "utterance"),))
    for path in spoken:
        yield _utterance(path, reader, subset.folder.name, folder.name, (words or {}).get(path.stem, ""))


def _utterance(path: Path, reader: Reader, split: str, chapter: str, words: str) -> Scanned:
    try:
        duration_s = audio.header(path).duration_s
    except RuleError as error:
        return Scanned(path.stem, None, (as_finding(error),))
    recording = Recording(
        id=path.stem,
        participant=reader.id,
        split=split,
        segments=(Segment(0.0, duration_s, text=words),),
        labels={"gender": reader.gender},
        metadata={"gender": reader.gender, "chapter": chapter},
        audio=path,
    )
    return Scanned(path.stem, recording)


def _out_of_place(
    files: list[Path], subset: Subset, expected: str = "103/1240/103-1240-0000.flac"
) -> Iterator[Scanned]:
    """An error for each sound that is not where its name belongs; other files are strays."""
    for path in files:
        if path.suffix.lower() == ".flac":
            message = f"{path}: no utterance's name in this folder (as {expected} is); move, rename or remove it"
            yield Scanned(path.name, None, (Finding("error", "unknown-name", message),))
        else:
            subset.strays.append(path)


def _unlisted(folder: Path) -> Finding:
    if not _NUMBER.fullmatch(folder.name):
        message = f"{folder}: no reader's name, expected a number as in 103; rename or remove it"
        return Finding("error", "unknown-name", message)
    message = f"{folder}: reader {folder.name} is not listed in {READERS_FILE}; restore that file, or remove the folder"
    return Finding("error", "unlisted-reader", message)


def _empty(folder: Path, lacking: str) -> Finding:
    return Finding("warning", "empty-folder", f"{folder}: holds no {lacking}; unpack the subset again, or remove it")
