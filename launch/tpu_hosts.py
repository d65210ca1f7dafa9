"""One host of a slice of TPU by itself: chunks have nothing to tell each other, so that no host is to wait for the others."""

from input_pipeline.config import ConfigError

_BOUNDS = {1: "1,1,1", 4: "2,2,1", 8: "2,4,1"}  # of the chips of a host


def alone(chips: int) -> dict[str, str]:
    """The environment in which the TPU runtime of a host leaves the others of its slice out.

    These names are what libtpu goes by; nobody here has run them on a slice of several hosts.

    Args:
        chips: of a host.

    Raises:
        ConfigError: there are no hosts of so many.
    """
    if chips not in _BOUNDS:
        raise ConfigError(f"--tpu_chips={chips}: hosts of a slice have {', '.join(map(str, _BOUNDS))} chips")
    return {
        "TPU_PROCESS_BOUNDS": "1,1,1",
        "TPU_CHIPS_PER_PROCESS_BOUNDS": _BOUNDS[chips],
        "TPU_VISIBLE_CHIPS": ",".join(map(str, range(chips))),
    }
