"""How many devices share one seed's batch: as configured; else, on a CPU with more cores than seeds, as is quickest."""

import dataclasses
from collections.abc import Callable, Sequence

import jax

from jaxdep import config
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.mappers import named


def quickest(
    make: Callable[[config.Mapping, Sequence[jax.Device], str | None], Ensemble],
    mapping: config.Mapping,
    devices: Sequence[jax.Device],
    *,
    lanes: int,
    batch_size: int,
    remembered: str | None = None,
) -> Ensemble:
    """The ensemble with the number of shards that makes its epochs shortest.

    Args:
        make: makes it of a mapping that says how many devices share a batch, on these devices, of a remembered layout.
        devices: that may be used; unless the config says how many share a batch, those without a lane are left out.
        remembered: the layout that was chosen for this run before; its shards are then not measured again.

    Raises:
        ConfigError: as the ensemble does.
    """

    def made(count: int, remembered: str | None = remembered) -> Ensemble:
        used = devices if mapping.data_shards else devices[: lanes * count]
        return make(dataclasses.replace(mapping, data_shards=count), used, remembered)

    if mapping.data_shards:
        return made(mapping.data_shards)
    may_share = mapping.chooses_shards and devices[0].platform == "cpu"
    most = _most(len(devices) // lanes, batch_size) if may_share else 1
    before = named(remembered or "")
    if before and before.shards in (1, most):
        return made(before.shards)
    ensemble = made(1)
    if most == 1:
        return ensemble
    layout, epoch_s, timings = ensemble.mapper, ensemble.epoch_s, ensemble.timings
    del ensemble  # before there is another: each holds the features
    ensemble = made(most)
    timings = {**timings, **ensemble.timings}
    if ensemble.epoch_s >= epoch_s:
        del ensemble
        ensemble = made(1, layout)
    ensemble.timings = timings
    return ensemble


def _most(cores: int, batch_size: int) -> int:
    """Of so many cores for each lane, how many may share a batch, which is to divide among them."""
    return max(count for count in range(1, max(cores, 1) + 1) if batch_size % count == 0)
