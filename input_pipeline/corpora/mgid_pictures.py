"""Which file of MGID's folder of pictures is that of a row: users fetch them, and so the names are as they came."""

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from input_pipeline import pictures
from input_pipeline.corpora.mgid_table import COLUMNS, Item, counted
from input_pipeline.corpora.text_files import as_finding, listing
from input_pipeline.errors import RuleError
from input_pipeline.recording import Finding

_UNTIL_THEN = "until then they are read without one"


def with_pictures(items: Sequence[Item], folder: Path) -> tuple[list[Item], list[Finding]]:
    """The rows with the pictures that are in `folder`, and what keeps others from having theirs.

    A picture is found by the last part of its address, escaped or not, with the query or without; it may have a suffix
    more.
    """
    if not folder.is_dir():
        what = "no such folder, so that no row has a picture"
        advice = f"fetch those of the column {COLUMNS[-1]} into it, each called as the last part of its address"
        unfetched = [dataclasses.replace(item, file=file_name(item.url)) for item in items]
        return unfetched, [Finding("warning", "missing-folder", f"{folder}: {what}; {advice}")]
    try:
        entries = [path for path in listing(folder) if not path.name.startswith(".")]
    except RuleError as error:
        return list(items), [as_finding(error)]
    there = {_composed(path.name): path for path in entries}
    found = {url: _find(url, there) for url in dict.fromkeys(item.url for item in items)}
    faults = {path: fault for path in dict.fromkeys(found.values()) if path and (fault := _fault(path))}
    matched = [_with_picture(item, found[item.url], faults) for item in items]
    return matched, [*_lacking(folder, matched, found, faults), *_strays(folder, entries, found.values())]


def file_name(url: str) -> str:
    """What the picture of an address is called without escapes and query; "" where it has no such part."""
    return _composed(unquote(_last_part(url)[0]))


def _last_part(url: str) -> tuple[str, str]:
    """The last part of an address's path, and its query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that hold no host
        return "", ""
    return parts.path.rsplit("/", 1)[-1], parts.query


def _composed(name: str) -> str:
    """A name as one sequence of characters, whichever way its accents were written."""
    return unicodedata.normalize("NFC", name)


def _find(url: str, there: Mapping[str, Path]) -> Path | None:
    """The file of those `there` by name that an address is of; the name that tells most of the address comes first."""
    last, query = _last_part(url)
    if not last:
        return None
    whole = [f"{last}?{query}"] if query else []
    names = [form for name in (*whole, last) for form in (name, unquote(name))]
    spelled = (_composed(name + suffix) for suffix in ("", *pictures.SUFFIXES) for name in names)
    return next((there[name] for name in spelled if name in there), None)


def _fault(path: Path) -> RuleError | None:
    try:
        pictures.check_header(path)
    except RuleError as error:
        return error
    return None


def _with_picture(item: Item, path: Path | None, faults: Mapping[Path, RuleError]) -> Item:
    name = path.name if path is not None else file_name(item.url)
    return dataclasses.replace(item, file=name, picture=None if path in faults else path)


def _lacking(
    folder: Path, items: Sequence[Item], found: Mapping[str, Path | None], faults: Mapping[Path, RuleError]
) -> list[Finding]:
    """The rows without a picture, by what is wrong with it."""
    by_rule: dict[str, list[Item]] = {}
    for item in items:
        path = found[item.url]
        if path is not None and path in faults:
            by_rule.setdefault(faults[path].rule, []).append(item)
        elif path is None:
            by_rule.setdefault("missing-image" if item.file else "missing-url", []).append(item)
    told = {
        "missing-url": ("have an address without a file's name", "correct it"),
        "missing-image": ("have no picture", "fetch it, called as the last part of its address"),
        "empty-image": ("have a picture of zero bytes", "fetch it again"),
        "broken-image": (f"have a file that is no picture, of {', '.join(pictures.FORMATS)}", "fetch it again"),
    }
    findings = []
    for rule, (what, advice) in told.items():
        lacking = by_rule.get(rule, [])
        first = f", {lacking[0].file[:80]!r}" if lacking and lacking[0].file else ""
        findings += counted(rule, folder, lacking, len(items), what, f"{advice}; {_UNTIL_THEN}", first)
    return findings


def _strays(folder: Path, entries: Sequence[Path], used: Iterable[Path | None]) -> list[Finding]:
    known = set(used)
    others = [path for path in entries if path not in known]
    if not others:
        return []
    what = f"{len(others)} entries are of no row ({others[0].name!r} is the first)"
    advice = "a picture is called as the last part of its address; rename or remove them"
    return [Finding("warning", "stray-file", f"{folder}: {what}; {advice}")]
