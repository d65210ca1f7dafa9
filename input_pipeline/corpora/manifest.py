"""A corpus of the user's own, listed in one CSV or JSON Lines file.

One row is a recording, or one segment of it: rows that share an `id`, each with `start` and `stop`, make one recording.
Columns:

    id, participant         required
    split                   "train", "dev", "test" or names of the user's own; may be left out
    audio, video, image     paths, absolute or relative to the manifest; a video may be a folder of its frames
    text                    the words of the segment
    transcript              path of a .txt file with the words of the segment, instead of `text`
    start, stop             seconds in the recording; both or neither
    speaker                 "participant" (the default), "interviewer", or a name of the user's own
    dialogue, turn          of an utterance: the name of its dialogue, and a number by which the dialogue's turns are in
                            order; both or neither. A dialogue is of one split

A recording of a dialogue knows the words of all its turns. A turn of the interviewer's is words of the dialogue alone and
no recording: its cells `participant` and `split` say nothing. Where recordings are whole sessions, rows that share an id,
their segments are the dialogue, and these two columns are left out.

Every other column is a label where `classes` or `scores` name it, else metadata; empty cells are absent. A recording
without audio and without times has one segment of one second, nominally.
"""

import dataclasses
import difflib
import json
import math
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline import audio
from input_pipeline.corpora.manifest_warnings import suspicions
from input_pipeline.corpora.text_files import Row, as_finding, read_csv, read_text, require_columns
from input_pipeline.errors import DataError, RuleError
from input_pipeline.recording import INTERVIEWER, PARTICIPANT, Corpus, LabelTypes, Recording, Scanned, Segment

_REQUIRED = ("id", "participant")
_FILES = ("audio", "video", "image", "transcript")
_OF_SEGMENT = ("text", "transcript", "start", "stop", "speaker")
_OF_DIALOGUE = ("dialogue", "turn")
RESERVED = ("id", "participant", "split", *_FILES, *_OF_SEGMENT, *_OF_DIALOGUE)
_NAMES = ("id", "participant", "split", "dialogue")
_LONGEST = 200  # characters of a name
_FORMULA = ("=", "@")
_NOMINAL_S = 1.0


class _Turn(NamedTuple):
    """A turn of a dialogue: the manifest's line on which it begins, and its words."""

    line: int
    words: str


def manifest_name(file: Path) -> str:
    """The name of the corpus in a manifest's file, by which its features are kept."""
    return f"manifest-{file.stem}"


def manifest_label_types(
    file: Path, classes: Mapping[str, Sequence[str]] | None = None, scores: Sequence[str] = ()
) -> LabelTypes:
    """The label columns of a manifest as `Manifest` takes them; the file is not opened.

    Raises:
        DataError: a label's type or name cannot be.
    """
    types = LabelTypes({column: tuple(names) for column, names in (classes or {}).items()}, tuple(scores))
    for column, names in types.classes.items():
        if len(names) < 2 or len(set(names)) < len(names):
            raise DataError(f"{file}: classes of {column!r} are {', '.join(names)}; give two or more, each once")
    for column in (*types.classes, *types.scores):
        if column.lower() in RESERVED:
            raise DataError(f"{file}: column {column!r} is no label, its meaning is fixed; rename the label's column")
        if column in types.classes and column in types.scores:
            raise DataError(f"{file}: label {column!r} is given both as classes and as a score; choose one")
    return types


