"""The rows of a trained model's attention on the test split: a few to be looked at, and how peaked each head is."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.special
from jaxtyping import Float, Int

from input_pipeline.batching import Examples
from input_pipeline.errors import DataError
from jaxdep.config import AttentionStage, TrainStage
from jaxdep.config.stages.attention import ATTENTION, ATTENTION_HEADS
from jaxdep.engine import splits
from jaxdep.engine.ensemble import Responder
from jaxdep.models import Masked, ModelConfig
from jaxdep.stages import StageRun
from jaxdep.stages.trained import choice_remark, chosen_seed, lane_of, restore, trained_stage

_AT_ONCE = 64
_ENDING = "_attention"  # of the intermediates that are looked at


class _Attention(NamedTuple):
    """One branch's attention on one example, `weights` at the positions that are not padded."""

    row: int
    branch: str
    positions: Int[np.ndarray, " T"]
    weights: Float[np.ndarray, "H T"]


def run(config: AttentionStage, stage: StageRun) -> None:
    """Writes attention.csv, the rows on a few test examples, and attention_heads.csv, the means over all of them.

    Examples of which a branch has one position or none have nothing to attend to there, and are left out.

    Raises:
        DataError: nobody is tested, or the model attends to nothing.
    """
    trained = stage.stages[config.of]
    assert isinstance(trained, TrainStage)  # AttentionStage.check_need
    source = trained_stage(trained, stage.other(config.of))
    seed = chosen_seed(config.seed, trained, source, f"stages.{stage.name}.seed")
    ensemble, states = restore(trained, source, [seed])
    examples, task = source.examples, trained.task
    tested = splits.examples_tested(examples, trained.data.splits, examples.labels[task])
    if not tested.size:
        raise DataError(f"stages.{stage.name}: attention is looked at on the test split, and nobody is in it")
    shown = set(tested[np.linspace(0, len(tested) - 1, config.shown).round().astype(int)].tolist())
    rows, heads = [], []
    spare: dict[str, pd.DataFrame] = {}  # should those to be shown have nothing to attend to
    for found in _attentions(
        trained.model, examples, tested, ensemble.responder(states, lane_of(seed, ensemble, source))
    ):
        sharpness = _sharpness(trained.model, found.branch)
        heads.append(_peakedness(found, sharpness))
        if found.row in shown or found.branch not in spare:
            table = _table(found, sharpness, str(examples.ids[found.row]))
            spare.setdefault(found.branch, table)
            rows += [table] * (found.row in shown)
    if not heads:
        raise DataError(f"stages.{stage.name}.of: the model of {config.of!r} attends to nothing in the test split")
    rows = rows or list(spare.values())
    means = pd.concat(heads).groupby(["branch", "head", "sharpness"], sort=False, as_index=False)
    mean = means.agg(
        peak=("peak", "mean"),
        flatness=("flatness", "mean"),
        examples=("peak", "count"),
        target=("target", "mean"),
        concentration=("concentration", "mean"),
    )
    stage.write_csv(ATTENTION.name, pd.concat(rows, ignore_index=True)[list(ATTENTION.columns)])
    stage.write_csv(ATTENTION_HEADS.name, mean[list(ATTENTION_HEADS.columns)])
    stage.remember(remark=f"{trained.label}, seed {seed}. {choice_remark(config.seed, trained, source)}".strip())


def _attentions(
    model: ModelConfig, examples: Examples, rows: Int[np.ndarray, " n"], respond: Responder
) -> Iterator[_Attention]:
    """Of each example at `rows` and each branch, the attention of its heads, where there is more than one position."""
    for bucket in examples.buckets:
        places = np.flatnonzero(np.isin(bucket.rows, rows))
        for start in range(0, len(places), _AT_ONCE):
            batch = places[start : start + _AT_ONCE]
            filled = np.pad(batch, (0, _AT_ONCE - len(batch)), mode="edge")  # one shape, one compilation
            arrays: Any = {name: bucket.features[name] for name in model.takes()}
            features = {name: Masked(values[filled], mask[filled]) for name, (values, mask) in arrays.items()}
            found = {
                name.removesuffix(_ENDING): np.asarray(values, np.float64)
                for name, values in respond(features).intermediates.items()
                if name.endswith(_ENDING)
            }
            for place, row in enumerate(bucket.rows[batch]):
                for branch, values in found.items():
                    positions = np.flatnonzero(values[place].any(0))
                    if len(positions) > 1:
                        # Utterances count from the current one, in the middle, frames from the first.
                        origin = values.shape[-1] // 2 if branch == "text" else 0
                        yield _Attention(int(row), branch, positions - origin, values[place][:, positions])


def _sharpness(model: ModelConfig, branch: str) -> Float[np.ndarray, " H"]:
    """The target sharpness of a branch's heads, 0 for 1/T; a model of one branch is that branch."""
    of_branch: Any = getattr(model, branch, model)
    return np.asarray(of_branch.head_sharpness)


def _table(found: _Attention, sharpness: Float[np.ndarray, " H"], example: str) -> pd.DataFrame:
    head, place = (index.ravel() for index in np.indices(found.weights.shape))
    columns: Mapping[str, Any] = {
        "example": example,
        "branch": found.branch,
        "head": head,
        "sharpness": sharpness[head],
        "position": found.positions[place],
        "weight": found.weights.ravel(),
    }
    return pd.DataFrame(columns)


def _peakedness(found: _Attention, sharpness: Float[np.ndarray, " H"]) -> pd.DataFrame:
    """Of each head its largest weight times the number of positions, and exp(entropy) as their share, both 1 if flat; what
    its Σ_t A² is to be in this example, and is."""
    n_positions = found.weights.shape[1]
    columns: Mapping[str, Any] = {
        "branch": found.branch,
        "head": np.arange(len(sharpness)),
        "sharpness": sharpness,
        "peak": found.weights.max(1) * n_positions,
        "flatness": np.exp(scipy.special.entr(found.weights).sum(1)) / n_positions,
        "target": np.where(sharpness > 0, sharpness, 1 / n_positions),
        "concentration": (found.weights**2).sum(1),
    }
    return pd.DataFrame(columns)
