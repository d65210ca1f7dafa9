"""E-DAIC as distributed for AVEC 2019: DAIC-WOZ and interviews by an autonomous agent, with automatic transcripts.

Ringeval et al., "AVEC 2019 Workshop and Challenge", AVEC 2019, section 3.3.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from input_pipeline import audio
from input_pipeline.corpora.daic_woz_transcript import MAX_OVERRUN_S
from input_pipeline.corpora.interview_labels import (
    CLASSES,
    DEPRESSED_FROM_SCORE,
    ID,
    ITEM_LABELS,
    MAX_SCORE,
    MAX_SESSION,
    Entry,
    empty,
    gender,
    item_columns,
    items,
    listed_twice,
    whole_number,
)
from input_pipeline.corpora.text_files import (
    Row,
    as_finding,
    is_apple_double,
    listing,
    read_csv,
    require_columns,
)
from input_pipeline.errors import RuleError
from input_pipeline.recording import Corpus, Finding, Recording, Scanned, Segment

UNKNOWN_SPEAKER = "unknown"
PTSD_CLASSES = ("healthy", "ptsd")
PTSD_SEVERITY = (17, 85)  # the PCL-C: 17 items of 1..5
SPLIT_FILES = {split: f"{split}_split.csv" for split in ("train", "dev", "test")}
LABELS_FOLDER = "labels"  # where some copies keep the files of labels
ITEMS_FILE = "Detailed_PHQ8_Labels.csv"
ITEMS = item_columns("PHQ_8")
_DEPRESSION = ("PHQ_Binary", "PHQ_Score")
_PTSD = ("PCL-C (PTSD)", "PTSD Severity")
_FOLDER = re.compile(r"(\d{3})_P")
_TRACKS = {
    "egemaps": "OpenSMILE2.3.0_egemaps.csv",
    "mfcc": "OpenSMILE2.3.0_mfcc.csv",
    "openface": "OpenFace2.1.0_Pose_gaze_AUs.csv",
    "boaw_egemaps": "BoAW_openSMILE_2.3.0_eGeMAPS.csv",
    "boaw_mfcc": "BoAW_openSMILE_2.3.0_MFCC.csv",
    "bovw_openface": "BoVW_openFace_2.1.0_Pose_Gaze_AUs.csv",
    "cnn_resnet": "CNN_ResNet.mat",
    "cnn_vgg": "CNN_VGG.mat",
    "densenet201": "densenet201.csv",
    "vgg16": "vgg16.csv",
}


class EDaic(Corpus):
    """The reader of E-DAIC: one recording a session, a segment a stretch that the speech recogniser transcribed.

    The transcripts do not say who speaks: every segment's speaker is "unknown" (`UNKNOWN_SPEAKER`), and a `Segmentation`
    must be given `speakers=()` or `speakers=("unknown",)`, since its default keeps the participant's segments alone.

    Labels: `depressed`; as scores `phq8_score` (0..24) and, where `Detailed_PHQ8_Labels.csv` lists the session, the
    eight items `phq8_sleep`, ... (0..3); `ptsd`, and as a score `ptsd_severity` (17..85). Metadata: `gender`. Splits:
    train, dev, test. Tracks: the precomputed features, by the names in `_TRACKS`.

    `depressed` follows the score, of which it is defined as 10 or more; a PHQ_Binary that says otherwise is reported.
    The files of labels lie in the corpus's folder or in its `labels`; folders `300_P/300_P` are read as `300_P`.
    """

    name = "e_daic"
    classes: Mapping[str, tuple[str, ...]] = {"depressed": CLASSES, "ptsd": PTSD_CLASSES}
    scores = ("phq8_score", *ITEM_LABELS, "ptsd_severity")
    stand_in = "input_pipeline.synthesis.e_daic:synthesize_e_daic"

    def scan(self) -> Iterator[Scanned]:
        """First the files that cannot be read as a whole, then every listed session, then the folders besides."""
        entries, broken = self._entries()
        for file, finding in broken.items():
            yield Scanned(file, None, (finding,))
        if not entries and not broken:
            message = f"{self.root}: the split files list no session; restore them from the corpus's archive"
            yield Scanned(self.name, None, (Finding("error", "empty-corpus", message),))
        folders = self._folders()
        for entry in entries:
            yield self._session(entry, folders.pop(entry.session, None))
        for session, folder in folders.items():
            if not broken:  # else it is not known what is listed
                message = f"{folder}: session {session} stands in no split file; left out"
                yield Scanned(str(session), None, (Finding("applied", "unlisted-session", message, left_out=1),))

    def _folders(self) -> dict[int, Path]:
        matches = ((path, _FOLDER.fullmatch(path.name)) for path in listing(self.root) if path.is_dir())
        return {
            int(match.group(1)): inner if (inner := path / path.name).is_dir() else path
            for path, match in matches
            if match
        }

    def _entries(self) -> tuple[list[Entry], dict[str, Finding]]:
        """Every listed session in the order of its number, and by file name what keeps a whole file from being read."""
        entries: dict[int, Entry] = {}
        broken: dict[str, Finding] = {}
        for split, name in SPLIT_FILES.items():
            try:
                for entry in _read_split(self._labels_file(name), split):
                    first = entries.setdefault(entry.session, entry)
                    if first is not entry:
                        entries[entry.session] = listed_twice(first, entry)
            except RuleError as error:
                broken[name] = as_finding(error)
        items_path = self._labels_file(ITEMS_FILE)
        if items_path.is_file():
            try:
                _add_items(entries, items_path)
            except RuleError as error:
                broken[ITEMS_FILE] = as_finding(error)
        return [entries[session] for session in sorted(entries)], broken

    def _labels_file(self, name: str) -> Path:
        inner = self.root / LABELS_FOLDER / name
        return inner if inner.is_file() else self.root / name

    def _session(self, entry: Entry, folder: Path | None) -> Scanned:
        number = str(entry.session)
        findings = list(entry.findings)
        if folder is None:
            listed = f"{entry.file}, line {entry.line}: session {number}"
            what = f"has no folder {self.root / number}_P; unpack {number}_P.tar.gz there"
            return Scanned(number, None, (*findings, Finding("error", "missing-session", f"{listed} {what}")))
        try:
            files = _files(folder)
        except RuleError as error:
            return Scanned(number, None, (*findings, as_finding(error)))
        wav = files.get(f"{number}_audio.wav", folder / f"{number}_AUDIO.wav")
        transcript = files.get(f"{number}_transcript.csv", folder / f"{number}_Transcript.csv")
        duration_s = math.inf  # the transcript is looked through even if the audio has an error of its own
        try:
            duration_s = audio.header(wav).duration_s
        except RuleError as error:
            findings.append(as_finding(error))
        segments, found = _read_transcript(transcript, duration_s)
        findings += found
        if any(finding.severity == "error" for finding in findings):
            return Scanned(number, None, tuple(findings))
        tracks = {
            kind: files[name] for kind, suffix in _TRACKS.items() if (name := f"{number}_{suffix}".lower()) in files
        }
        recording = Recording(
            number, number, entry.split, segments, entry.labels, entry.metadata, audio=wav, tracks=tracks
        )
        return Scanned(number, recording, tuple(findings))


def _files(folder: Path) -> dict[str, Path]:
    """The files of a session by lower-case name, those in its `features` included."""
    features = folder / "features"
    paths = [*(listing(features) if features.is_dir() else ()), *listing(folder)]
    return {path.name.lower(): path for path in paths if path.is_file() and not is_apple_double(path)}


def _read_split(path: Path, split: str) -> list[Entry]:
    """The sessions of one file. The challenge's own test file has no labels: there, columns of labels may be absent."""
    columns, rows = read_csv(path)
    require_columns(path, columns, (ID, "Gender", *((*_DEPRESSION, *_PTSD) if split != "test" else ())))
    present = {column.lower() for column in columns}
    return [_entry(path, split, row, present) for row in rows]