def read_manifest(file: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and rows of a manifest as they stand there; what they say is not checked.

    Raises:
        DataError: the file is not there, or is no table of a manifest's kind.
    """
    _check_file(file)
    return _READERS[file.suffix.lower()](file)


def is_question(rows: Sequence[Row]) -> bool:
    """Whether the rows of an id are the interviewer's turn of a dialogue, which is no recording."""
    return bool(_cell(rows[0], "dialogue")) and all(_cell(row, "speaker") == INTERVIEWER for row in rows)


class Manifest(Corpus):
    """The reader of a manifest; its file's name without the suffix names the corpus.

    Labels: each column of `classes` as one of its classes, each column of `scores` as a float. Metadata: the other
    columns, and `dialogue`. Tracks: `video` and `image`.
    """

    def __init__(self, file: Path, classes: Mapping[str, Sequence[str]] | None = None, scores: Sequence[str] = ()):
        """Types the label columns: `classes` by column, in the order of their indices, and `scores`.

        Raises:
            DataError: no such file; its suffix is not .csv, .jsonl or .ndjson; a label's type or name cannot be.
        """
        _check_file(file)
        super().__init__(file.parent)
        self.file = file
        self.name = manifest_name(file)
        self.classes, self.scores = manifest_label_types(file, classes, scores)

    def scan(self) -> Iterator[Scanned]:
        """The recordings in the order of their first rows; a manifest that cannot be read as a whole is one error."""
        try:
            columns, rows = _READERS[self.file.suffix.lower()](self.file)
            labels = (*self.classes, *self.scores)
            own = [row for row in rows if not is_question([row])]  # of a question a split says nothing
            if warnings := suspicions(self.file, columns, own, RESERVED, labels):
                yield Scanned(self.file.name, None, tuple(warnings))
            require_columns(self.file, columns, (*_REQUIRED, *labels))
            if not rows:
                raise RuleError("empty-corpus", f"{self.file}: lists no recording; add a row")
        except RuleError as error:
            yield Scanned(self.file.name, None, (as_finding(error),))
            return
        by_id: dict[str, list[Row]] = {}
        for row in rows:
            by_id.setdefault(row["id"], []).append(row)
        dialogues, faults = self._dialogues(by_id)
        splits: dict[str, Row] = {}
        for identifier, own in by_id.items():
            if identifier in faults:
                yield Scanned(identifier, None, (as_finding(faults[identifier]),))
            elif not is_question(own):
                yield self._scanned(identifier, own, columns, splits, dialogues)

    def _scanned(
        self,
        identifier: str,
        rows: list[Row],
        columns: tuple[str, ...],
        splits: dict[str, Row],
        dialogues: Mapping[str, Mapping[float, _Turn]],
    ) -> Scanned:
        try:
            self._check_identity(rows, splits)
            recording = self._recording(rows, columns)
        except RuleError as error:
            return Scanned(identifier or f"line {rows[0].line}", None, (as_finding(error),))
        if name := _cell(rows[0], "dialogue"):
            numbers = list(dialogues[name])
            recording = dataclasses.replace(
                recording,
                metadata={**recording.metadata, "dialogue": name},
                dialogue=tuple(turn.words for turn in dialogues[name].values()),
                turn=numbers.index(float(rows[0]["turn"])),
            )
        return Scanned(identifier, recording)

    def _dialogues(self, by_id: Mapping[str, list[Row]]) -> tuple[dict[str, dict[float, _Turn]], dict[str, RuleError]]:
        """The turns of each dialogue by their numbers, in order; and by id what is wrong with a row's place in one."""
        dialogues: dict[str, dict[float, _Turn]] = {}
        faults: dict[str, RuleError] = {}
        spoken_in: dict[str, Row] = {}
        for identifier, rows in by_id.items():
            try:
                self._add_turn(rows, dialogues, spoken_in)
            except RuleError as error:
                faults[identifier] = error
        return {name: dict(sorted(turns.items())) for name, turns in dialogues.items()}, faults

    def _add_turn(self, rows: list[Row], dialogues: dict[str, dict[float, _Turn]], spoken_in: dict[str, Row]) -> None:
        """`spoken_in` collects by dialogue the first row that is a recording, so that none is of two splits."""
        first = rows[0]
        name, turn = (_cell(first, column) for column in _OF_DIALOGUE)
        if not name and not turn:
            return
        if not (name and turn):
            raise self._fault(first, "broken-dialogue", "only one of dialogue and turn is given; give both or neither")
        number = self._number(first, "turn")
        assert number is not None  # the cell is not empty
        turns = dialogues.setdefault(name, {})
        if number in turns:
            what = f"turn {turn} of dialogue {name!r} stands on line {turns[number].line} too; number the turns anew"
            raise self._fault(first, "duplicate-turn", what)
        turns[number] = _Turn(first.line, " ".join(filter(None, map(self._text, rows))))
        if is_question(rows):
            return
        self._check_split("dialogue", first, spoken_in, "its turns are context of one another, keep it in one")

    def _check_identity(self, rows: list[Row], splits: dict[str, Row]) -> None:
        """`splits` collects by participant the first row seen, so that nobody stands in two splits."""
        first = rows[0]
        for column in _REQUIRED:
            if not first[column]:
                raise self._fault(first, f"empty-{column}", f"column {column} is empty; fill it")
        for column in _NAMES:
            self._check_name(first, column)
        self._check_split("participant", first, splits, "keep each participant in one")
        for row in rows[1:]:
            if not _cell(row, "start") or not _cell(first, "start"):
                what = f"id {row['id']!r} stands on line {first.line} too; rename it, or give both rows start and stop"
                raise self._fault(row, "duplicate-id", what)
            differing = [
                column
                for column, cell in row.cells.items()
                if column not in _OF_SEGMENT and cell != first.cells[column]
            ]
            if differing:
                column = differing[0]
                what = f"{column} is {row[column]!r}, on line {first.line} of the same id {first[column]!r}"
                raise self._fault(row, "contradictory-rows", f"{what}; make them equal")

    def _check_split(self, column: str, row: Row, seen: dict[str, Row], remedy: str) -> None:
        """Refuses a second split of what `column` names; `seen` collects by that name the first row."""
        earlier = seen.setdefault(row[column], row)
        if _cell(earlier, "split") != _cell(row, "split"):
            raise self._fault(
                row,
                f"{column}-in-two-splits",
                f"{column} {row[column]!r} is in split {_cell(row, 'split')!r}, and on line {earlier.line} in "
                f"{_cell(earlier, 'split')!r}; {remedy}",
            )

    def _check_name(self, row: Row, column: str) -> None:
        """Refuses what could not stand in a line of the tables that are made, or would be a formula to a spreadsheet."""
        name = _cell(row, column)
        if any(map(_is_control, name)):
            raise self._fault(row, "broken-name", f"column {column} holds a control character ({name!r}); take it out")
        if name.startswith(_FORMULA):
            raise self._fault(
                row, "broken-name", f"column {column} begins with {name[0]!r}, a formula to a spreadsheet; rename it"
            )
        if len(name) > _LONGEST:
            raise self._fault(
                row, "broken-name", f"column {column} has {len(name)} characters, {_LONGEST} at most; shorten it"
            )

    def _recording(self, rows: list[Row], columns: tuple[str, ...]) -> Recording:
        first = rows[0]
        wav = self._path(first, "audio")
        duration_s = audio.header(wav).duration_s if wav is not None else None
        tracks = {kind: path for kind in ("video", "image") if (path := self._path(first, kind)) is not None}
        segments = sorted(
            (self._segment(row, duration_s) for row in rows), key=lambda part: (part.start_s, part.stop_s)
        )
        if wav is None and not tracks and not any(segment.text for segment in segments):
            raise self._fault(
                first, "empty-row", "points at no audio, video, image, transcript or text; fill one of these columns"
            )
        known = {*RESERVED, *(column.lower() for column in (*self.classes, *self.scores))}
        others = [column for column in columns if column.lower() not in known]
        return Recording(
            id=first["id"],
            participant=first["participant"],
            split=_cell(first, "split"),
            segments=tuple(segments),
            labels=self._labels(first),
            metadata={column: first[column] for column in others if first[column]},
            audio=wav,
            tracks=tracks,
        )

    def _segment(self, row: Row, duration_s: float | None) -> Segment:
        start_s, stop_s = self._seconds(row, "start"), self._seconds(row, "stop")
        if (start_s is None) != (stop_s is None):
            raise self._fault(row, "broken-times", "only one of start and stop is given; give both or neither")
        if start_s is None or stop_s is None:
            start_s, stop_s = 0.0, _NOMINAL_S if duration_s is None else duration_s
        if stop_s <= start_s:
            raise self._fault(row, "broken-times", f"stop {stop_s} is not after start {start_s}; correct the times")
        if duration_s is not None and start_s >= duration_s:
            raise self._fault(
                row, "broken-times", f"start {start_s} is past the audio's end at {duration_s:.3f} s; correct the times"
            )
        stop_s = stop_s if duration_s is None else min(stop_s, duration_s)
        return Segment(start_s, stop_s, _cell(row, "speaker") or PARTICIPANT, self._text(row))

    def _text(self, row: Row) -> str:
        path = self._path(row, "transcript")
        if path is None:
            return _cell(row, "text")
        if _cell(row, "text"):
            raise self._fault(row, "contradictory-rows", "both text and transcript are given; leave one empty")
        if path.suffix.lower() != ".txt":
            raise self._fault(
                row,
                "unknown-transcript",
                f"transcript {path.name!r} is no .txt file; give its turns as rows with start, stop and text",
            )
        return " ".join(read_text(path).split())

    def _path(self, row: Row, column: str) -> Path | None:
        cell = _cell(row, column)
        if not cell:
            return None
        path = self.root / cell  # an absolute cell replaces the root
        # Path.is_file and Path.is_dir raise where a name is too long.
        is_there = os.path.isfile(path) or (column == "video" and os.path.isdir(path))  # noqa: PTH112, PTH113
        if not is_there:
            raise self._fault(row, "missing-file", f"{column} points at {path}, which is no file; correct the path")
        return path

    def _labels(self, row: Row) -> dict[str, str | int | float]:
        labels: dict[str, str | int | float] = {}
        for column, names in self.classes.items():
            if row[column] and row[column] not in names:
                near = difflib.get_close_matches(row[column], names, n=1)
                advice = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"
                raise self._fault(row, "unknown-class", f"{column} is {row[column]!r}; {advice}")
            if row[column]:
                labels[column] = row[column]
        for column in self.scores:
            value = self._number(row, column)
            if value is not None:
                labels[column] = value
        return labels

    def _seconds(self, row: Row, column: str) -> float | None:
        value = self._number(row, column) if column in row.cells else None
        if value is not None and value < 0:
            raise self._fault(row, "broken-times", f"{column} is {value}, expected seconds of 0 or more; correct it")
        return value

    def _number(self, row: Row, column: str) -> float | None:
        if not row[column]:
            return None
        try:
            value = float(row[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._fault(row, "not-a-number", f"{column} is {row[column]!r}, expected a number; correct it")
        return value

    def _fault(self, row: Row, rule: str, what: str) -> RuleError:
        return RuleError(rule, f"{self.file}, line {row.line}: {what}")


def _check_file(file: Path) -> None:
    if not file.is_file():
        raise DataError(
            f"{file}: no such manifest; name a .csv or .jsonl file, absolute or relative to the data folder"
        )
    if file.suffix.lower() not in _READERS:
        raise DataError(f"{file}: a manifest is one of {', '.join(_READERS)}; convert the file")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")


def _cell(row: Row, column: str) -> str:
    return row.cells.get(column, "")


def _read_json_lines(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The keys of all objects, in the order met, and the objects as rows; a key that an object lacks is empty."""
    objects: list[tuple[int, dict[str, str]]] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            found = _json_cells(path, number, line)
            columns |= dict.fromkeys(found)
            objects.append((number, found))
    names = {column.lower() for column in columns}
    if len(names) < len(columns):
        raise RuleError(
            "duplicate-column", f"{path}: keys that differ in case alone ({', '.join(sorted(columns))}); rename them"
        )
    rows = [Row(line, {column.lower(): found.get(column, "") for column in columns}) for line, found in objects]
    return tuple(columns), rows


def _json_cells(path: Path, line: int, text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # among them half a surrogate pair, which no file can hold
        raise RuleError("broken-json", f"{path}, line {line}: not JSON ({error}); correct the line") from None
    if not isinstance(found, dict):
        raise RuleError(
            "broken-json", f"{path}, line {line}: a JSON object is expected, found {text[:40]!r}; correct the line"
        )
    return {key: _json_cell(path, line, key, value) for key, value in found.items()}


def _json_cell(path: Path, line: int, key: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value).strip()
    raise RuleError(
        "broken-json",
        f"{path}, line {line}: {key} holds a {type(value).__name__}, expected text or a number; correct it",
    )


_READERS = {".csv": read_csv, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines}
