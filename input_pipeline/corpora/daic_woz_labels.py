"""The split files of DAIC-WOZ: the sessions of each split, with their PHQ-8 labels and the speaker's gender."""

import dataclasses
from pathlib import Path

from input_pipeline.corpora.text_files import Row, as_finding, read_csv, require_columns
from input_pipeline.errors import RuleError
from input_pipeline.recording import Finding

CLASSES = ("healthy", "depressed")
DEPRESSED_FROM_SCORE = 10  # PHQ8_Binary is defined as PHQ8_Score >= 10
ITEMS = {  # column of the split files -> label
    "PHQ8_NoInterest": "phq8_no_interest",
    "PHQ8_Depressed": "phq8_depressed",
    "PHQ8_Sleep": "phq8_sleep",
    "PHQ8_Tired": "phq8_tired",
    "PHQ8_Appetite": "phq8_appetite",
    "PHQ8_Failure": "phq8_failure",
    "PHQ8_Concentrating": "phq8_concentrating",
    "PHQ8_Moving": "phq8_moving",
}
MAX_SCORE = 24
MAX_ITEM = 3
SPLIT_FILES = {
    "train": "train_split_Depression_AVEC2017.csv",
    "dev": "dev_split_Depression_AVEC2017.csv",
    "test": "test_split_Depression_AVEC2017.csv",
}
TEST_LABELS_FILE = "full_test_split.csv"
WRONG_BINARY = {409: 1}  # session -> the right PHQ8_Binary: its score is 10, the file says 0
_GENDERS = {"0": "male", "1": "female"}
_ID = "Participant_ID"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One session as the split files list it; with an error among the findings its labels are not to be used."""

    session: int
    split: str
    file: Path
    line: int
    labels: dict[str, str | float]
    metadata: dict[str, str]
    findings: tuple[Finding, ...] = ()


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
                    entries[entry.session] = _listed_twice(first, entry)
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
    require_columns(path, columns, (_ID, "Gender", *(("PHQ8_Binary", "PHQ8_Score", *ITEMS) if labelled else ())))
    return [_entry(path, split, row, known_defects, labelled) for row in rows]


def _entry(path: Path, split: str, row: Row, known_defects: bool, labelled: bool) -> Entry:
    session = _whole_number(path, row, _ID, 999)
    labels: dict[str, str | float] = {}
    metadata: dict[str, str] = {}
    findings: list[Finding] = []
    try:
        metadata["gender"] = _gender(path, row)
        if labelled:
            labels, findings = _labels(path, row, session, "PHQ8", known_defects)
            items, missing = _items(path, row, int(labels["phq8_score"]))
            labels, findings = labels | items, findings + missing
    except RuleError as error:
        findings.append(as_finding(error))
    return Entry(session, split, path, row.line, labels, metadata, tuple(findings))


def _labels(
    path: Path, row: Row, session: int, prefix: str, known_defects: bool
) -> tuple[dict[str, str | float], list[Finding]]:
    """The class and the score of one row; `prefix` is "PHQ8" in the train and dev files, "PHQ" in the test file."""
    score = _whole_number(path, row, f"{prefix}_Score", MAX_SCORE)
    binary = _whole_number(path, row, f"{prefix}_Binary", 1)
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
    """The eight items, which add up to the score; a missing one is left out, not reconstructed from the others."""
    missing = [column for column in ITEMS if row[column].lower() in ("", "nan")]
    items = {
        label: float(_whole_number(path, row, column, MAX_ITEM))
        for column, label in ITEMS.items()
        if column not in missing
    }
    if not missing and sum(items.values()) != score:
        what = f"the eight PHQ8 items add up to {sum(items.values()):.0f}, PHQ8_Score is {score}"
        raise RuleError("contradictory-label", f"{path}, line {row.line}: {what}; correct one of them")
    findings = [
        Finding(
            "applied",
            "missing-phq8-item",
            f"{path}, line {row.line}: {column} is empty; the session has no label {ITEMS[column]}",
        )
        for column in missing
    ]
    return dict(items), findings


def _gender(path: Path, row: Row) -> str:
    if row["Gender"] not in _GENDERS:
        raise RuleError(
            "label-out-of-range",
            f"{path}, line {row.line}: Gender is {row['Gender']!r}, expected 0 (male) or 1 (female); correct it",
        )
    return _GENDERS[row["Gender"]]


def _whole_number(path: Path, row: Row, column: str, maximum: int) -> int:
    """A cell as a whole number of 0..maximum; spreadsheets may have written it as `10.0`."""
    try:
        value = float(row[column])
    except ValueError:
        value = float("nan")
    if not (0 <= value <= maximum and value == int(value)):
        raise RuleError(
            "label-out-of-range",
            f"{path}, line {row.line}: {column} is {row[column]!r}, expected a whole number, 0..{maximum}; correct it",
        )
    return int(value)


def _listed_twice(first: Entry, again: Entry) -> Entry:
    rule, what = (
        ("duplicate-id", "stands twice")
        if first.split == again.split
        else (
            "participant-in-two-splits",
            f"stands in {first.split} (line {first.line} of {first.file.name}) and in {again.split}",
        )
    )
    finding = Finding(
        "error", rule, f"{again.file}, line {again.line}: participant {again.session} {what}; remove one of the rows"
    )
    return dataclasses.replace(first, findings=(*first.findings, finding))


def _add_test_labels(entries: dict[int, Entry], path: Path, known_defects: bool, test_is_listed: bool) -> None:
    """Gives the test sessions in `entries` the labels that were published after the challenge."""
    columns, rows = read_csv(path)
    require_columns(path, columns, (_ID, "PHQ_Binary", "PHQ_Score"))
    labelled = set()
    for row in rows:
        session = _whole_number(path, row, _ID, 999)
        entry = entries.get(session)
        if entry is None and not test_is_listed:
            continue
        if entry is None or entry.split != "test":
            where = "in no split file" if entry is None else f"in {entry.split}"
            what = f"session {session} is {where}, expected one of {SPLIT_FILES['test']}"
            raise RuleError("unknown-test-session", f"{path}, line {row.line}: {what}; correct the files")
        if session in labelled:
            entries[session] = _listed_twice(entry, dataclasses.replace(entry, file=path, line=row.line))
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