def _entry(path: Path, split: str, row: Row, present: set[str]) -> Entry:
    entry = Entry(whole_number(path, row, ID, MAX_SESSION), split, path, row.line, {}, {})
    findings: list[Finding] = []
    try:
        entry.metadata["gender"] = gender(path, row)
        for columns, read in ((_DEPRESSION, _depression), (_PTSD, _ptsd)):
            if present.issuperset(column.lower() for column in columns):
                labels, found = read(path, row)
                entry.labels.update(labels)
                findings += found
    except RuleError as error:
        findings.append(as_finding(error))
    return dataclasses.replace(entry, findings=tuple(findings))


def _depression(path: Path, row: Row) -> tuple[dict[str, str | float], list[Finding]]:
    """The class and the score of one row."""
    score = whole_number(path, row, "PHQ_Score", MAX_SCORE)
    binary = whole_number(path, row, "PHQ_Binary", 1)
    depressed = int(score >= DEPRESSED_FROM_SCORE)
    findings = []
    if binary != depressed:
        what = f"PHQ_Binary {binary} contradicts PHQ_Score {score} (1 means {DEPRESSED_FROM_SCORE} or more)"
        message = f"{path}, line {row.line}: {what}; the score is followed, the label is {CLASSES[depressed]}"
        findings.append(Finding("applied", "wrong-label", message))
    return {"depressed": CLASSES[depressed], "phq8_score": float(score)}, findings


