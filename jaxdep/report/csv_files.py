"""Reads the CSV files of stages. What is wrong in one is a DataError that names file, line and field."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from input_pipeline.errors import DataError


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The file's cells as text, as written; columns beyond `columns` are kept."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stage {path.parent.name!r} first") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not a CSV file ({str(error).strip()}); delete the stage's folder and run it again"
        ) from None
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(
            f"{path}: header: no column {missing[0]!r}, found {list(frame.columns)}; expected {list(columns)}"
        )
    return frame


def numbers(path: Path, frame: pd.DataFrame, name: str, whole: bool = False) -> np.ndarray:
    """A column as numbers. `nan` is a number (the loss of a seed that diverged), an empty cell is not."""
    values = pd.to_numeric(frame[name].replace({"nan": "NaN"}), errors="coerce")
    wrong = values.isna() & (frame[name].str.lower() != "nan")
    refuse(path, frame, name, wrong, "is not a number")
    if whole:
        refuse(path, frame, name, values.isna() | (values % 1 != 0), "is not a whole number")
    return values.to_numpy(np.int64 if whole else np.float64)


def refuse(path: Path, frame: pd.DataFrame, name: str, wrong: "pd.Series[bool]", reason: str) -> None:
    """Raises DataError for the first row that is wrong; the frame's index counts the file's rows after its header."""
    if wrong.any():
        first = int(np.flatnonzero(wrong.to_numpy())[0])
        line = int(frame.index[first]) + 2
        raise DataError(f"{path}: line {line}: {name}: {frame[name].iloc[first]!r} {reason}")
