"""What the pages say to run, and what they name, exists."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from pydantic import TypeAdapter

from seobuilder.cli.main import cli
from seobuilder.recipe.codes import CODES
from seobuilder.recipe.spec.initialization import InitializationSpec
from seobuilder.recipe.spec.normalization import NormalizationSpec

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md"]
CALL = re.compile(r"seobuild[ ]([^`\n|>&;]+)")


def calls(text: str) -> list[list[str]]:
    """The arguments of each command line that a text has as code."""
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    return [found.split() for block in code for found in CALL.findall(block)]


def check(arguments: list[str]) -> None:
    """A command that there is, with options that it has."""
    name, *rest = arguments
    command = cli.commands.get(name, cli.commands["build"])
    options = {o: p for p in command.params if isinstance(p, click.Option) for o in p.opts}
    for flag, value in pairwise([*rest, ""]):
        if flag.startswith("-") and flag != "-":
            assert flag in options, f"{name} has no option {flag}"
            kind = options[flag].type
            if isinstance(kind, click.Choice) and re.fullmatch(r"[a-z]+", value):
                assert value in kind.choices


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for arguments in calls(page.read_text(encoding="utf-8")):
        check(arguments)


def workflow() -> dict[str, Any]:
    text = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    return yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])


def test_the_workflow_is_one() -> None:
    steps = workflow()["jobs"]["recipes"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    runs = "\n".join(step.get("run", "") for step in steps)
    found = [found.split() for found in CALL.findall(runs)]
    assert [arguments[0] for arguments in found] == ["check", "build"]
    for arguments in found:
        assert arguments[0] in cli.commands
        check(arguments)


def named_codes() -> set[str]:
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    return set(re.findall(r"\b[RPDH]\d{3}\b", text))


def test_troubleshooting_names_codes_that_there_are() -> None:
    assert named_codes() - set(CODES) == set()


def test_troubleshooting_names_every_finding_on_health_and_every_advice() -> None:
    wanted = {code for code in CODES if code.startswith(("H0", "P50", "P51"))}
    assert wanted - named_codes() == set()


def test_rules_of_the_troubleshooting_page_are_rules() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    rules = re.findall(r"`(?:- )?(\{[^`]+\})`", text)
    assert len(rules) > 4
    for rule in rules:
        spec = NormalizationSpec if "_norm}" in rule else InitializationSpec
        TypeAdapter(spec).validate_python(yaml.safe_load(rule))
