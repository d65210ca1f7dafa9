"""Every test runs with eight virtual CPU devices, strict broadcasting, and NaN-safe defaults."""

import jax

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
