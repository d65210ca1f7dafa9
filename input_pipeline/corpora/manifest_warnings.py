"""What in a manifest may be a mistake: it is read as it stands, and nothing of it is an error."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from input_pipeline.corpora.text_files import Row
from input_pipeline.recording import Finding

SPLITS = ("train", "dev", "test")  # those that a config asks for unless it says otherwise
_MOST_CLASSES = 10
_NEAR = 0.8  # of difflib's ratio: "partcipant", not "part"
_SYNONYMS = {
    "id": ("uid", "key", "name", "recording", "recording_id", "utterance_id"),
    "participant": ("subject", "subject_id", "speaker_id", "person", "patient", "patient_id", "participant_id"),
    "split": ("partition", "set", "subset"),
    "audio": ("wav", "wave", "sound", "speech", "file", "filename", "path", "audio_path", "audio_file", "wav_path"),
    "video": ("movie", "mp4", "video_path", "video_file"),
    "image": ("img", "picture", "photo", "image_path", "image_file"),
    "transcript": ("transcript_path", "transcript_file", "txt"),
    "text": ("words", "sentence", "utterance", "transcription", "message"),
    "start": ("begin", "onset", "start_s", "start_time"),
    "stop": ("end", "stop_s", "stop_time", "end_time"),
    "speaker": ("who", "role", "agent"),
    "dialogue": ("dialog", "conversation", "conversation_id", "dialogue_id"),
    "turn": ("turn_id", "turn_number", "turn_index"),
    "train": ("training", "trn", "tr"),
    "dev": ("validation", "valid", "val", "devel", "development"),
    "test": ("testing", "tst", "eval", "evaluation"),
}
_MEANS = {synonym: name for name, synonyms in _SYNONYMS.items() for synonym in synonyms}
_OF_LABELS = ("label", "class", "target", "emotion", "depress", "diagnos", "phq", "bdi", "hamd", "score", "severity")


def suspicions(
    file: Path, columns: Sequence[str], rows: Sequence[Row], known: Collection[str], labels: Collection[str]
) -> list[Finding]:
    """A warning for each column that is named nearly as a known one, split of an unusual name, and untyped label.

    Args:
        known: the columns whose meaning is fixed, in lower case.
        labels: the columns that were typed.
    """
    typed = {column.lower() for column in labels}
    others = [column for column in columns if column.lower() not in known and column.lower() not in typed]
    free = [name for name in known if name not in {column.lower() for column in columns}]
    misnamed = {column: name for column in others if (name := _meant(column, free)) is not None}
    found = [
        ("unknown-column", f"column {column!r} is metadata; did you mean {name!r}?")
        for column, name in misnamed.items()
    ]
    found += [("unusual-split", what) for what in _splits(rows)]
    found += [
        (
            "untyped-label",
            f"column {column!r} is metadata and no label; if it is one, type it: {_as_typed(column, rows)}",
        )
        for column in others
        if column not in misnamed and _is_like_a_label(column, rows, bool(typed))
    ]
    return [Finding("warning", rule, f"{file}: {what}") for rule, what in found]


def _meant(name: str, among: Sequence[str]) -> str | None:
    """Which of these names another one stands for, by what it means or by how it is spelt."""
    plain = name.lower().replace(" ", "_").replace("-", "_")
    if _MEANS.get(plain) in among:
        return _MEANS[plain]
    near = difflib.get_close_matches(plain, among, n=1, cutoff=_NEAR)
    return near[0] if near else None


def _splits(rows: Sequence[Row]) -> Iterator[str]:
    counts = Counter(row.cells.get("split", "") for row in rows)
    for split, count in sorted(counts.items()):
        if split and split not in SPLITS:
            name = _meant(split, SPLITS)
            asked = f"did you mean {name!r}?" if name else "name it in the config's Splits"
            yield f"split {split!r} of {count} rows is none of {', '.join(SPLITS)}; {asked}"
    if counts[""] and len(counts) > 1:
        yield f"{counts['']} of {len(rows)} rows have no split; nothing is trained or tested on them"


def _is_like_a_label(column: str, rows: Sequence[Row], any_typed: bool) -> bool:
    """By its name; and where nothing is typed, whatever has a few classes or is a number."""
    if any(part in column.lower() for part in _OF_LABELS):
        return True
    values = _values(column, rows)
    return not any_typed and len(values) > 1 and (len(values) <= _MOST_CLASSES or _are_numbers(values))


def _as_typed(column: str, rows: Sequence[Row]) -> str:
    values = _values(column, rows)
    if _are_numbers(values) and len(values) > 2:
        return f"--scores={column}"
    return f"--classes={column}={','.join(values[:_MOST_CLASSES])}{',...' if len(values) > _MOST_CLASSES else ''}"


def _values(column: str, rows: Sequence[Row]) -> list[str]:
    return sorted({row[column] for row in rows if row[column]})


def _are_numbers(values: Sequence[str]) -> bool:
    try:
        return [float(value) for value in values] != []
    except ValueError:
        return False
