"""Slurm on this machine: a controller, one node, and the keeper of their key, in a folder of their own."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.launch.sweeps import until

_CONF = """
ClusterName=jaxdep
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={requeue_s}
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
_REQUEUE_S = 5  # a job that is requeued waits as long, as its credentials last; 120 by default


@contextlib.contextmanager
def running() -> Iterator[Path]:
    """While this lasts, SLURM_CONF of what is yielded leads to it. Its logs are told where it does not come up.

    Yields:
        The path of slurm.conf.
    """
    path = f"{os.environ['PATH']}:/usr/sbin"
    lacking = [name for name in ("munged", "slurmctld", "slurmd", "srun") if not shutil.which(name, path=path)]
    assert not lacking, f"{', '.join(lacking)}: not installed; apt-get install munge slurmctld slurmd slurm-client"
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)  # short, as the path of a socket must be
        conf = _configure(folder)
        environment = os.environ | {"PATH": path, "SLURM_CONF": str(conf)}
        for command in (_munged(folder), ["slurmctld", "-D"], ["slurmd", "-D"]):
            stack.enter_context(_daemon(command, folder, environment))
            if command[0] == "munged":
                until((folder / "munge.socket").exists, 20)
        try:
            until(lambda: "idle" in _told(["sinfo", "--noheader", "--format=%T"], environment), 60)
        except AssertionError:
            raise AssertionError("\n".join(log.read_text() for log in folder.glob("*.log"))) from None
        yield conf


def _configure(folder: Path) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    conf = folder / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    conf.write_text(
        _CONF.format(host=host, user=getpass.getuser(), folder=folder, ports=_free_ports(2), requeue_s=_REQUEUE_S)
    )
    return conf


def _munged(folder: Path) -> list[str]:
    names = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    return ["munged", "--foreground", "--force", *(f"--{key}={folder / name}" for key, name in names.items())]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def _daemon(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / f"{command[0]}.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _told(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout
