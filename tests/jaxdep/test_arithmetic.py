"""The installed XLA computes what is written; pyproject.toml excludes versions that do not."""

import os
import subprocess
import sys

# jax 0.10.2 gives wrong sums on a CPU from 32,769 rows on (https://github.com/jax-ml/jax/issues/39103).
PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
rows = np.random.default_rng(0).normal(size=(32_769, 3)).astype(np.float32)
found = jax.jit(jax.vmap(lambda row: jnp.sum((jnp.eye(3) @ row) ** 2)))(rows)
np.testing.assert_allclose(found, (rows**2).sum(1), rtol=1e-5)
"""


def test_a_mapped_product_then_a_sum_over_many_rows_by_numpy():
    """In a process of its own, which compiles as users do, not as these tests."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=plain, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
