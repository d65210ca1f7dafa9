"""Some of the pictures that a network is given, from `SAMPLES` and the strips beside it."""

from pathlib import Path

from input_pipeline.errors import DataError
from jaxdep.config.stages.samples import SAMPLES, STRIP
from jaxdep.report.csv_files import refuse
from jaxdep.report.exhibits.parts import Cell, Draw, ExhibitKind, Grid, Part, Thumbnail, read_rows, within


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """A line a recording. Raises DataError where a file is wrong."""
    path = folder / SAMPLES.name
    frame = read_rows(path, SAMPLES.columns, ("feature", "recording"))
    frames = within(path, frame, "frames", 0, whole=True)
    # A name that leads elsewhere would put any file of the machine on the page.
    expected = [STRIP.format(line) for line in range(len(frame))]
    refuse(
        path,
        frame,
        "picture",
        (frame["picture"] != "") & (frame["picture"].to_numpy() != expected),
        "is no strip of this line",
    )
    shown = (frame["picture"] != "").any()
    left_out = f"The pictures are left out; --config.stages.{folder.name}.pictures=True shows them."
    headings = (
        *(["Frames"] if shown else []),
        "Recording",
        frame["task"].iloc[0].capitalize(),
        "Split",
        "frames there are",
    )
    body = []
    for (_, line), count in zip(frame.iterrows(), frames, strict=True):
        pictures = [_strip(folder, str(line["picture"]), str(line["recording"]))] if shown else []
        body.append((*pictures, *(str(line[name]) for name in ("recording", "label", "split")), str(count)))
    grid = Grid(headings, tuple(body), len(headings) - 1)
    return (Part("", () if shown else (left_out,), (), (grid,)),)


def _strip(folder: Path, name: str, recording: str) -> Cell:
    if not name:
        return "no frame"
    try:
        return Thumbnail((folder / name).read_bytes(), f"frames of {recording}")
    except OSError as error:
        raise DataError(f"{folder / name}: cannot be read ({error.strerror}); run the stage again") from None


EXHIBIT = ExhibitKind("samples", (SAMPLES,), parts)
