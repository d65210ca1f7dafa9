"""Stand-in corpora: small, synthetic, in the layouts of the real ones, with a planted effect of known size."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from input_pipeline.errors import DataError
from input_pipeline.synthesis.cmu_mosei import synthesize_cmu_mosei
from input_pipeline.synthesis.daic_woz import synthesize_daic_woz
from input_pipeline.synthesis.e_daic import synthesize_e_daic
from input_pipeline.synthesis.iemocap import synthesize_iemocap
from input_pipeline.synthesis.topical_chat import synthesize_topical_chat

SYNTHESIZERS: dict[str, Callable[..., Path]] = {
    "cmu_mosei": synthesize_cmu_mosei,
    "daic_woz": synthesize_daic_woz,
    "e_daic": synthesize_e_daic,
    "iemocap": synthesize_iemocap,
    "topical_chat": synthesize_topical_chat,
}


def synthesize(name: str, data_dir: Path | str, **options: Any) -> Path:
    """Writes the stand-in of the corpus `name` to `data_dir/name` and returns that folder.

    Args:
        options: as the corpus's own function in SYNTHESIZERS takes them.

    Raises:
        DataError: no stand-in exists for this corpus, an option is not one of its own or out of range, or the folder
            holds something that must not be replaced.
    """
    if name not in SYNTHESIZERS:
        raise DataError(
            f"{name}: no stand-in can be written for this corpus, only for {', '.join(sorted(SYNTHESIZERS))}"
        )
    known = list(inspect.signature(SYNTHESIZERS[name]).parameters)[1:]
    for option in options:
        if option not in known:
            raise DataError(f"{option}: the stand-in of {name} has no such option; it has {', '.join(known)}")
    return SYNTHESIZERS[name](data_dir, **options)
