"""Tells what is wrong with a corpus, session by session.

    python -m input_pipeline.validate --corpus=NAME --data_dir=DIR

Everything that the readers check is checked, and every waveform, picture and video is read to its end. What may be a
mistake is a warning: in a manifest columns and splits that are named nearly as known ones, labels without a type, and
audio of a low rate. The findings go to the standard output, one line each, and a count last; the progress bar goes to
the standard error.
Exit codes: 0 no error, 1 errors found or no corpus there, 2 wrong usage.
"""

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from absl import app, flags

from input_pipeline import audio, pictures, video
from input_pipeline.corpora import CORPORA, MANIFEST, open_corpus
from input_pipeline.corpora.text_files import as_finding
from input_pipeline.errors import DataError, RuleError
from input_pipeline.progress import progress
from input_pipeline.recording import PARTICIPANT, Corpus, Finding, Recording, Scanned
from input_pipeline.usage import parse_flags

RATE_HZ = 16000  # of the features that read audio, unless their configs say otherwise


@dataclasses.dataclass
class Count:
    """What a validated corpus holds; only sessions without an error are counted as sessions."""

    sessions: int = 0
    participants: set[str] = dataclasses.field(default_factory=set)
    splits: Counter[str] = dataclasses.field(default_factory=Counter)
    classes: dict[str, Counter[str]] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    applied: Counter[str] = dataclasses.field(default_factory=Counter)
    warnings: Counter[str] = dataclasses.field(default_factory=Counter)
    errors: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, session: Scanned, tasks: Sequence[str]) -> None:
        for finding in session.findings:
            {"error": self.errors, "warning": self.warnings, "applied": self.applied}[finding.severity][
                finding.rule
            ] += 1
        if session.recording is None:
            return
        self.sessions += 1
        self.participants.add(session.recording.participant)
        self.splits[session.recording.split or "no split"] += 1
        for task in tasks:
            label = session.recording.labels.get(task, "no label")
            self.classes.setdefault(task, Counter())[str(label)] += 1


def validate(corpus: Corpus) -> Count:
    """Prints what is found in each session, then the count, and returns it.

    Raises:
        DataError: the corpus cannot be looked through at all.
    """
    count = Count()
    if corpus.synthetic:
        print(f"{corpus.root}: SYNTHETIC corpus, a stand-in and not the real data")
    scanned = list(corpus.scan())
    headers: dict[Path, audio.Header | None] = {}
    seen: dict[Path, bool] = {}
    for session in progress(scanned, len(scanned), "reading waveforms", "sessions"):
        checked = _with_waveform(session, headers)
        for kind, check in (("image", pictures.check_picture), ("video", _check_video)):
            checked = _with_track(checked, kind, check, seen)
        count.add(checked, tuple(corpus.classes))
        _print_session(checked, headers)
    sound = {path: header for path, header in headers.items() if header is not None}
    if low := _low_rates(corpus, sound):
        count.warnings[low.rule] += 1
        print(_line(corpus.name, low))
    count.seconds = sum(found.duration_s for found in sound.values())
    _print_count(corpus, count)
    return count


def _with_waveform(session: Scanned, headers: dict[Path, audio.Header | None]) -> Scanned:
    """The session; an error in the samples takes its recording away.

    Args:
        headers: of the files read so far, None of those with an error, to which this one's is added: a file that clips
            share is read once, and its error told once.
    """
    recording = session.recording
    if recording is None or recording.audio is None:
        return session
    if recording.audio in headers:
        return session if headers[recording.audio] else Scanned(session.id, None, session.findings)
    headers[recording.audio] = None
    try:
        headers[recording.audio] = audio.check_waveform(recording.audio)
    except RuleError as error:
        return Scanned(session.id, None, (*session.findings, as_finding(error)))
    except OSError as error:
        fault = RuleError(
            "unreadable-file", f"{recording.audio}: cannot be read ({error.strerror}); copy the file again"
        )
        return Scanned(session.id, None, (*session.findings, as_finding(fault)))
    return session


