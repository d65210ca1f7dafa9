"""DAIC-WOZ as distributed for AVEC 2017: folders `300_P` to `492_P` and the split files beside them."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from input_pipeline import audio
from input_pipeline.corpora import daic_woz_labels, daic_woz_transcript
from input_pipeline.corpora.interview_labels import CLASSES, ITEM_LABELS, Entry
from input_pipeline.corpora.text_files import as_finding, is_apple_double, listing, read_text
from input_pipeline.errors import DataError, RuleError
from input_pipeline.recording import SYNTHETIC_MARKER, Corpus, Finding, Recording, Scanned, Segment

ABSENT_SESSIONS = (342, 394, 398, 460)  # never distributed
SHORT_VIDEO_SESSION = 402  # its video tracks end about two minutes before the audio
_FOLDER = re.compile(r"(\d{3})_P")
_VIDEO_TRACKS = {  # the manual says .csv, the archives hold .txt
    f"clnf_{kind.lower()}": (f"CLNF_{kind}.txt", f"CLNF_{kind}.csv")
    for kind in ("features", "features3D", "gaze", "pose", "AUs")
} | {"clnf_hog": ("CLNF_hog.bin",)}
_TRACKS = {"covarep": ("COVAREP.csv",), "formant": ("FORMANT.csv",)} | _VIDEO_TRACKS


class DaicWoz(Corpus):
    """The reader of DAIC-WOZ: one recording a session, a segment a speaker turn.

    Labels: `depressed`, and as scores `phq8_score` (0..24) and the eight items `phq8_sleep`, ... (0..3); the test split
    has the first two where `full_test_split.csv` is there, else none. Metadata: `gender`. Splits: train, dev, test.

    The corrections of single sessions (offsets, interruptions, the label of 409, absent sessions) belong to the real
    corpus: a stand-in is read without them unless its marker file says `"defects": true`.
    """

    name = "daic_woz"
    classes: Mapping[str, tuple[str, ...]] = {"depressed": CLASSES}
    scores = ("phq8_score", *ITEM_LABELS)
    stand_in = "input_pipeline.synthesis.daic_woz:synthesize_daic_woz"

    @cached_property
    def known_defects(self) -> bool:
        """Whether the rules that are keyed by session number apply.

        Raises:
            DataError: the marker of a stand-in is not a JSON object.
        """
        if not self.synthetic:
            return True
        marker = self.root / SYNTHETIC_MARKER
        if not marker.is_file():
            raise DataError(f"{marker}: not a file; write the stand-in again")
        try:
            content = json.loads(read_text(marker))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{marker}: not JSON ({error}); write the stand-in again") from None
        if not isinstance(content, dict):
            raise DataError(
                f"{marker}: a {type(content).__name__} where an object is expected; write the stand-in again"
            )
        return content.get("defects") is True

    def scan(self) -> Iterator[Scanned]:
        """First the files that cannot be read as a whole, then every listed session, then the folders besides."""
        entries, broken = daic_woz_labels.read_entries(self.root, self.known_defects)
        for file, finding in broken.items():
            yield Scanned(file, None, (finding,))
        if not entries and not broken:
            message = f"{self.root}: the split files list no session; restore them from the corpus's archive"
            yield Scanned(self.name, None, (Finding("error", "empty-corpus", message),))
        if companions := _apple_double(self.root):
            yield Scanned(self.name, None, tuple(companions))
        folders = self._folders()
        for entry in entries:
            yield self._session(entry, folders.get(entry.session))
        listed = {entry.session for entry in entries}
        if not broken:  # else it is not known what is listed
            yield from self._unlisted(folders, listed)
        yield from self._absent(folders, listed)

    def remedy(self, split: str) -> str:
        """The test split's labels were published in a file of their own, which many copies lack."""
        path = self.root / daic_woz_labels.TEST_LABELS_FILE
        return (
            "" if split != "test" or path.is_file() else f"{path} has them; put it there, or report validation instead"
        )

    def _folders(self) -> dict[int, Path]:
        matches = ((path, _FOLDER.fullmatch(path.name)) for path in listing(self.root) if path.is_dir())
        return {int(match.group(1)): path for path, match in matches if match}

    def _session(self, entry: Entry, folder: Path | None) -> Scanned:
        findings = list(entry.findings)
        recording = None
        if folder is None:
            findings.append(self._no_folder(entry))
        else:
            try:
                recording, found = self._recording(entry, folder)
            except RuleError as error:
                found = [as_finding(error)]
            findings += found
        if folder is None or any(finding.severity == "error" for finding in findings):
            recording = None
        return Scanned(str(entry.session), recording, tuple(findings))

    def _no_folder(self, entry: Entry) -> Finding:
        folder = self.root / f"{entry.session}_P"
        listed = f"{entry.file}, line {entry.line}: session {entry.session}"
        if self.known_defects and entry.session in ABSENT_SESSIONS:
            return Finding("applied", "absent-session", f"{listed} was never distributed; left out")
        return Finding(
            "error", "missing-session", f"{listed} has no folder {folder}; unpack {entry.session}_P.zip there"
        )

    def _recording(self, entry: Entry, folder: Path) -> tuple[Recording | None, list[Finding]]:
        files = {path.name.lower(): path for path in listing(folder) if not is_apple_double(path)}
        findings = _apple_double(folder)

        def expected(suffix: str) -> Path:
            name = f"{entry.session}_{suffix}"
            return files.get(name.lower(), folder / name)

        wav = expected("AUDIO.wav")
        duration_s = None
        try:
            duration_s = audio.header(wav).duration_s
        except RuleError as error:
            findings.append(as_finding(error))
        segments, found = self._segments(entry.session, expected("TRANSCRIPT.csv"), duration_s)
        findings += found
        tracks = _tracks(entry.session, files)
        if self.known_defects and entry.session == SHORT_VIDEO_SESSION and tracks.keys() & _VIDEO_TRACKS.keys():
            findings.append(
                Finding(
                    "applied",
                    "short-video",
                    f"{folder}: the video's tracks end about two minutes early; used as they are",
                )
            )
        number = str(entry.session)
        return Recording(number, number, entry.split, segments, entry.labels, entry.metadata, wav, tracks), findings

    def _segments(self, number: int, path: Path, duration_s: float | None) -> tuple[tuple[Segment, ...], list[Finding]]:
        try:
            rows, errors = daic_woz_transcript.read_rows(path)
        except RuleError as error:
            return (), [as_finding(error)]
        if duration_s is None:  # the audio's own error is reported; the transcript is still looked through
            duration_s = float("inf")
        session = daic_woz_transcript.Session(number, path, duration_s, self.known_defects)
        segments, found = daic_woz_transcript.turns(rows, session)
        return segments, errors + found

    def _unlisted(self, folders: Mapping[int, Path], listed: set[int]) -> Iterator[Scanned]:
        for session, folder in folders.items():
            if session not in listed:
                message = f"{folder}: session {session} stands in no split file; left out"
                yield Scanned(str(session), None, (Finding("applied", "unlisted-session", message, left_out=1),))

    def _absent(self, folders: Mapping[int, Path], listed: set[int]) -> Iterator[Scanned]:
        for session in ABSENT_SESSIONS if self.known_defects else ():
            if session not in folders and session not in listed:
                message = f"{self.root}: session {session} was never distributed; left out"
                yield Scanned(str(session), None, (Finding("applied", "absent-session", message),))


def _tracks(session: int, files: Mapping[str, Path]) -> dict[str, Path]:
    found = {}
    for kind, suffixes in _TRACKS.items():
        names = [f"{session}_{suffix}".lower() for suffix in suffixes]
        present = [files[name] for name in names if name in files]
        if present:
            found[kind] = present[0]
    return found


def _apple_double(folder: Path) -> list[Finding]:
    count = sum(is_apple_double(path) for path in listing(folder))
    return [Finding("applied", "apple-double", f"{folder}: {count} `._` entries of macOS ignored")] if count else []
