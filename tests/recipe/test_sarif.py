from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from seobuilder.recipe.codes import CODES
from seobuilder.recipe.diagnostics import Diagnostic, Mark, render
from seobuilder.recipe.load import load_recipe

POSITIVE = {"type": "integer", "minimum": 1}
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"minLength": 1}}}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


# What SARIF 2.1.0 says of the objects and properties that are written; it knows more.
RULE = closed(
    ["id"],
    id={"type": "string"},
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=closed(["text"], text={"type": "string"}, markdown={"type": "string"}),
)
LOCATION = closed(
    [],
    physicalLocation=closed(
        ["artifactLocation"],
        artifactLocation=closed([], uri={"type": "string", "pattern": r"^[^\s<>\\]+$"}),
        region=closed([], startLine=POSITIVE, startColumn=POSITIVE, endColumn=POSITIVE),
    ),
    logicalLocations={
        "type": "array",
        "items": closed([], fullyQualifiedName={"type": "string"}),
    },
)
RESULT = closed(
    ["message"],
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE,
    locations={"type": "array", "items": LOCATION},
)
DRIVER = closed(
    ["name"],
    name={"const": "seobuild"},
    version={"type": "string"},
    rules={"type": "array", "items": RULE},
)
RUN = closed(
    ["tool"],
    tool=closed(["driver"], driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": RESULT},
)
LOG = closed(
    ["version", "runs"],
    **{
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": RUN, "minItems": 1},
    },
)


def read(text: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rules and results of a log that is as the standard wants it."""
    log = json.loads(text)
    Draft202012Validator(LOG).validate(log)
    (run,) = log["runs"]
    rules, results = run["tool"]["driver"]["rules"], run["results"]
    assert [rules[result["ruleIndex"]]["id"] for result in results] == [
        result["ruleId"] for result in results
    ]
    return rules, results


def test_a_problem_in_full() -> None:
    problem = Diagnostic(
        "R104", "unknown key", Mark("my recipes/a.yaml", 3, 5, 2), "x.y", "warning", "do this"
    )
    (rule,), (result,) = read(render([problem], {}, "sarif"))
    assert rule["id"] == "R104" and rule["shortDescription"]["text"] == CODES["R104"].title
    assert CODES["R104"].mend in rule["help"]["text"]
    assert result == {
        "ruleId": "R104",
        "ruleIndex": 0,
        "level": "warning",
        "message": {"text": "x.y: unknown key (do this)"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "my%20recipes/a.yaml"},
                    "region": {"startLine": 3, "startColumn": 5, "endColumn": 7},
                },
                "logicalLocations": [{"fullyQualifiedName": "x.y"}],
            }
        ],
    }


def test_every_rule_stands_once_and_every_result_refers_to_it() -> None:
    codes = ["R104", "P201", "R104", "H001"]
    problems = [Diagnostic(c, str(i), Mark("a", i + 1, 1)) for i, c in enumerate(codes)]
    rules, results = read(render(problems, {}, "sarif"))
    assert [rule["id"] for rule in rules] == ["H001", "P201", "R104"]
    assert [result["ruleId"] for result in results] == codes


def test_no_problem_is_a_run_without_results() -> None:
    assert read(render([], {}, "sarif")) == ([], [])


def test_a_problem_without_a_place_has_no_location() -> None:
    _, (result,) = read(render([Diagnostic("R008", "the file is empty")], {}, "sarif"))
    assert result["locations"] == []


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("<stdin>", "%3Cstdin%3E"),
        ("/a b/c.yaml", "file:///a%20b/c.yaml"),
        ("ä.yaml", "%C3%A4.yaml"),
    ],
)
def test_files_are_uris(file: str, uri: str) -> None:
    _, (result,) = read(render([Diagnostic("R008", "empty", Mark(file, 1, 1, 0))], {}, "sarif"))
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == uri
    assert physical["region"] == {"startLine": 1, "startColumn": 1, "endColumn": 2}


def test_mistakes_of_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = load_recipe("page_quality").source.decode().replace("method: zeros", "methd: zeros", 1)
    Path("bad.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match="R104") as raised:
        load_recipe("bad.yaml")
    problems, sources = raised.value.diagnostics, raised.value.sources
    _, results = read(render(problems, sources, "sarif"))
    region = results[0]["locations"][0]["physicalLocation"]["region"]
    line = text.splitlines()[region["startLine"] - 1]
    assert line[region["startColumn"] - 1 : region["endColumn"] - 1] == "methd"
