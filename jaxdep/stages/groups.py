"""Decisions of another stage, group by group, and the gap between the groups."""

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from jaxdep.config import GroupsStage, ScoredStage
from jaxdep.config.rows import predictions_file
from jaxdep.config.stages.groups import GAPS, PREDICTIONS_OF_GROUP
from jaxdep.report.csv_files import numbers, read_csv
from jaxdep.stages import PREDICTION_COLUMNS, StageRun
from jaxdep.statistics import groups as statistics


def run(config: GroupsStage, stage: StageRun) -> None:
    """Writes a file of predictions for each group, and gaps.csv.

    Raises:
        DataError: the other stage's predictions cannot be read.
    """
    source = stage.stages[config.of]
    assert isinstance(source, ScoredStage)  # GroupsStage.check_need
    path = stage.folder.parent / config.of / predictions_file(config.task, source.task)
    frame = read_csv(path, PREDICTION_COLUMNS)
    frame = frame[frame["split"] == "test"]
    groups = frame["example"].map(dict(zip(stage.examples.group_ids, _groups(config, stage), strict=True))).fillna("")
    for index, group in enumerate(config.groups):
        stage.write_csv(PREDICTIONS_OF_GROUP.format(index), frame[groups == group])
    everybody = frame.assign(group=groups).drop_duplicates("participant")
    sizes = {group: int((everybody["group"] == group).sum()) for group in config.groups}
    diverged = stage.other(config.of).record["diverged"]
    kept = frame.assign(group=groups, seed=numbers(path, frame, "seed", whole=True))
    table = _gaps(config, stage, source.title, kept[~kept["seed"].isin(diverged)])
    stage.write_csv(GAPS.name, table)
    stage.remember(diverged=diverged, groups=sizes, remark=_remark(config, sizes, len(everybody)))


def _groups(config: GroupsStage, stage: StageRun) -> Shaped[np.ndarray, " G"]:
    """By recording, the name of its group; empty where it is not known."""
    examples = stage.examples
    if config.by in examples.classes:
        names = np.array([*examples.classes[config.by], ""])  # a missing class is -1
        return names[examples.labels[config.by][examples.first_rows]]
    known = examples.metadata.get(config.by)
    return np.full(len(examples.group_ids), "") if known is None else known[examples.first_rows]


def _gaps(config: GroupsStage, stage: StageRun, row: str, frame: pd.DataFrame) -> pd.DataFrame:
    """gaps.csv of the groups that have members enough."""
    sizes = frame.drop_duplicates("participant")["group"].value_counts()
    names = [group for group in config.groups if sizes.get(group, 0) >= statistics.LEAST]
    lines: list[tuple[object, ...]] = []
    if len(names) > 1 and not frame.empty:
        frame = frame[frame["group"].isin(names)]
        classes = stage.examples.classes[config.task]
        people, participant = np.unique(frame["participant"].to_numpy(), return_inverse=True)
        first = frame.drop_duplicates("participant").set_index("participant")["group"]
        groups = np.array([names.index(group) for group in first[people]])
        positive = 1 if len(classes) == 2 else None
        with jax.enable_x64(True):
            found = statistics.gaps(_counts(frame, participant, classes), groups, positive, classes, config.metrics)
        for metric, gap in found.items():
            ends = [(names[one], sizes[names[one]], gap.scores[one]) for one in (gap.highest, gap.lowest)]
            of_gap = gap.gap, gap.ci_low, gap.ci_high, gap.expected, gap.p
            lines.append((row, config.by, metric, *ends[0], *ends[1], *of_gap))
    return pd.DataFrame(lines, columns=list(GAPS.columns))


def _counts(frame: pd.DataFrame, participant: np.ndarray, classes: tuple[str, ...]) -> Float[np.ndarray, "P S C C"]:
    """The confusion counts of each participant under each seed."""
    index = {name: number for number, name in enumerate(classes)}
    seeds, seed = np.unique(frame["seed"].to_numpy(), return_inverse=True)
    counts = np.zeros((participant.max() + 1, len(seeds), len(classes), len(classes)))
    places = participant, seed, *(frame[name].map(index).to_numpy() for name in ("target", "prediction"))
    np.add.at(counts, places, 1)
    return counts


def _remark(config: GroupsStage, sizes: dict[str, int], everybody: int) -> str:
    """How many were scored by group, and of how many it is not known."""
    rest = everybody - sum(sizes.values())
    if not any(sizes.values()):
        return f"Of nobody who was tested the {config.by} is known."
    small = [group for group, count in sizes.items() if count < statistics.LEAST]
    parts = [f"{rest} of {everybody} who were tested are in none of these groups." if rest else ""]
    parts += [
        f"Fewer than {statistics.LEAST} participants, and so no part in the gap: {', '.join(small)}." if small else ""
    ]
    return " ".join(filter(None, parts))