def _ptsd(path: Path, row: Row) -> tuple[dict[str, str | float], list[Finding]]:
    """The class and the severity of one row; an empty one is left out."""
    missing = empty(row, _PTSD)
    labels: dict[str, str | float] = {}
    if _PTSD[0] not in missing:
        labels["ptsd"] = PTSD_CLASSES[whole_number(path, row, _PTSD[0], 1)]
    if _PTSD[1] not in missing:
        least, most = PTSD_SEVERITY
        labels["ptsd_severity"] = float(whole_number(path, row, _PTSD[1], most, least))
    where = f"{path}, line {row.line}"
    return labels, [
        Finding("applied", "missing-ptsd-label", f"{where}: {column} is empty; the session goes without it")
        for column in missing
    ]


def _add_items(entries: dict[int, Entry], path: Path) -> None:
    """Gives the sessions that the file lists their eight items."""
    columns, rows = read_csv(path)
    require_columns(path, columns, (ID, *ITEMS))
    seen: dict[int, Row] = {}
    for row in rows:
        session = whole_number(path, row, ID, MAX_SESSION)
        if session in seen:
            what = f"session {session} stands on line {seen[session].line} too; remove one of the rows"
            raise RuleError("duplicate-id", f"{path}, line {row.line}: {what}")
        seen[session] = row
        if session in entries:
            entries[session] = _with_items(entries[session], path, row)


def _with_items(entry: Entry, path: Path, row: Row) -> Entry:
    """The entry with its items, unless they add up to another score than its own: which is right cannot be told."""
    try:
        found, findings = items(path, row, ITEMS)
    except RuleError as error:
        return dataclasses.replace(entry, findings=(*entry.findings, as_finding(error)))
    score = entry.labels.get("phq8_score")
    if not findings and score is not None and sum(found.values()) != score:
        what = f"the eight items add up to {sum(found.values()):.0f}, PHQ_Score of the session is {score:.0f}"
        message = f"{path}, line {row.line}: {what}; the session goes without items"
        found, findings = {}, [Finding("applied", "contradictory-items", message)]
    return dataclasses.replace(entry, labels={**entry.labels, **found}, findings=(*entry.findings, *findings))


def _read_transcript(path: Path, duration_s: float) -> tuple[tuple[Segment, ...], list[Finding]]:
    """The segments in order of time, within the audio, and what was found; with an error among it they are not whole."""
    try:
        columns, rows = read_csv(path)
        require_columns(path, columns, ("Start_Time", "End_Time", "Text"))
    except RuleError as error:
        return (), [as_finding(error)]
    segments, findings = [], []
    for row in rows:
        try:
            segments.append(_segment(path, row))
        except RuleError as error:
            findings.append(as_finding(error))
    segments.sort(key=lambda segment: (segment.start_s, segment.stop_s))
    if not findings and not any(segment.text for segment in segments):
        message = f"{path}: holds no word; leave the session out of the split files"
        findings.append(Finding("error", "empty-transcript", message))
    kept = [segment for segment in segments if segment.stop_s > segment.start_s]
    if len(kept) < len(segments):
        message = f"{path}: {len(segments) - len(kept)} segments of no length left out"
        findings.append(Finding("applied", "zero-length-turn", message))
    within, found = _within_audio(path, kept, duration_s)
    return tuple(within), findings + found


def _within_audio(path: Path, segments: list[Segment], end_s: float) -> tuple[list[Segment], list[Finding]]:
    """Segments clipped to the audio; where they run on long after its end, one of the two is not the session's own."""
    past = sum(segment.stop_s > end_s for segment in segments)
    if not past:
        return segments, []
    last_s = max(segment.stop_s for segment in segments)
    if last_s > end_s + MAX_OVERRUN_S:
        what = f"the last segment ends at {last_s:.1f} s, the audio at {end_s:.1f} s"
        message = f"{path}: {what}; copy the session's wav and transcript again"
        return segments, [Finding("error", "transcript-past-audio", message)]
    clipped = [
        dataclasses.replace(segment, stop_s=min(segment.stop_s, end_s))
        for segment in segments
        if segment.start_s < end_s
    ]
    message = f"{path}: {past} segments past the audio's end at {end_s:.1f} s clipped or left out"
    return clipped, [Finding("applied", "turn-past-audio", message)]


def _segment(path: Path, row: Row) -> Segment:
    start_s, stop_s = (_seconds(path, row, column) for column in ("Start_Time", "End_Time"))
    if stop_s < start_s:
        what = f"End_Time {stop_s} is before Start_Time {start_s}"
        raise RuleError("broken-transcript-row", f"{path}, line {row.line}: {what}; correct the row")
    return Segment(start_s, stop_s, UNKNOWN_SPEAKER, " ".join(row["Text"].split()))


def _seconds(path: Path, row: Row, column: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        what = f"{column} is {row[column]!r}, expected seconds as a number of 0 or more"
        raise RuleError("broken-transcript-row", f"{path}, line {row.line}: {what}; correct the row")
    return value
