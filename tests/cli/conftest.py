from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from seobuilder.cli.main import main

SMALL = """\
version: 1
name: small
inputs:
  page: {kind: features, size: 4}
modules:
  facts: {kind: mlp, from: page, widths: [16], activation: relu}
outputs:
  intent: {kind: classification, from: facts, labels: [a, b, c]}
initialization:
  - {match: "**.bias", method: zeros}
  - {role: head, method: xavier_uniform}
  - {match: "**.weight", method: kaiming_normal, nonlinearity: relu}
"""

START = [sys.executable, "-c", "from seobuilder.cli.main import main; main()"]


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: empty but for `small.yaml`."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "SEOBUILDER_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


@pytest.fixture
def seobuild(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(arguments)
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives a command line in this process a text on standard input."""

    def give(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(text.encode())))

    return give


@pytest.fixture
def start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.Popen[str]]:
    """Starts a command line in a process of its own, which buffers what it writes, as usual."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)

    def popen(*arguments: str, **options: object) -> subprocess.Popen[str]:
        # A shell's background job ignores Ctrl-C, and what it starts inherits that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*START, *arguments], text=True, **(pipes | options))

    return popen


@pytest.fixture
def fresh(start: Callable[..., subprocess.Popen[str]]) -> Run:
    """Runs a command line in a process of its own, to its end."""

    def run(*arguments: str, stdin: str = "", **environment: str) -> Ended:
        process = start(*arguments, env=os.environ | environment)
        out, err = process.communicate(stdin, timeout=100)
        return Ended(process.returncode, out, err)

    return run
