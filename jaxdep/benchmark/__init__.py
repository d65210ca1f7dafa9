"""What a training step of many seeds costs, and what the same step costs in PyTorch, measured in turn in one run.

`python -m jaxdep.benchmark --peer=torch --workdir=DIR`. A system joins by an entry in `systems.SYSTEMS`. PyTorch is
imported by `torch_peer` and `torch_models` alone, which nothing else of the library imports.
"""

from jaxdep.engine.devices import hush_compiler

hush_compiler()  # here, since it must come before any module below imports JAX
