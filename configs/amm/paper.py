"""The whole paper on one page: Tables III to V and Figure 3, every network trained once, 20 seeds.

    python -m jaxdep.main --config=configs/amm/paper.py --workdir=runs/amm --data_dir=DIR
    python -m jaxdep.main --config=configs/amm/paper.py:synthetic --workdir=runs/amm_synthetic

DIR holds `mgid/` and `daic_woz/`, as table4.py and table3_daic.py say. `:glove` has GloVe's vectors for five of the baselines, as
table3_mgid.py says; without it they are hashed. A network that stands in several tables is trained in one of them; in the
others its seeds decide once more.
"""

import dataclasses
from collections.abc import Mapping

from configs.amm import _baselines as baselines
from configs.amm import _daic as daic
from configs.amm import _shared as shared
from configs.amm import figure3, table3_daic, table3_mgid, table4, table5
from input_pipeline.config import ConfigError
from jaxdep.config import EvaluateStage, Experiment, ParticipantStage, StabilityStage, StageConfig, TrainStage


def again(of: str, row: StageConfig) -> EvaluateStage:
    """The row of a network that another table has trained."""
    assert isinstance(row, TrainStage)
    fields = ("label", "section", "data", "tasks", "metrics", "published")
    return EvaluateStage(of=of, **{name: getattr(row, name) for name in fields})


def table(
    key: str, title: str, stages: Mapping[str, StageConfig], trained: Mapping[str, str] | None = None
) -> dict[str, StageConfig]:
    """A table's stages under names, and labels, that no other table has.

    Args:
        key, title: begin the names and the labels.
        trained: by a stage of the table, the one of another table that is the same network.
    """
    names = {name: f"{key}_{name}" for name in stages}
    found: dict[str, StageConfig] = {}
    for name, stage in stages.items():
        if trained and name in trained:
            stage = again(trained[name], stage)
        elif isinstance(stage, ParticipantStage):
            stage = dataclasses.replace(stage, of=names[stage.of])
        elif isinstance(stage, StabilityStage):
            rows, against = (tuple(names[one] for one in group) for group in (stage.rows, stage.against))
            stage = dataclasses.replace(stage, rows=rows, against=against, section=f"{stage.section}: {title}")
        found[names[name]] = dataclasses.replace(stage, label=f"{title}: {stage.label}")
    return found


def stages(variant: str) -> dict[str, StageConfig]:
    """Table IV trains AMM on MGID, for both tasks and for one; Table III the baselines, and AMM on DAIC-WOZ; Table V the rest."""
    synthetic, networks = variant == "synthetic", {f"amm_{one}": f"both_{one}" for one in table3_mgid.OURS}
    of_ablations = {"amm": "both_tv", "no_inter_task": "depressed_tv"}
    mgid, ablations = (
        {f"{row}{end}": f"{of}{end}" for row, of in same.items() for end in shared.PROTOCOLS}
        for same in (networks, of_ablations)
    )
    in_table4 = table4.stages(synthetic)
    cases = {name: stage for name, stage in figure3.stages(synthetic).items() if name not in in_table4}
    return {
        **in_table4,
        **cases,
        **table("table3", "Table III", table3_mgid.stages(variant), mgid),
        **table("table3_daic", "Table III, DAIC", table3_daic.stages(variant)),
        **table("table5", "Table V", table5.stages(synthetic), ablations | {"daic_amm": "table3_daic_amm_tv"}),
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "glove" or "synthetic"."""
    if variant not in baselines.VARIANTS:
        known = ", ".join(filter(None, baselines.VARIANTS))
        raise ConfigError(f"configs/amm/paper.py:{variant}: there is no such variant; there are {known}")
    synthetic = variant == "synthetic"
    return shared.experiment(
        "paper",
        ": depression and emotion from texts and pictures",
        daic.described(
            "Depression and emotion of photographs with their texts, and of utterances of interviews, told by one network for "
            "both tasks, by one for each, by what is left of them without attention, and by eight baselines.",
            synthetic,
        ),
        synthetic,
        stages(variant),
    )
