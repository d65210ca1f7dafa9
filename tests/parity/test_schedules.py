"""Learning rates by epoch against torch.optim.lr_scheduler."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxdep.config import Constant, Cosine, StepDecay

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
EPOCHS, RATE = 12, 0.5


def theirs(make, warmup):
    """The learning rate of each epoch, divided by the first one."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = make(optimizer, EPOCHS - warmup)
    if warmup:
        rise = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
        scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, scheduler], milestones=[warmup])
    found = []
    for _ in range(EPOCHS):
        found.append(scheduler.get_last_lr()[0] / RATE)
        optimizer.step()
        scheduler.step()
    return found


SCHEDULERS = torch.optim.lr_scheduler
CASES = {
    "constant": (Constant, lambda optimizer, epochs: SCHEDULERS.ConstantLR(optimizer, factor=1.0)),
    "cosine": (Cosine, lambda optimizer, epochs: SCHEDULERS.CosineAnnealingLR(optimizer, epochs)),
    "cosine with a floor": (
        lambda **options: Cosine(floor=0.1, **options),
        lambda optimizer, epochs: SCHEDULERS.CosineAnnealingLR(optimizer, epochs, eta_min=0.1 * RATE),
    ),
    "steps": (
        lambda **options: StepDecay(every=3, factor=0.4, **options),
        lambda optimizer, epochs: SCHEDULERS.StepLR(optimizer, 3, gamma=0.4),
    ),
}


@pytest.mark.parametrize("warmup", [0, 1, 4])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_the_factor_of_each_epoch_is_pytorchs(case, warmup):
    ours, make = CASES[case]
    schedule = ours(warmup_epochs=warmup)
    found = [float(schedule.scale(jnp.int32(epoch), EPOCHS)) for epoch in range(EPOCHS)]
    np.testing.assert_allclose(found, theirs(make, warmup), rtol=0, atol=1e-6)