def _with_track(session: Scanned, kind: str, check: Callable[[Path], None], seen: dict[Path, bool]) -> Scanned:
    """The session; an error in its picture or video takes its recording away.

    Args:
        kind: of the file.
        check: raises a RuleError where it is not sound.
        seen: of the files read so far whether they have no error, to which this one's is added.
    """
    path = session.recording.tracks.get(kind) if session.recording is not None else None
    if path is None:
        return session
    if path in seen:
        return session if seen[path] else Scanned(session.id, None, session.findings)
    try:
        check(path)
    except RuleError as error:
        seen[path] = False
        return Scanned(session.id, None, (*session.findings, as_finding(error)))
    seen[path] = True
    return session


def _check_video(path: Path) -> None:
    if not path.is_dir():  # else of its frames
        video.times_s(path)


def _low_rates(corpus: Corpus, headers: Mapping[Path, audio.Header]) -> Finding | None:
    """Of audio that holds fewer samples a second than the features take: they interpolate, and nothing is above."""
    low = {path: found.rate_hz for path, found in headers.items() if found.rate_hz < RATE_HZ}
    if not low:
        return None
    first, rates = next(iter(low)), ", ".join(map(str, sorted(set(low.values()))))
    what = f"{len(low)} of {len(headers)} audio files have {rates} Hz, below the {RATE_HZ} Hz of the features' default"
    advice = "set rate_hz and high_hz of the features to what is there"
    return Finding("warning", "low-rate", f"{corpus.root}: {what} ({first.name} is the first); {advice}")


def _print_session(session: Scanned, headers: Mapping[Path, audio.Header | None]) -> None:
    if session.recording is not None:
        found = headers[session.recording.audio] if session.recording.audio is not None else None
        audio_s = found.duration_s if found is not None else 0.0
        print(_summary(session.recording, audio_s))
    for finding in session.findings:
        print(_line(session.id, finding))


def _summary(recording: Recording, seconds: float) -> str:
    own = sum(segment.speaker == PARTICIPANT for segment in recording.segments)
    segments = f"{own} of {len(recording.segments)} segments the participant's"
    labels = ", ".join(f"{task} {_label(label)}" for task, label in recording.labels.items()) or "no labels"
    split = f"{recording.split}, " if recording.split else ""
    return f"{recording.id}: {split}{seconds:.1f} s, {segments}; {labels}"


def _label(label: str | int | float) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def _line(session: str, finding: Finding) -> str:
    return f"{session}: {finding.severity.upper()} [{finding.rule}] {finding.message}"


def _print_count(corpus: Corpus, count: Count) -> None:
    kind = "synthetic " if corpus.synthetic else ""
    parts = [
        f"{count.sessions} sessions",
        f"{len(count.participants)} participants",
        f"splits: {_listed(count.splits)}",
        *(f"{task}: {_listed(classes)}" for task, classes in count.classes.items()),
        f"{count.seconds / 3600:.2f} h of audio",
        f"rules applied: {_listed(count.applied)}",
        f"warnings: {_listed(count.warnings)}",
        f"errors: {_listed(count.errors)}",
    ]
    print(f"{kind}{corpus.name}: {'; '.join(parts)}")


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counter.items())) or "none"


def _define_flags() -> None:
    flags.DEFINE_string("corpus", None, f"Corpus: {', '.join(CORPORA)}, or {MANIFEST}FILE.csv.", required=True)
    flags.DEFINE_string("data_dir", None, "Folder that holds one folder a corpus.", required=True)
    flags.DEFINE_multi_string("classes", [], "Of a manifest: COLUMN=CLASS,CLASS,...; once a column.")
    flags.DEFINE_list("scores", [], "Of a manifest: columns that are numbers.")


def _classes(texts: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The flag's texts, "emotion=sad,happy", by column."""
    columns = {}
    for text in texts:
        column, equals, names = text.partition("=")
        if not equals or not column:
            print(f"usage error: --classes={text}: expected COLUMN=CLASS,CLASS,...", file=sys.stderr)
            sys.exit(2)
        columns[column] = tuple(name.strip() for name in names.split(","))
    return columns


def _main(_: list[str]) -> int:
    options = flags.FLAGS
    try:
        corpus = open_corpus(options.corpus, options.data_dir, _classes(options.classes), options.scores)
        return 1 if validate(corpus).errors else 0
    except DataError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    _define_flags()
    app.run(_main, flags_parser=parse_flags)
