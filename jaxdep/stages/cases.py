"""Single recordings, by the shares of two detectors' seeds that decide on them rightly."""

from pathlib import Path

import pandas as pd

from input_pipeline import pictures
from input_pipeline.errors import DataError, RuleError
from input_pipeline.features import Segmentation
from jaxdep.config import CasesStage, ScoredStage
from jaxdep.config.rows import predictions_file
from jaxdep.config.stages.cases import CASES, PICTURE
from jaxdep.files import write_bytes
from jaxdep.report.csv_files import numbers, read_csv
from jaxdep.stages import PREDICTION_COLUMNS, StageRun

LONGEST = 240  # pixels of a picture's longer side


def run(config: CasesStage, stage: StageRun) -> None:
    """Writes cases.csv, a line a recording that both stages decided on, and small copies of the chosen ones' pictures.

    Raises:
        DataError: predictions cannot be read, or the two stages share no recording.
    """
    row, against = (_of_recordings(name, config, stage) for name in (config.row, config.against))
    table = row.join(against[["right", "seeds", "decision"]].add_suffix("_against"), how="inner").reset_index()
    if table.empty:
        raise DataError(
            f"stages.{stage.name}: {config.row!r} and {config.against!r} decided on no recording of "
            f"{config.data.called(config.split)!r} that is the same"
        )
    table = table.assign(
        row=stage.stages[config.row].title,
        against=stage.stages[config.against].title,
        task=config.task,
        split=config.data.called(config.split),
        chosen=_chosen(table, config.count),
    )
    stage.write_csv(CASES.name, _with_contents(table, config, stage)[list(CASES.columns)])
    stage.remember()


def _of_recordings(name: str, config: CasesStage, stage: StageRun) -> pd.DataFrame:
    """By recording, in the file's order: participant, target, how many seeds decided and how many of them were right (a
    seed that decided several times counts by the share that was), and the decision that was the most
    frequent, of equals the first by the alphabet."""
    source = stage.stages[name]
    assert isinstance(source, ScoredStage)  # CasesStage.check_need
    path = stage.folder.parent / name / predictions_file(config.task, source.task)
    frame = read_csv(path, PREDICTION_COLUMNS)
    frame = frame.assign(seed=numbers(path, frame, "seed", whole=True), right=frame["prediction"] == frame["target"])
    frame = frame[frame["split"] == config.split].rename(columns={"example": "recording"})
    of_seeds = frame.groupby(["recording", "seed"], sort=False)["right"].mean().groupby("recording", sort=False)
    decisions = frame.groupby("recording", sort=False)["prediction"].agg(lambda said: said.mode().iloc[0])
    known = frame.drop_duplicates("recording").set_index("recording")[["participant", "target"]]
    return known.assign(right=of_seeds.sum(), seeds=of_seeds.count(), decision=decisions)


def _chosen(table: pd.DataFrame, count: int) -> "pd.Series[str]":
    """By line a key of `CHOICES`, or empty; of equals the first of the file."""
    row, against = table["right"] / table["seeds"], table["right_against"] / table["seeds_against"]
    gap, better = row - against, pd.concat([row, against], axis=1).max(axis=1)
    apart = gap[gap > 0].sort_values(ascending=False, kind="stable").index[:count]
    missed = better[(better < 0.5) & ~better.index.isin(apart)].sort_values(kind="stable").index[:count]
    found = pd.Series("", index=table.index)
    found[apart], found[missed] = "gap", "missed"
    return found


def _with_contents(table: pd.DataFrame, config: CasesStage, stage: StageRun) -> pd.DataFrame:
    """The lines with words and pictures of those that are chosen, as far as they are to be shown."""
    shown = table["recording"].where(table["chosen"] != "", "")
    words: dict[str, list[str]] = {}
    if config.words:
        segmentations = [feature.segmentation for feature in config.data.computed.values()]
        words = stage.sources.words(config.data, next(iter(segmentations), Segmentation()))
    paths = stage.sources.tracks(config.data, "image") if config.pictures else {}
    copied = [
        _copied(PICTURE.format(line), paths.get(recording), stage) if config.pictures and recording else ("", "")
        for line, recording in enumerate(shown)
    ]
    names, lacks = zip(*copied, strict=True)
    told = [" ".join(filter(None, words.get(recording, []))) for recording in shown]
    return table.assign(words=told, picture=names, lacks=lacks)


def _copied(name: str, path: Path | None, stage: StageRun) -> tuple[str, str]:
    """The name of a picture's small copy, and, where it is empty, why."""
    if path is None:
        return "", "no picture"
    try:
        write_bytes(stage.folder / name, pictures.thumbnail(path, LONGEST))
    except RuleError as error:
        return "", f"no picture: {error.rule}"
    return name, ""
