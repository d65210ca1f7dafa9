"""What is settled before programs are compiled."""

import jax
import jax.numpy as jnp
import pytest

from jaxdep.engine.devices import use_precision


@pytest.fixture
def restored():
    before = jax.config.values["jax_default_matmul_precision"]
    yield
    jax.config.update("jax_default_matmul_precision", before)


@pytest.mark.parametrize(("name", "asked"), [("float32", "HIGHEST"), ("tf32", "HIGH")])
def test_a_product_asks_the_device_for_that_precision(name, asked, restored):
    use_precision(name)
    x = jnp.ones((2, 2))
    assert f"precision = [{asked}, {asked}]" in jax.jit(jnp.matmul).lower(x, x).as_text()
