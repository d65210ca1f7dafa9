"""Divides the participants of a manifest into splits, once, and writes the manifest with them beside the old one.

    python -m input_pipeline.divide --manifest=FILE.csv [--shares=train=0.7,dev=0.15,test=0.15] [--stratify=COLUMN,...]

FILE.split.csv has the rows and columns of FILE.csv (or FILE.jsonl) and a column `split`. No participant and no dialogue
stands in two splits. With `--stratify` every split has the same shares of each value of these columns, of each combination
of values where there are several. The same participants, flags and `--seed` give the same splits, in whatever order the
rows stand. A file that is there is never replaced, and a manifest that has splits is not divided again.

Exit codes: 0 done, 1 failed, 2 usage.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from absl import app, flags
from sklearn.model_selection import train_test_split

from input_pipeline.corpora.manifest import is_question, read_manifest
from input_pipeline.corpora.text_files import Row, require_columns
from input_pipeline.errors import DataError
from input_pipeline.grouping import connected
from input_pipeline.scratch import scratch_folder
from input_pipeline.usage import parse_flags

SHARES = {"train": 0.7, "dev": 0.15, "test": 0.15}


def divide(manifest: Path, shares: Mapping[str, float] = SHARES, stratify: Sequence[str] = (), seed: int = 0) -> Path:
    """Writes the manifest with its splits, and returns the file.

    Args:
        shares: by split, of the participants (of dialogues, where these join several); they sum to 1.
        stratify: columns that are of one value for each participant.
        seed: of the draw.

    Raises:
        DataError: the manifest cannot be read, has splits, or cannot be divided so; the new file is there already.
    """
    target = manifest.with_name(f"{manifest.stem}.split.csv")
    if target.exists():
        raise DataError(f"{target}: is there already, and splits are drawn once; use it, or take it away yourself")
    if min(shares.values()) <= 0 or not np.isclose(sum(shares.values()), 1.0):
        raise DataError(f"shares: found {_listed(shares)}; use shares above 0 that sum to 1")
    columns, rows = read_manifest(manifest)
    require_columns(manifest, columns, ("id", "participant", *stratify))
    if any(row.cells.get("split") for row in rows):
        raise DataError(f"{manifest}: has splits in its column split; use them, or take the column out")
    units = _units(rows)
    split_of = _draw(manifest, _strata(manifest, rows, units, stratify), shares, seed)
    kept = [column for column in columns if column.lower() != "split"]
    cells = [[*(row[column] for column in kept), split_of.get(unit, "")] for row, unit in zip(rows, units, strict=True)]
    with scratch_folder(target) as scratch:
        file = scratch / target.name
        pd.DataFrame(cells, columns=[*kept, "split"]).to_csv(file, index=False, lineterminator="\n")
        file.rename(target)
    return target


def counts(manifest: Path, stratify: Sequence[str] = ()) -> dict[str, Counter[str]]:
    """By split of a divided manifest, how many participants have each value of these columns.

    Raises:
        DataError: the manifest cannot be read.
    """
    _, rows = read_manifest(manifest)
    own = {(row["split"], row["participant"]): _value(row, stratify) for row in rows if not is_question([row])}
    found: dict[str, Counter[str]] = {}
    for (split, _), value in own.items():
        found.setdefault(split, Counter())[value] += 1
    return found


def _units(rows: Sequence[Row]) -> list[str]:
    """Of each row, the name of what is never divided with it: the first participant of those whom dialogues join."""
    keys = []
    for row in rows:
        columns = ("id", "dialogue") if is_question([row]) else ("id", "dialogue", "participant")
        keys.append([(column, row.cells[column]) for column in columns if row.cells.get(column)])
    groups = connected(keys)
    names: dict[int, str] = {}
    for row, group in zip(rows, groups, strict=True):
        if not is_question([row]):  # whose cell `participant` says nothing
            names[group] = min(names.get(group, row["participant"]), row["participant"])
    return [names.get(group, "") for group in groups]


def _strata(manifest: Path, rows: Sequence[Row], units: Sequence[str], stratify: Sequence[str]) -> dict[str, str]:
    """The value of each unit in the columns by which the splits are stratified."""
    strata: dict[str, str] = {}
    for row, unit in zip(rows, units, strict=True):
        if is_question([row]):
            continue
        value = _value(row, stratify)
        if strata.setdefault(unit, value) != value:
            what = f"participant {row['participant']!r} is {value!r} here and {strata[unit]!r} above"
            raise DataError(f"{manifest}, line {row.line}: {what}; stratify by columns of one value a participant")
    return strata


def _draw(manifest: Path, strata: Mapping[str, str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """The split of each unit: the later splits are drawn one after another, and the first is what remains."""
    rest, (first, *later) = sorted(strata), list(shares)
    sizes = np.diff(np.rint(np.cumsum(list(shares.values())) * len(rest)).astype(int), prepend=0).tolist()
    split_of: dict[str, str] = {}
    for split, size in zip(later, sizes[1:], strict=True):
        try:
            rest, drawn = train_test_split(
                rest, test_size=size, stratify=[strata[unit] for unit in rest], random_state=seed
            )
        except ValueError as error:
            what = f"{len(strata)} participants cannot be divided into {_listed(shares)} so that each has every class"
            raise DataError(f"{manifest}: {what} ({error}); add participants, or stratify by fewer columns") from None
        split_of |= dict.fromkeys(drawn, split)
    return split_of | dict.fromkeys(rest, first)


def _value(row: Row, stratify: Sequence[str]) -> str:
    return ", ".join(row[column] or f"no {column}" for column in stratify) or "all"


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{split}={share:g}" for split, share in shares.items())


def _define_flags() -> None:
    flags.DEFINE_string("manifest", None, "The manifest, a .csv or .jsonl file.", required=True)
    flags.DEFINE_list("shares", _listed(SHARES).replace(" ", ""), "SPLIT=SHARE,...; they sum to 1.")
    flags.DEFINE_list("stratify", [], "Columns of which every split has the same shares, as the label.")
    flags.DEFINE_integer("seed", 0, "Same seed, same splits.", lower_bound=0, upper_bound=2**32 - 1)


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """The flag's texts, "train=0.7", by split."""
    shares: dict[str, float] = {}
    for text in texts:
        split, _, share = text.partition("=")
        try:
            shares[split.strip()] = float(share)
        except ValueError:
            print(f"usage error: --shares={text}: expected SPLIT=SHARE,...", file=sys.stderr)
            sys.exit(2)
    return shares


def _main(_: Sequence[str]) -> int:
    options = flags.FLAGS
    try:
        file = divide(Path(options.manifest), _shares(options.shares), options.stratify, options.seed)
        for split, found in counts(file, options.stratify).items():
            print(f"{split}: {found.total()} participants: {', '.join(f'{n} {v}' for v, n in sorted(found.items()))}")
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{file}: written; the splits were drawn with seed {options.seed}")
    return 0


if __name__ == "__main__":
    _define_flags()
    app.run(_main, flags_parser=parse_flags)
