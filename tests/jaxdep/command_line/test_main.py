"""What the command line says of what it is asked, and with which exit code."""

import os
import subprocess
import sys

import pytest


def run(*arguments, cwd, cache, module="jaxdep.main"):
    """A command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("--config.seeds.cuont=3", "config.seeds.cuont: there is no such field; did you mean 'count'?"),
        ("--config.stages.txt.label=a", "config.stages.txt: there is no such field; did you mean 'text'?"),
        ("--config.stages.text.training.epoch=3", "config.stages.text.training.epoch: .* did you mean 'epochs'?"),
        ("--config.seeds.count=many", r"flag --config.seeds.count=many: .*'many'"),
        ("--config.stages.text.training.epochs=1.5", r"flag --config.stages.text.training.epochs=1.5: .*'1.5'"),
        ("--config.seeds.count=0", "config.seeds.count: at least one seed is needed, found 0"),
        ("--config.seeds=3", "flag --config.seeds=3: "),
        (
            "--config.mapping.mapper=vmpa",
            "config.mapping.mapper: .*'auto', 'vmap', 'map', 'pmap', 'loop', found 'vmpa'",
        ),
        ("--config.stages.text.model.pooling=sum", "config.stages.text.model.pooling: .*'mean', .*found 'sum'"),
        (
            "--config.seeds.vary=('int',)",
            "config.seeds.vary: no random stream is called 'int'; there are init, order, ",
        ),
        ("--epochs=3", "Unknown command line flag 'epochs'"),
        ("--overwrite=maybe", "flag --overwrite=maybe: "),
        ("report", "unexpected argument 'report'; options begin with --"),
        (
            ("--chunk=2", "--coordinator_address=localhost:1"),
            "--coordinator_address: chunks of a sweep are trained by single processes",
        ),
    ],
)
def test_what_is_wrong_with_the_command_line_is_one_line_and_exit_code_2(jaxdep_main, tiny, override, line):
    overrides = (override,) if isinstance(override, str) else override
    ended = jaxdep_main("--config=tiny.py", "--workdir=w", *overrides, cwd=tiny)
    assert ended.code == 2
    assert ended.out == ""
    matches(ended.complaint, line)
    assert not (tiny / "w").exists()


def matches(complaint: str, line: str) -> None:
    assert complaint.startswith("usage error: ")
    position = 0
    for part in line.split(".*"):
        assert part in complaint[position:], complaint
        position = complaint.index(part, position) + len(part)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ("nowhere.py", "--config=nowhere.py: no such file"),
        ("nowhere.py:small", "--config=nowhere.py:small: no such file"),
        ("data", "--config=data: no such file"),
        ("tiny.py:huge", "tiny.py:huge: there is no such variant; there is baseline"),
        ("plain.py:huge", "flag --config=plain.py:huge: .*TypeError: get_config() takes 0 positional arguments"),
        ("empty.py", "has no attribute 'get_config'"),
        ("wrong.py", "Seeds.__init__() got an unexpected keyword argument 'cuont'"),
        ("typed.py", "config.seeds.count: expected int, found '3'"),
        ("lost.py", "--config=lost.py: No module named 'nowhere'"),
        ("none.py", "--config=none.py: its get_config() gives NoneType, an Experiment is expected"),
    ],
)
def test_what_is_wrong_with_the_config_file_is_one_line_and_exit_code_2(jaxdep_main, tiny, config, line):
    seeds = "from jaxdep.config import Experiment, Seeds\ndef get_config():\n    return "
    (tiny / "plain.py").write_text(f"{seeds}Experiment()")
    (tiny / "empty.py").write_text("")
    (tiny / "wrong.py").write_text(f"{seeds}Experiment(seeds=Seeds(cuont=3))")
    (tiny / "typed.py").write_text(f"{seeds}Experiment(seeds=Seeds(count='3'))")
    (tiny / "lost.py").write_text("import nowhere")
    (tiny / "none.py").write_text(f"{seeds}None")
    ended = jaxdep_main(f"--config={config}", "--workdir=w", cwd=tiny)
    assert ended.code == 2
    matches(ended.complaint, line)


def test_a_misspelt_field_is_found_when_the_file_is_the_next_argument(jaxdep_main, tiny):
    ended = jaxdep_main("--config", "tiny.py", "--workdir", "w", "--config.seeds.frist=3", cwd=tiny)
    assert (ended.code, "did you mean 'first'?" in ended.complaint) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--config"),
        pytest.param(("--config=tiny.py",), "--workdir", marks=pytest.mark.slow),
        pytest.param(("--workdir=w",), "--config", marks=pytest.mark.slow),
    ],
)
def test_a_flag_that_must_be_there_is_named(tiny, cache, arguments, named):
    ended = run(*arguments, cwd=tiny, cache=cache)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("usage error: ")
    assert named in line


@pytest.mark.parametrize(
    ("module", "named"),
    [
        ("jaxdep.main", ("--config=FILE", "--workdir", "--data_dir", "--features_dir", "overwrite")),
        ("input_pipeline.validate", ("--corpus", "--data_dir", "--classes", "--scores")),
        ("input_pipeline.synthesize", ("--corpus", "--data_dir", "--sessions", "--effect", "overwrite")),
    ],
)
def test_help_is_no_failure(tiny, cache, module, named):
    ended = run("--help", cwd=tiny, cache=cache, module=module)
    assert (ended.returncode, ended.stderr) == (0, "")
    for words in ("Exit codes: 0", *named):
        assert words in ended.stdout


@pytest.mark.parametrize("module", ["input_pipeline.validate", "input_pipeline.synthesize"])
def test_the_other_command_lines_name_what_is_missing_too(tiny, cache, module):
    ended = run("--corpus=daic_woz", cwd=tiny, cache=cache, module=module)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "--data_dir" in line


def test_overrides_reach_the_run(jaxdep_main, tiny):
    ended = jaxdep_main("--config=tiny.py:baseline", "--workdir=w", "--config.title=Another title", cwd=tiny)
    assert ended.code == 0, ended.err
    assert "Another title" in ended.out
    page = (tiny / "w" / "report" / "report.md").read_text()
    assert "Another title" in page
    assert "python -m jaxdep.main --config=tiny.py:baseline --workdir=w '--config.title=Another title'" in page


def test_worker_processes_import_the_main_module_in_no_time():
    """Each process that extracts features imports it again."""
    told = "import sys, jaxdep.main; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert not {"jax", "tensorflow", "pandas", "matplotlib", "jaxdep.config"} & set(found)


def test_devices_that_share_batches_may_be_asked_for(jaxdep_main, tiny):
    ended = jaxdep_main("--config=tiny.py", "--workdir=w", "--config.mapping.data_shards=2", cwd=tiny)
    assert ended.code == 0, ended.err
