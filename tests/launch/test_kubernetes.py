"""The manifest: what Kubernetes is told, by its published schemas, and what a pod's shell makes of it."""

import functools
import os
import signal
import subprocess
import time

import pytest
import yaml

ARGUMENTS = ("--data_dir=/sweeps/data", "--image=registry/jaxdep:1", "--claim=sweeps", "--seeds=10", "--chunk=4")
TPU = ("--tpu=tpu-v5-lite-podslice", "--topology=4x4")
# Stands where a pod has its Python: tells its arguments, and ends as CODE says, or with 143 after SIGTERM.
PYTHON = """#!/bin/sh
printf '%s\\n' "$@" >"$0.told"
trap 'sleep 0.3; exit 143' TERM
touch "$0.listens"
[ "$CODE" = sleep ] || exit "$CODE"
sleep 30 & wait
"""


@pytest.fixture(scope="module")
def manifest(launched):
    """The manifest of a command line, as it was printed."""

    @functools.cache
    def printed(*arguments):
        return launched("kubernetes", *ARGUMENTS, *arguments, workdir="/sweeps/My_many").stdout

    return lambda *arguments: yaml.safe_load(printed(*arguments))


@pytest.fixture
def pod(tmp_path):
    """Starts the command of a job's pod, with a Python that ends by a code."""
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)

    def start(job, index, code):
        [container] = job["template"]["spec"]["containers"]
        place = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": str(index), "CODE": str(code)}
        return subprocess.Popen(container["command"], env=place)

    return start


def jobs_of(jobset):
    return [one["template"]["spec"] for one in jobset["spec"]["replicatedJobs"]]


def test_an_index_is_a_chunk_and_its_exit_code_the_pods(manifest, pod, tmp_path):
    told = manifest("--gpus=1", "--node=gpu=l4", "--parallel=2", "--memory_gb=8", "--spot")
    job = told["spec"]
    assert (told["kind"], told["metadata"]["name"]) == ("Job", "jaxdep-my-many")
    assert (job["completions"], job["parallelism"]) == (3, 2)
    assert pod(job, 2, 75).wait() == 75
    seeds = ["--config.seeds.first=8", "--config.seeds.count=2", "--config.seeds.of=10"]
    assert (tmp_path / "python.told").read_text().splitlines()[-3:] == seeds
    spec = job["template"]["spec"]
    assert spec["nodeSelector"] == {"gpu": "l4", "cloud.google.com/gke-spot": "true"}
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": 1}


def test_preemption_and_waiting_cost_no_retry_and_a_wrong_config_gets_none(manifest):
    rules = manifest()["spec"]["podFailurePolicy"]["rules"]
    by_code = {code: rule["action"] for rule in rules for code in rule.get("onExitCodes", {"values": []})["values"]}
    assert by_code == {75: "Ignore", 143: "Ignore", 1: "FailIndex", 2: "FailIndex"}
    assert [rule["action"] for rule in rules if "onPodConditions" in rule] == ["Ignore"]


def test_a_chunk_has_one_host_of_a_slice_of_tpu(manifest):
    spec = manifest(*TPU)["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
        "cloud.google.com/gke-tpu-topology": "4x4",
    }
    [container] = spec["containers"]
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    assert {"name": "TPU_PROCESS_BOUNDS", "value": "1,1,1"} in container["env"]


@pytest.mark.parametrize(("code", "of_first", "of_last"), [(0, 0, 0), (75, 0, 75), (1, 1, 1)])
def test_a_chunk_that_waits_is_done_with_all_waves_but_the_last(manifest, pod, waves, code, of_first, of_last):
    first, last = jobs_of(manifest(waves))
    assert pod(first, 0, code).wait() == of_first
    assert pod(last, 0, code).wait() == of_last


def test_sigterm_reaches_the_chunk_in_each_wave(manifest, pod, waves, tmp_path):
    for job in jobs_of(manifest(waves)):
        process = pod(job, 0, "sleep")
        give_up_at = time.monotonic() + 20
        while not (tmp_path / "python.listens").exists():
            assert time.monotonic() < give_up_at
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        (tmp_path / "python.listens").unlink()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--data_dir=data"], "--data_dir=data: is not in --mount=/sweeps, which all machines share"),
        (["--tpu=v5", "--topology=big"], "--topology=big: expected such as 2x2 or 2x2x4"),
        (["--tpu=v5", "--topology=4x4", "--tpu_chips=3"], "--tpu_chips=3: hosts of a slice have 1, 4, 8 chips"),
    ],
)
def test_what_cannot_be_is_one_line(launched, arguments, complaint):
    ended = launched("kubernetes", *ARGUMENTS, *arguments, workdir="/sweeps/w", check=False)
    assert (ended.returncode, ended.stderr) == (1, f"error: {complaint}\n")


@pytest.mark.cluster
@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
def test_the_published_schema_knows_every_field_of_a_job(manifest, version):
    import kubernetes_validate

    for arguments in ((), ("--gpus=1", "--cpus=2", "--memory_gb=7.5", "--node=a=b", "--namespace=x"), TPU):
        told = manifest(*arguments)
        assert kubernetes_validate.validate(told, version, strict=True) == version
    told["spec"]["completionmode"] = "Indexed"
    with pytest.raises(kubernetes_validate.ValidationError, match="completionmode"):
        kubernetes_validate.validate(told, version, strict=True)


@pytest.mark.cluster
def test_the_published_types_know_every_field_of_a_jobset(manifest, waves):
    import kubernetes_validate
    from kubeflow_trainer_api.models.jobset_v1alpha2_job_set import JobsetV1alpha2JobSet

    told = manifest(waves, *TPU)
    assert JobsetV1alpha2JobSet.from_dict(told).to_dict() == told
    for spec in jobs_of(told):
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "wave"}, "spec": spec}
        kubernetes_validate.validate(job, "1.37", strict=True)
    wave = told["spec"]["replicatedJobs"][1]
    wave["dependson"] = wave.pop("dependsOn")
    assert JobsetV1alpha2JobSet.from_dict(told).to_dict() != told
