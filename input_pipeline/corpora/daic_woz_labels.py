"""The split files of DAIC-WOZ: the sessions of each split, with their PHQ-8 labels and the speaker's gender."""

import dataclasses
from pathlib import Path

from input_pipeline.corpora.interview_labels import (
    CLASSES,
    DEPRESSED_FROM_SCORE,
    ID,
    MAX_SCORE,
    MAX_SESSION,
    Entry,
    gender,
    item_columns,
    items,
    listed_twice,
    whole_number,
)
from input_pipeline.corpora.text_files import Row, as_finding, read_csv, require_columns
from input_pipeline.errors import RuleError
from input_pipeline.recording import Finding

ITEMS = item_columns("PHQ8_")
SPLIT_FILES = {
    "train": "train_split_Depression_AVEC2017.csv",
    "dev": "dev_split_Depression_AVEC2017.csv",
    "test": "test_split_Depression_AVEC2017.csv",
}
TEST_LABELS_FILE = "full_test_split.csv"
WRONG_BINARY = {409: 1}  # session -> the right PHQ8_Binary: its score is 10, the file says 0


def read_entries(root: Path, known_defects: bool) -> tuple[list[Entry], dict[str, Finding]]:
    """Every listed session in the order of its number, and by file name what keeps a whole file from being read.

    Args:
        root: the corpus's folder.
        known_defects: whether the corrections of single sessions (409) apply.
    """
    entries: dict[int, Entry] = {}
    broken: dict[str, Finding] = {}
    for split, path in _files(root).items():
        try:
            for entry in _read_split(path, split, known_defects):
                first = entries.setdefault(entry.session, entry)
                if first is not entry:
                    entries[entry.session] = listed_twice(first, entry)
        except RuleError as error:
            broken[path.name] = as_finding(error)
    labels_path = root / TEST_LABELS_FILE
    if labels_path.is_file():
        try:
            _add_test_labels(entries, labels_path, known_defects, test_is_listed=SPLIT_FILES["test"] not in broken)
        except RuleError as error:
            broken[labels_path.name] = as_finding(error)
    return [entries[session] for session in sorted(entries)], broken


def _files(root: Path) -> dict[str, Path]:
    files = {split: root / name for split, name in SPLIT_FILES.items()}
    if not files["test"].is_file() and (root / TEST_LABELS_FILE).is_file():
        files["test"] = root / TEST_LABELS_FILE  # it lists the same sessions, with labels
    return files


def _read_split(path: Path, split: str, known_defects: bool) -> list[Entry]:
    columns, rows = read_csv(path)
    labelled = split != "test"
    require_columns(path, columns, (ID, "Gender", *(("PHQ8_Binary", "PHQ8_Score", *ITEMS) if labelled else ())))
    return [_entry(path, split, row, known_defects, labelled) for row in rows]


def _entry(path: Path, split: str, row: Row, known_defects: bool, labelled: bool) -> Entry:
    session = whole_number(path, row, ID, MAX_SESSION)
    labels: dict[str, str | float] = {}
    metadata: dict[str, str] = {}
    findings: list[Finding] = []
    try:
        metadata["gender"] = gender(path, row)
        if labelled:
            labels, findings = _labels(path, row, session, "PHQ8", known_defects)
            by_item, missing = _items(path, row, int(labels["phq8_score"]))
            labels, findings = labels | by_item, findings + missing
    except RuleError as error:
        findings.append(as_finding(error))
    return Entry(session, split, path, row.line, labels, metadata, tuple(findings))


def _labels(
    path: Path, row: Row, session: int, prefix: str, known_defects: bool
) -> tuple[dict[str, str | float], list[Finding]]:
    """The class and the score of one row; `prefix` is "PHQ8" in the train and dev files, "PHQ" in the test file."""
    score = whole_number(path, row, f"{prefix}_Score", MAX_SCORE)
    binary = whole_number(path, row, f"{prefix}_Binary", 1)
    findings = []
    if known_defects and WRONG_BINARY.get(session, binary) != binary:
        what = f"session {session} has score {score} but {prefix}_Binary {binary}; set to {WRONG_BINARY[session]}"
        findings.append(Finding("applied", "wrong-label", f"{path}, line {row.line}: {what}"))
        binary = WRONG_BINARY[session]
    if binary != (score >= DEPRESSED_FROM_SCORE):
        what = f"{prefix}_Binary {binary} contradicts {prefix}_Score {score} (1 means {DEPRESSED_FROM_SCORE} or more)"
        raise RuleError("contradictory-label", f"{path}, line {row.line}: {what}; correct one of them")
    return {"depressed": CLASSES[binary], "phq8_score": float(score)}, findings


def _items(path: Path, row: Row, score: int) -> tuple[dict[str, str | float], list[Finding]]:
    """The eight items, which add up to the score."""
    found, missing = items(path, row, ITEMS)
    if not missing and sum(found.values()) != score:
        what = f"the eight PHQ8 items add up to {sum(found.values()):.0f}, PHQ8_Score is {score}"
        raise RuleError("contradictory-label", f"{path}, line {row.line}: {what}; correct one of them")
    return dict(found), missing


def _add_test_labels(entries: dict[int, Entry], path: Path, known_defects: bool, test_is_listed: bool) -> None:
    """Gives the test sessions in `entries` the labels that were published after the challenge."""
    columns, rows = read_csv(path)
    require_columns(path, columns, (ID, "PHQ_Binary", "PHQ_Score"))
    labelled = set()
    for row in rows:
        session = whole_number(path, row, ID, MAX_SESSION)
        entry = entries.get(session)
        if entry is None and not test_is_listed:
            continue
        if entry is None or entry.split != "test":
            where = "in no split file" if entry is None else f"in {entry.split}"
            what = f"session {session} is {where}, expected one of {SPLIT_FILES['test']}"
            raise RuleError("unknown-test-session", f"{path}, line {row.line}: {what}; correct the files")
        if session in labelled:
            entries[session] = listed_twice(entry, dataclasses.replace(entry, file=path, line=row.line))
            continue
        labelled.add(session)
        entries[session] = _with_test_labels(entry, path, row, known_defects)
    for session, entry in entries.items():
        if entry.split == "test" and session not in labelled:
            message = f"{path}: no row for test session {session}; add it, or remove the file to go without test labels"
            entries[session] = dataclasses.replace(
                entry, findings=(*entry.findings, Finding("error", "missing-test-label", message))
            )


def _with_test_labels(entry: Entry, path: Path, row: Row, known_defects: bool) -> Entry:
    try:
        labels, findings = _labels(path, row, entry.session, "PHQ", known_defects)
    except RuleError as error:
        labels, findings = {}, [as_finding(error)]
    return dataclasses.replace(entry, labels=labels, findings=(*entry.findings, *findings))
