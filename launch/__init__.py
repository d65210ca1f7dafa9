"""Sweeps on several devices and machines, by the engines that run there: each is told the same command, once a chunk of seeds.

plan.py        the chunks, the waves, and the command line of each chunk
options.py     the flags that all launchers have
process.py     a command of a chunk as a process, and what its exit code means
local.py       processes on this machine, one a device
slurm.py       arrays of jobs
ray.py         tasks with retries
kubernetes.py  a manifest: an Indexed Job, or a JobSet
tpu.py         the commands for a TPU VM slice

`python -m launch.local --config=FILE --workdir=DIR --seeds=1000 --chunk=100 --dry_run`, and so each of them.
"""
