"""The commands that run a sweep on a slice of Google's TPU VMs: each host takes one chunk after another. They are printed.

    python -m launch.tpu --config=configs/quickstart.py --workdir=/sweeps/many --data_dir=/sweeps/data --seeds=1000 --chunk=100 \
        --zone=us-west4-a --accelerator_type=v5litepod-16 --runtime_version=v2-alpha-tpuv5-lite --share=10.0.0.2:/share --spot

`--share` is a file share (Filestore) that all hosts mount at `--mount`, where the workdir lies. Run it in the folder of the code,
which is copied to every host. A slice that was taken back is created again by the same commands, and the sweep goes on.
"""

import shlex
from collections.abc import Iterator

from absl import flags

from launch import options, tpu_hosts
from launch.plan import Plan

ZONE = flags.DEFINE_string("zone", None, "Of the slice.", required=True)
ACCELERATOR_TYPE = flags.DEFINE_string("accelerator_type", "v5litepod-4", "Google's name of the slice.")
RUNTIME_VERSION = flags.DEFINE_string("runtime_version", "v2-alpha-tpuv5-lite", "The software of its hosts.")
HOSTS = flags.DEFINE_integer("hosts", 1, "Of the slice: v5litepod-16 has 4.", 1)
TPU_CHIPS = flags.DEFINE_integer("tpu_chips", 4, "Chips of a host, of several.", 1)
SPOT = flags.DEFINE_bool("spot", False, "Take a slice that may be taken back.")
SHARE = flags.DEFINE_string("share", None, "The file share, as ADDRESS:/NAME.", required=True)
MOUNT = flags.DEFINE_string("mount", "/sweeps", "Where it is mounted; the workdir lies in it.")

flags.adopt_module_key_flags(options)


def launch(plan: Plan) -> None:
    """Prints the commands; a dry run is the same."""
    options.check_shared(MOUNT.value)
    print(*(f"# {line}" for line in plan.described()), sep="\n")
    print(*commands(plan), sep="\n")


def commands(plan: Plan) -> Iterator[str]:
    """From the request for a slice to its deletion, each with a line on it."""
    name, zone = plan.resource_name, f"--zone={ZONE.value}"
    tpus = ["gcloud", "compute", "tpus"]
    on_all = [*tpus, "tpu-vm", "ssh", name, zone, "--worker=all"]
    yield "# a slice, when there is one"
    yield shlex.join(
        [
            *tpus,
            *("queued-resources", "create", name, f"--node-id={name}", zone),
            f"--accelerator-type={ACCELERATOR_TYPE.value}",
            f"--runtime-version={RUNTIME_VERSION.value}",
            *(["--spot"] if SPOT.value else []),
        ]
    )
    yield "# until its state is ACTIVE"
    yield shlex.join([*tpus, "queued-resources", "describe", name, zone, "--format=value(state.state)"])
    yield "# the code and the shared folder on every host"
    yield shlex.join([*tpus, "tpu-vm", "scp", "--recurse", ".", f"{name}:jaxdep", zone, "--worker=all"])
    mount = shlex.join(["sudo", "mount", "-t", "nfs", SHARE.value, MOUNT.value])
    prepare = f"python3 -m pip install -e 'jaxdep[tpu]' && sudo mkdir -p {shlex.quote(MOUNT.value)} && {mount}"
    yield shlex.join([*on_all, f"--command={prepare}"])
    environment = tpu_hosts.alone(TPU_CHIPS.value) if HOSTS.value > 1 else {}
    run = " ".join([*(f"{key}={value}" for key, value in environment.items()), shlex.join(plan.any_chunk("python3"))])
    waves = f", {plan.waves} times, as what others made is needed" if plan.waves > 1 else ""
    yield f"# the sweep{waves}; the same command goes on after a loss"
    yield shlex.join([*on_all, f"--command=cd jaxdep && {run}"])
    yield "# the report, and the end"
    yield shlex.join([*on_all[:-1], "--worker=0", f"--command=cd jaxdep && {plan.join('python3')}"])
    yield shlex.join([*tpus, "queued-resources", "delete", name, zone, "--force", "--quiet"])


if __name__ == "__main__":
    options.start(launch)
