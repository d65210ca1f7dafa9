"""Parameters that a model has at the start from another stage's, or from a published checkpoint."""

from collections.abc import Mapping

import numpy as np
from flax import traverse_util
from jaxtyping import Bool

from input_pipeline.config import ConfigError
from jaxdep.config import Start, TrainStage
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.phases import by_path, is_within
from jaxdep.engine.program import SeedState, Tree
from jaxdep.stages import StageRun
from jaxdep.stages.trained import chosen_seed, lane_of, restore, trained_stage

Weights = Mapping[str, np.ndarray]  # by path, [S, ...]


def started(config: TrainStage, stage: StageRun, ensemble: Ensemble, states: SeedState) -> SeedState:
    """The first states, with what they take from elsewhere. A seed whose source diverged counts as diverged.

    Raises:
        ConfigError: a model has no such part, or it is of another shape than here.
        DataError: the other stage has no such seed, or the checkpoint cannot be read.
    """
    if not config.start:
        return states
    host = ensemble.fetch(states)
    for index, source in enumerate(config.start):
        field = f"stages.{stage.name}.start[{index}]"
        if source.stage:
            given, diverged = _of_stage(source, stage, ensemble, field)
        else:
            given, diverged = _published(source, config, len(ensemble.lanes)), np.zeros(len(ensemble.lanes), bool)
        taken = _taken(source, given, field)
        _check_used(taken, host, field)
        best = host.best._replace(
            params=_replaced(host.best.params, taken), statistics=_replaced(host.best.statistics, taken)
        )
        host = host._replace(
            params=_replaced(host.params, taken),
            statistics=_replaced(host.statistics, taken),
            best=best,
            diverged=host.diverged | diverged,
        )
    return ensemble.restore(host)


def _of_stage(source: Start, stage: StageRun, ensemble: Ensemble, field: str) -> tuple[Weights, Bool[np.ndarray, " S"]]:
    """The parameters of another stage for each lane here, and whether they are those of a seed that diverged."""
    trained = stage.stages[source.stage]
    assert isinstance(trained, TrainStage)  # TrainStage.check_need
    other = trained_stage(trained, stage.other(source.stage))
    one = None
    if source.seed != "each":
        one = chosen_seed(None if source.seed == "best" else int(source.seed), trained, other, f"{field}.seed")
    theirs, states = restore(trained, other, {lane.seed for lane in ensemble.lanes} if one is None else {one})
    folds = len(other.record["chosen"])
    lanes = [
        lane_of(lane.seed if one is None else one, theirs, other, lane.fold if folds > 1 else 0)
        for lane in ensemble.lanes
    ]
    flat: dict[str, np.ndarray] = {}
    for tree in theirs.weights(states):
        flat |= {path: values[lanes] for path, values in by_path(tree).items()}
    return flat, np.asarray(states.diverged)[lanes]


def _published(source: Start, config: TrainStage, n_lanes: int) -> Weights:
    found = {path: np.asarray(values) for path, values in by_path(config.model.published(source.checkpoint)).items()}
    return {path: np.broadcast_to(values, (n_lanes, *values.shape)) for path, values in found.items()}


def _taken(source: Start, given: Weights, field: str) -> Weights:
    """What is taken of the other model, by its path in this one."""
    within = {path: values for path, values in given.items() if is_within(path, source.part)}
    if not within:
        tops = sorted({path.partition(".")[0] for path in given})
        raise ConfigError(f"{field}.part: the other model has no {source.part!r}; at its top it has {', '.join(tops)}")
    for left_out in source.without:
        if not any(is_within(path, left_out) for path in within):
            raise ConfigError(f"{field}.without: there is no {left_out!r} in what is taken")
    into = source.into or source.part
    return {
        ".".join(filter(None, (into, path[len(source.part) :].strip(".")))): values
        for path, values in within.items()
        if not any(is_within(path, left_out) for left_out in source.without)
    }


def _check_used(taken: Weights, host: SeedState, field: str) -> None:
    here = by_path(host.params) | by_path(host.statistics)
    for path, values in taken.items():
        if path not in here:
            raise ConfigError(f"{field}: this model has no {path!r}; name a part that both have, or leave it out")
        if here[path].shape != values.shape:
            raise ConfigError(
                f"{field}: {path!r} is {values.shape[1:]} there, {here[path].shape[1:]} here; leave it out by `without`"
            )


def _replaced(tree: Tree, taken: Weights) -> Tree:
    flat = traverse_util.flatten_dict(tree)
    return traverse_util.unflatten_dict(
        {keys: _as(taken.get(".".join(map(str, keys)), values), values) for keys, values in flat.items()}
    )


def _as(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.array(values, like.dtype)
