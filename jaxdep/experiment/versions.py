"""What a run depends on besides its config."""

import importlib.metadata
import platform
import shutil
import subprocess
from pathlib import Path

import jax

REPORTED_PACKAGES = (
    "jaxdep",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "scikit-learn",
    "librosa",
    "tensorflow-datasets",
)


def environment() -> dict[str, str]:
    """What a run depends on besides its config: versions, backend, devices, the code's revision."""
    devices = jax.devices()
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "backend": jax.default_backend(),
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "revision": _revision(),
        **{name: _version(name) for name in REPORTED_PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _revision() -> str:
    """The commit of the checkout that the code runs from, or that it is none."""
    folder = Path(__file__).parent
    if shutil.which("git") is None:
        return "git is not installed"
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() if found.returncode == 0 else "no git checkout"
