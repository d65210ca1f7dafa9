"""Seeds that are trained chunk by chunk join to the run that trains them all at once, byte for byte."""

import shutil

import pytest

from jaxdep.experiment.claim import lock_of

COMMAND = (
    "--config=tiny.py",
    "--workdir=w",
    "--features_dir=features",
    "--config.stages.text.training.epochs=3",
    "--config.stages.text.training.epochs_per_call=3",
)


def chunk(first, count):
    return (*COMMAND, f"--config.seeds.first={first}", f"--config.seeds.count={count}")


def left(folder, workdir="w"):
    """By path what a run is for. Left out: stage.json, which has seconds and tells which seeds trained together;
    checkpoints, which lie as they trained together; TensorBoard's events, which have the time."""
    found = [folder / workdir / name for name in ("config.json", "environment.json")]
    found += [*folder.glob(f"{workdir}/report/**/*"), *folder.glob(f"{workdir}/stages/*/*.csv")]
    read = {str(path.relative_to(folder / workdir)): path.read_bytes() for path in found if path.is_file()}
    assert {"config.json", "environment.json", "report/report.html", "report/table.csv"} <= read.keys()
    return read


@pytest.fixture(scope="module")
def single(quick_compilation, jaxdep_main, tiny_of_module):
    """A folder with seven seeds that trained together."""
    ended = jaxdep_main(*COMMAND, "--config.seeds.count=7", cwd=tiny_of_module)
    assert ended.code == 0, ended.err
    return tiny_of_module


def copied(single, folder):
    """A folder with the same experiment, in which nothing has run; features are there."""
    folder.mkdir(exist_ok=True)
    for name in ("data", "features"):
        (folder / name).symlink_to(single / name)
    shutil.copy(single / "tiny.py", folder)
    return folder


@pytest.fixture
def place(single, tmp_path):
    return copied(single, tmp_path)


@pytest.fixture(scope="module")
def holed(single, jaxdep_main, tmp_path_factory):
    """A folder in which chunks have trained the seeds 0, 1 and 4 to 6."""
    folder = copied(single, tmp_path_factory.mktemp("holed"))
    for first, count in ((4, 3), (0, 2)):
        ended = jaxdep_main(*chunk(first, count), "--config.seeds.of=9", cwd=folder)
        assert ended.code == 0, ended.err
    return folder


def test_chunks_in_any_order_overlapping_and_done_twice_join_to_the_single_run(
    single, place, jaxdep_main, jaxdep_report
):
    for first, count in ((5, 2), (0, 3), (2, 3), (0, 3), (4, 1)):
        ended = jaxdep_main(*chunk(first, count), cwd=place)
        assert ended.code == 0, ended.err
    assert "text: finished before" in jaxdep_main(*chunk(0, 3), cwd=place).out
    assert not list(place.glob("w/chunks/*/report"))
    ended = jaxdep_report("w", cwd=place)
    assert ended.code == 0, ended.err
    assert "training" not in ended.err
    assert "missing" not in ended.out
    assert left(place) == left(single)
    ended = jaxdep_main(*COMMAND, "--config.seeds.count=7", cwd=place)  # it is an ordinary workdir
    assert ended.out.count("finished before") == 2
    assert left(place) == left(single)


def test_one_process_takes_chunk_after_chunk_but_those_that_are_held(place, jaxdep_main):
    arguments = (*COMMAND, "--config.seeds.count=4", "--chunk=2")
    held = place / "w/chunks/2-3"
    held.mkdir(parents=True)
    with lock_of(held):
        ended = jaxdep_main(*arguments, cwd=place)
        assert ended.code == 0, ended.err
        assert "other processes are at work on seeds 2-3" in ended.out
        assert not (held / "stages").exists()
        ended = jaxdep_main(*chunk(2, 2), cwd=place)
        assert (ended.code, ended.complaint) == (75, "w: another process is at work on seeds 2-3")
    ended = jaxdep_main(*arguments, cwd=place)
    assert ended.code == 0, ended.err
    assert "other processes" not in ended.out
    assert {path.name for path in (place / "w/chunks").iterdir()} == {"0-1", "2-3"}
    assert all((path / "stages/text/checkpoints").is_dir() for path in (place / "w/chunks").iterdir())
    damaged = place / "w/chunks/0-1/stages/text/stage.json"
    damaged.write_text(damaged.read_text().replace("finished", "finishes"))
    (held / "stages/text/stage.json").unlink()
    ended = jaxdep_main(*arguments, cwd=place)
    assert ended.code == 1
    assert ended.complaint.startswith("error: w/chunks/0-1/stages/text/stage.json: damaged")
    assert "text: finished in" in ended.out  # the other chunk, all the same


