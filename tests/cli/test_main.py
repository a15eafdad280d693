"""Which command is meant, exit codes, and what goes to which stream."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from struct import unpack
from termios import FIONREAD

import pytest
from click.testing import CliRunner

from seobuilder.cli import main as entry
from seobuilder.recipe.shipped import recipe_names


def test_help_fits_a_terminal_and_names_every_command_and_recipe(seobuild) -> None:
    ended = seobuild("--help")
    assert (ended.code, ended.err) == (0, "")
    assert all(len(line) <= 80 for line in ended.out.splitlines())
    assert not re.search(r"\w\.\.\.$", ended.out, re.MULTILINE)  # nothing is cut off
    for name in (*entry.cli.commands, *recipe_names()):
        assert re.search(rf"\b{name}\b", ended.out)
    assert seobuild().err == ended.out  # without arguments: usage, on stderr
    assert seobuild().code == 2


def test_every_command_has_help(seobuild) -> None:
    for name in entry.cli.commands:
        ended = seobuild(name, "--help")
        assert ended.code == 0 and ended.out.startswith(f"Usage: seobuild {name} ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("chekc", "small.yaml"),
            "`chekc` is neither a command nor a recipe; did you mean `check`?",
        ),
        (("searchintent",), "`searchintent` is neither a command nor a recipe; did you mean "),
        (("",), "`` is neither a command nor a recipe\n"),
        (("--bogus",), "No such option '--bogus'."),
        (("build",), "Missing argument 'RECIPE'."),
        (("small.yaml", "--outputformat", "json"), "No such option '--outputformat'."),
        (("check", "small.yaml", "--output-format", "yaml"), "'yaml' is not one of 'full',"),
    ],
)
def test_wrong_arguments_are_usage_errors(seobuild, arguments, message: str) -> None:
    ended = seobuild(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err and ended.err.startswith("Usage: seobuild")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("missing.yaml", "seobuild: there is no recipe missing.yaml\n"),
        (
            "./serch_intent",
            "seobuild: there is no recipe ./serch_intent; did you mean the shipped ",
        ),
        (".", "seobuild: . is a folder; a recipe is a YAML file\n"),
        ("./folder.yaml", "seobuild: ./folder.yaml is a folder; a recipe is a YAML file\n"),
    ],
)
def test_a_recipe_that_cannot_be_read_is_exit_code_3(
    seobuild, folder: Path, recipe: str, message: str
) -> None:
    (folder / "folder.yaml").mkdir()
    for command in ((), ("check",), ("plan",), ("resolve",)):
        ended = seobuild(*command, recipe)
        assert (ended.code, ended.out) == (3, "")
        assert ended.err.startswith(message)


def test_a_command_wins_over_a_file_of_its_name(seobuild, folder: Path) -> None:
    (folder / "check").write_text((folder / "small.yaml").read_text())
    assert "Missing argument 'RECIPE'" in seobuild("check").err
    assert seobuild("./check", "-o", "built").out.splitlines()[-1].startswith("healthy, ")


@pytest.mark.parametrize("output_format", ["full", "concise"])
def test_an_invalid_recipe_is_exit_code_1_with_diagnostics_on_stderr(
    seobuild, folder: Path, output_format: str
) -> None:
    (folder / "empty.yaml").write_text("")
    ended = seobuild("empty.yaml", "--output-format", output_format)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[0] == "empty.yaml:1:1 R008 the file is empty"
    assert ended.err.splitlines()[-1] == "`seobuild explain R008` says what a code means"
    assert not (folder / "builds").exists()


def test_a_bug_of_ours_is_exit_code_70(seobuild, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("nought")

    monkeypatch.setattr(entry.cli.commands["schema"], "callback", lambda document: broken())
    ended = seobuild("schema")
    assert (ended.code, ended.out) == (70, "")
    assert ended.err == (
        "seobuild: a bug of ours: ZeroDivisionError: nought\n"
        "Please report it. SEOBUILDER_TRACEBACK=1 shows where it happened.\n"
    )
    monkeypatch.setenv("SEOBUILDER_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        entry.main(["schema"])


def test_too_little_memory_is_exit_code_3(seobuild, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(document: str) -> None:
        raise MemoryError

    monkeypatch.setattr(entry.cli.commands["schema"], "callback", broken)
    ended = seobuild("schema")
    assert (ended.code, ended.out, ended.err) == (3, "", "seobuild: too little memory\n")


def test_the_exit_codes_are_those_of_the_process(fresh, folder: Path) -> None:
    (folder / "bad.yaml").write_text("version: 1\n")
    assert fresh("check", "small.yaml").code == 0
    assert fresh("check", "bad.yaml").code == 1
    assert fresh("nothing").code == 2
    assert fresh("verify", "nothing").code == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to write to")
def test_a_full_disk_is_exit_code_3(start) -> None:
    for arguments in (("schema",), ("plan", "small.yaml")):
        with open("/dev/full", "w") as full:
            process = start(*arguments, stdout=full)
            _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (3, "seobuild: No space left on device\n")


@pytest.mark.parametrize(
    "arguments",
    [("schema",), ("plan", "small.yaml"), ("check", "bad.yaml", "--output-format", "json")],
)
def test_a_pipe_that_closes_early_is_no_error(start, folder: Path, arguments) -> None:
    (folder / "bad.yaml").write_text("version: 1\n")
    read, write = os.pipe()
    os.close(read)
    process = start(*arguments, stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


def test_ctrl_c_stops_with_130_and_leaves_nothing(start, folder: Path) -> None:
    process = start("-")
    assert process.stdin is not None
    process.stdin.write("version: 1\n")
    process.stdin.flush()
    _wait(lambda: not _unread(process.stdin.fileno()))  # it reads, and waits for the rest
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "seobuild: stopped")
    assert os.listdir(folder) == ["small.yaml"]


def test_the_installed_script(folder: Path) -> None:
    script = Path(sys.executable).with_name("seobuild")
    if not script.exists():
        pytest.skip("the package is not installed beside this Python")
    ended = subprocess.run([script, "check", "small.yaml"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "small.yaml: no problems; 4 parameters, each decided by one rule\n"


BUILDS_NOTHING = (
    ("--help",),
    ("check", "search_intent"),
    ("plan", "search_intent"),
    ("explain", "R001"),
    ("explain", "search_intent", "**.weight"),
    ("resolve", "search_intent"),
    ("schema",),
    ("schema", "report"),
    ("schema", "manifest"),
    ("new", "mine"),
)


def test_what_builds_nothing_imports_no_torch(folder: Path) -> None:
    code = (
        "import sys\nfrom seobuilder.cli.main import main\n"
        f"for arguments in {BUILDS_NOTHING}:\n"
        "    try:\n        main(arguments)\n"
        "    except SystemExit as end:\n"
        "        slow = {'torch', 'numpy', 'tokenizers', 'safetensors'} & sys.modules.keys()\n"
        "        if end.code or slow:\n"
        "            sys.exit(f'{arguments}: {end.code}, {sorted(slow)}')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_shell_completes_recipes() -> None:
    environment = {
        "_SEOBUILD_COMPLETE": "bash_complete",
        "COMP_WORDS": "seobuild build sea",
        "COMP_CWORD": "2",
    }
    result = CliRunner().invoke(
        entry.cli, prog_name="seobuild", env=environment, complete_var="_SEOBUILD_COMPLETE"
    )
    lines = result.output.splitlines()
    assert lines == ["plain,search_intent", "file,sea"]


def _unread(descriptor: int) -> int:
    buffer = bytearray(4)
    ioctl(descriptor, FIONREAD, buffer)
    return int(unpack("i", buffer)[0])


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
