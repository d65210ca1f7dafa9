"""A sweep as a manifest for Kubernetes: an Indexed Job whose index is the number of a chunk. It is printed, for kubectl.

    python -m launch.kubernetes --config=configs/quickstart.py --workdir=/sweeps/many --data_dir=/sweeps/data --seeds=1000 \
        --chunk=100 --image=IMAGE --claim=sweeps --gpus=1 --node=cloud.google.com/gke-accelerator=nvidia-l4 | kubectl apply -f -

`--claim` is a PersistentVolumeClaim of access mode ReadWriteMany, mounted at `--mount`; paths are those in the containers. An
experiment that takes several waves becomes a JobSet, which must be installed in the cluster (v0.8 or newer).
"""

import math
import re
from typing import Any

import yaml
from absl import flags

from input_pipeline.config import ConfigError
from launch import options, tpu_hosts
from launch.plan import Plan
from launch.process import TERMINATED, WAITS

IMAGE = flags.DEFINE_string("image", None, "Of the container, with jaxdep and the configs in it.", required=True)
CLAIM = flags.DEFINE_string("claim", None, "The PersistentVolumeClaim that all pods share.", required=True)
MOUNT = flags.DEFINE_string("mount", "/sweeps", "Where it is mounted; the workdir lies in it.")
NAMESPACE = flags.DEFINE_string("namespace", None, "Of the job.")
NODE = flags.DEFINE_multi_string(
    "node", [], "A label that nodes must have, as LABEL=VALUE; may be given several times."
)
SPOT = flags.DEFINE_bool("spot", False, "Take spot nodes of Google's.")
TPU = flags.DEFINE_string("tpu", None, "Google's name of a TPU, as tpu-v5-lite-podslice; a chunk has a host of it.")
TOPOLOGY = flags.DEFINE_string("topology", "2x2", "Of the slice of TPU.")
TPU_CHIPS = flags.DEFINE_integer("tpu_chips", 4, "Chips of a host of it.", 1)

_GRACE_S = 60  # from SIGTERM to SIGKILL; a checkpoint takes 30 at most
_CONTAINER, _VOLUME = "chunk", "sweeps"

flags.adopt_module_key_flags(options)


def launch(plan: Plan) -> None:
    """Prints the manifest; a dry run is the same."""
    options.check_shared(MOUNT.value)
    print("".join(f"# {line}\n" for line in plan.described()), end="")
    print(yaml.safe_dump(manifest(plan), sort_keys=False, width=1000), end="")


def manifest(plan: Plan) -> dict[str, Any]:
    """A Job; or a JobSet of one for each wave, which waits for the one before."""
    metadata = {"name": plan.resource_name} | ({"namespace": NAMESPACE.value} if NAMESPACE.value else {})
    if plan.waves == 1:
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": _job(plan, is_last=True)}
    jobs = [
        {
            "name": f"wave-{wave}",
            "replicas": 1,
            "template": {"spec": _job(plan, is_last=wave == plan.waves - 1)},
            **({"dependsOn": [{"name": f"wave-{wave - 1}", "status": "Complete"}]} if wave else {}),
        }
        for wave in range(plan.waves)
    ]
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": metadata,
        "spec": {"replicatedJobs": jobs},
    }


def waiting_is_done(command: str) -> str:
    """A shell's lines that run a command and end as it does, but well where it waits; SIGTERM is handed on.

    A pod that is replaced at once would wait in the place of chunks that have not begun.
    """
    return f"""{command} &
trap "kill -TERM $!" TERM
wait $!; code=$?
while kill -0 $! 2>/dev/null; do wait $!; code=$?; done
[ $code -eq {WAITS} ] || exit $code"""


def _job(plan: Plan, is_last: bool) -> dict[str, Any]:
    return {
        "completionMode": "Indexed",
        "completions": len(plan.chunks),
        "parallelism": min(plan.parallel or len(plan.chunks), len(plan.chunks)),
        "backoffLimitPerIndex": options.RETRIES.value,
        "podFailurePolicy": {
            "rules": [
                {  # preempted, evicted, drained
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
                {"action": "Ignore", "onExitCodes": _exit_codes(WAITS, TERMINATED)},
                {"action": "FailIndex", "onExitCodes": _exit_codes(1, 2)},  # it would be the same again
            ]
        },
        "template": {"metadata": {"labels": {"app": plan.resource_name}}, "spec": _pod(plan, is_last)},
    }


def _exit_codes(*codes: int) -> dict[str, Any]:
    return {"containerName": _CONTAINER, "operator": "In", "values": list(codes)}


def _pod(plan: Plan, is_last: bool) -> dict[str, Any]:
    command, environment, selector = plan.indexed("JOB_COMPLETION_INDEX"), _environment(), _selector()
    container = {
        "name": _CONTAINER,
        "image": IMAGE.value,
        "command": ["/bin/sh", "-c", f"exec {command}" if is_last else waiting_is_done(command)],
        **({"env": [{"name": name, "value": value} for name, value in environment.items()]} if environment else {}),
        "resources": _resources(),
        "volumeMounts": [{"name": _VOLUME, "mountPath": MOUNT.value}],
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_S,
        **({"nodeSelector": selector} if selector else {}),
        "containers": [container],
        "volumes": [{"name": _VOLUME, "persistentVolumeClaim": {"claimName": CLAIM.value}}],
    }


def _environment() -> dict[str, str]:
    return tpu_hosts.alone(TPU_CHIPS.value) if TPU.value and _chips() > TPU_CHIPS.value else {}


def _resources() -> dict[str, Any]:
    devices = {"nvidia.com/gpu": options.GPUS.value} if options.GPUS.value else {}
    if TPU.value:
        devices["google.com/tpu"] = min(TPU_CHIPS.value, _chips())
    asked: dict[str, Any] = {"cpu": options.CPUS.value} if options.CPUS.value else {}
    if options.MEMORY_GB.value:
        asked["memory"] = f"{options.MEMORY_GB.value:g}G"
    return {"requests": asked | devices, "limits": devices}


def _selector() -> dict[str, str]:
    labels = dict(one.partition("=")[::2] for one in NODE.value)
    if TPU.value:
        labels["cloud.google.com/gke-tpu-accelerator"] = TPU.value
        labels["cloud.google.com/gke-tpu-topology"] = TOPOLOGY.value
    return labels | ({"cloud.google.com/gke-spot": "true"} if SPOT.value else {})


def _chips() -> int:
    """Of the whole slice of TPU."""
    if not re.fullmatch(r"\d+(x\d+){1,2}", TOPOLOGY.value):
        raise ConfigError(f"--topology={TOPOLOGY.value}: expected such as 2x2 or 2x2x4")
    return math.prod(map(int, TOPOLOGY.value.split("x")))


if __name__ == "__main__":
    options.start(launch)
