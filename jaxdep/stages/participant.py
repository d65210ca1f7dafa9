"""One decision a participant, from the decisions on recordings that another stage wrote."""

import numpy as np
import pandas as pd

from input_pipeline.errors import DataError
from jaxdep.config import ParticipantStage
from jaxdep.stages import StageRun


def run(config: ParticipantStage, stage: StageRun) -> None:
    """Writes predictions.csv, whose examples are participants.

    Raises:
        DataError: the other stage's decisions cannot be read, or a participant's recordings differ in the label.
    """
    task, source = config.task, stage.other(config.of)
    classes = stage.examples.classes[task]
    columns = [f"p_{name}" for name in classes]
    keys = ["seed", "split", "participant"]
    path = source.folder / "predictions.csv"
    try:
        texts = dict.fromkeys(("split", "participant", "target"), str)
        table = pd.read_csv(path, usecols=[*keys, "target", *columns], dtype=texts, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: no decisions to read ({reason}); delete the stage's folder and run it again"
        ) from None
    table = table[table["split"].isin(config.report)]
    of_participant = table.groupby(keys, sort=False)
    several = of_participant["target"].nunique() > 1
    if several.any():
        _, _, name = several.index[int(np.argmax(several))]
        raise DataError(
            f"stages.{stage.name}: the recordings of participant {name} have several labels {task!r}; decide on recordings"
        )
    decided = of_participant.agg({"target": "first", **dict.fromkeys(columns, "mean")}).reset_index()
    values = decided[columns].to_numpy()
    # As everywhere: p >= 0.5 for class 1 of two, else the likeliest.
    chosen = (values[:, 1] >= values[:, 0]).astype(int) if len(classes) == 2 else values.argmax(1)
    decided.insert(2, "example", decided["participant"])
    decided.insert(5, "prediction", np.asarray(classes)[chosen])
    stage.write_csv("predictions.csv", decided)
    count = decided.groupby(["seed", "split"]).size().max() if len(decided) else 0
    stage.remember(
        diverged=source.record["diverged"], remark=f"The mean over each participant's recordings; {count} are tested."
    )
