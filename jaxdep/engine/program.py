"""What the engine asks of ONE seed's training: its state, and the pure functions that `training.build` makes.

`ensemble.py` and `feeds.py` map these functions over seeds and know nothing else of them. Each takes what it changes
first, and all else by name, so that any argument may be the seed's own or the same for all (`mappers.of_one_seed`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Scalar

from jaxdep.engine.epochs import Order, Rows
from jaxdep.engine.resident import Normalizer, Part, Resident, SeedData
from jaxdep.models import Masked, Outputs

Tree = Any  # a pytree of arrays


class Best(NamedTuple):
    """The best epoch so far by the monitored validation metric (`score`: lower is better).

    `params` and `statistics` are empty where nothing reads them (`schedule.best_weights`): they are a quarter of a state.
    """

    params: Tree
    statistics: Tree
    epoch: Int[Scalar, ""]
    score: Float[Scalar, ""]


class SeedState(NamedTuple):
    """A seed between two epochs.

    Attributes:
        params, statistics: the model's parameters, and what else it owns (batch statistics), as pure dicts.
        learning_rate_scale: what plateaus have left of the learning rate.
        waited: epochs since the best one.
        opt_state: the optimiser's, under a schedule that goes back `schedule.Kept`.
        plateau_waited: epochs since the best one or since the learning rate was last lowered; under `Newbob` 1 once its
            ramp has begun.
        stopped: by patience; diverged: a loss was not finite, and the state is that before the epoch.
    """

    params: Tree
    statistics: Tree
    opt_state: Tree
    learning_rate_scale: Float[Scalar, ""]
    best: Best
    waited: Int[Scalar, ""]
    plateau_waited: Int[Scalar, ""]
    stopped: Bool[Scalar, ""]
    diverged: Bool[Scalar, ""]


class Learned(NamedTuple):
    """What one step hands to the next; `learning_rate_scale` is the epoch's, its schedule's factor included."""

    params: Tree
    statistics: Tree
    opt_state: Tree
    loss_sum: Float[Scalar, ""]
    examples: Float[Scalar, ""]
    learning_rate_scale: Float[Scalar, ""]
    ended: Bool[Scalar, ""]


class Decisions(NamedTuple):
    """What a seed says of a part, [..., classes] probabilities or [..., 1] scores.

    Attributes:
        examples: of each example, bucket after bucket; meaningless where `Part.valid` is False.
        units: of each decision unit, what its examples come to (`Task.unit_decision`).
    """

    examples: Float[Array, "examples outputs"]
    units: Float[Array, "units outputs"]


class Program(Protocol):
    """The pure functions of one seed.

    Attributes:
        identity: says in words what is computed, shapes apart: programs that say the same take the same time.
        batch_size: examples a step.
        outputs: by task, the number of logits.
        epochs_per_call: as configured.
        lower_is_better: whether the monitored metric is.
    """

    @property
    def identity(self) -> str: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def outputs(self) -> Mapping[str, int]: ...
    @property
    def epochs_per_call(self) -> int: ...
    @property
    def lower_is_better(self) -> bool: ...

    def places(self, part: Part) -> Int[np.ndarray, " buckets"]:
        """By bucket, the batches with any example that an epoch on that part has at most; on the host, of numpy arrays.

        Raises:
            DataError: the part lacks a class that epochs are to be balanced by.
        """

    def init(self, *, seed: SeedData) -> SeedState:
        """The state before the first epoch."""

    def run_epochs(
        self,
        state: SeedState,
        *,
        seed: SeedData,
        resident: Resident,
        first_epoch: Int[Scalar, ""],
        n_epochs: Int[Scalar, ""],
        max_steps: Int[Scalar, ""],
        frozen: tuple[str, ...] = (),
        side_by_side: bool = False,
    ) -> tuple[SeedState, dict[str, Array]]:
        """Trains `n_epochs` epochs, at most `epochs_per_call`.

        Args:
            max_steps: a limit on steps an epoch: behind it no seed has an example, or it is for timing. Like the other
                numbers dynamic: one compilation serves all.
            frozen: the parts of the model that stand still, by the paths of their parameters.
            side_by_side: whether several seeds are computed as one, as under vmap.

        Returns:
            The state, and by "split/metric" the history, [epochs_per_call], NaN where an epoch was not run.
        """

    def predict(self, state: SeedState, *, seed: SeedData, resident: Resident, part: str) -> dict[str, Decisions]:
        """By task, the decisions of the reported epoch on that part."""

    def respond(
        self, state: SeedState, normalizers: Mapping[str, Normalizer], features: Mapping[str, Masked]
    ) -> Outputs:
        """What the model of the reported epoch says, without dropout, of whatever examples, as they lie in a bucket."""

    # The parts of an epoch, for features that the host hands over batch by batch; `Resident` then holds the targets
    # alone, and `features` are those of a whole batch.

    def order(self, *, seed: SeedData, resident: Resident, epoch: Int[Scalar, ""]) -> Order:
        """The batches of an epoch."""

    def begin(self, state: SeedState, *, epoch: Int[Scalar, ""]) -> Learned:
        """What the first step of that epoch takes."""

    def learn(
        self,
        learned: Learned,
        *,
        bucket: int,
        seed: SeedData,
        resident: Resident,
        rows: Rows,
        features: Mapping[str, Masked],
        epoch: Int[Scalar, ""],
        frozen: tuple[str, ...] = (),
        side_by_side: bool = False,
    ) -> Learned:
        """One step on a batch of that bucket; `frozen` as in `run_epochs`."""

    def score(
        self, weights: tuple[Tree, Tree], *, seed: SeedData, features: Mapping[str, Masked]
    ) -> dict[str, Float[Array, "batch outputs"]]:
        """By task, the logits of (params, statistics)."""

    def selected(self, state: SeedState) -> tuple[Tree, Tree]:
        """The (params, statistics) that are reported."""

    def finish(
        self,
        state: SeedState,
        *,
        learned: Learned,
        seed: SeedData,
        resident: Resident,
        logits: dict[str, Array] | None,
        epoch: Int[Scalar, ""],
    ) -> tuple[SeedState, dict[str, Array]]:
        """Judges an epoch by the logits of its validation part, if there is one.

        Returns:
            The state, and the epoch's row of the history, NaN if the seed had ended.
        """

    def decisions(self, *, logits: Mapping[str, Array], seed: SeedData, part: str) -> dict[str, Decisions]:
        """By task, what the logits of a part's examples decide."""