def test_a_join_with_holes_is_the_run_of_the_seeds_that_are_there_and_says_what_is_missing(
    single, holed, tmp_path, jaxdep_main, jaxdep_report
):
    ended = jaxdep_report("w", cwd=holed)
    assert ended.code == 0, ended.err
    told = "4 of 9 seeds are missing: 2-3, 7-8."
    assert told in ended.out
    assert f"> **Not complete.** {told}" in (holed / "w/report/report.md").read_text()
    assert told in (holed / "w/report/report.html").read_text()
    other = copied(single, tmp_path)
    ended = jaxdep_main(*COMMAND, "--config.seeds.count=7", "--config.seeds.missing=2-3", cwd=other)
    assert ended.code == 0, ended.err
    joined, trained = left(holed), left(other)
    for name in ("report/report.md", "report/report.html"):
        joined[name] = without_what_is_missing(joined[name])
    assert joined == trained


def without_what_is_missing(page):
    """A page without the paragraph that says so."""
    lines = page.decode().split("\n")
    (place,) = (number for number, line in enumerate(lines) if "Not complete." in line)
    del lines[place : place + (1 if lines[place].startswith("<") else 2)]  # of Markdown, with the empty line behind it
    return "\n".join(lines).encode()


def test_the_progress_tells_what_is_done_running_failed_and_not_begun(holed, jaxdep_main, jaxdep_report):
    chunks = holed / "w/chunks"
    assert "5 of 9 seeds are trained, 0 chunks at work" in jaxdep_report("w", "--progress", cwd=holed).out
    (chunks / "2-2").mkdir()
    (chunks / "2-2/stages").touch()  # so that nothing can be written there
    failed = jaxdep_main(*chunk(2, 1), "--config.seeds.of=9", cwd=holed)
    assert failed.code == 1
    assert "Not a directory" in failed.complaint
    (chunks / "3-3").mkdir()
    with lock_of(chunks / "3-3"):
        ended = jaxdep_report("w", "--progress", cwd=holed)
    assert ended.code == 0, ended.err
    rows = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert {"0-1 done", "3 running", "4-6 done", "7-8 not begun"} <= set(rows)
    assert any(row.startswith("2 failed [Errno 20] Not a directory") for row in rows), ended.out
    shutil.rmtree(chunks / "2-2")
    shutil.rmtree(chunks / "3-3")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (
            ("--config.stages.text.model.hidden=4",),
            1,
            "w holds another config (config.stages.text.model.hidden: 3 there, 4",
        ),
        (
            ("--config.seeds.of=5",),
            2,
            "config.seeds.of: 5 seeds, from 0 on, have no seed 6; give that of the whole sweep",
        ),
        (("--config.seeds.missing=5-5",), 1, "config.seeds.missing: a chunk has all of its seeds, found ('5-5',)"),
        (
            ("--config.seeds.missing=x",),
            2,
            "config.seeds.missing: expected seeds in a row, as '40-59' or '7-7', found 'x'",
        ),
    ],
)
def test_a_chunk_that_does_not_fit_its_sweep_is_refused_in_a_line(holed, jaxdep_main, arguments, code, line):
    before = {path: path.stat().st_mtime_ns for path in holed.rglob("*") if not path.name.endswith(".lock")}
    ended = jaxdep_main(*chunk(5, 2), *arguments, cwd=holed)
    assert ended.code == code, ended.err
    assert line in ended.complaint
    assert {path: path.stat().st_mtime_ns for path in holed.rglob("*") if not path.name.endswith(".lock")} == before


def test_what_holds_no_sweep_or_nothing_finished_is_told_in_a_line(place, jaxdep_report):
    (place / "w/chunks/0-3").mkdir(parents=True)
    ended = jaxdep_report("w", cwd=place)
    assert ended.code == 1
    assert "w/sweep.json: no such file, so no chunk was trained there" in ended.complaint
    ended = jaxdep_report(cwd=place)
    assert ended.code == 2
    assert ended.complaint.startswith("usage error: python -m jaxdep.report WORKDIR")
