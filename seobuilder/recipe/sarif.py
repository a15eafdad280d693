"""Problems as SARIF, which code scanning and editors read.

OASIS, Static Analysis Results Interchange Format (SARIF) version 2.1.0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seobuilder.recipe.codes import CODES

if TYPE_CHECKING:
    from seobuilder.recipe.diagnostics import Diagnostic, Mark

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

Json = dict[str, Any]


def render_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """A SARIF log of one run, with the rules that its results refer to."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "seobuild",
                        "version": version("seobuilder"),
                        "rules": list(map(_rule, codes)),
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, codes.index(each.code)) for each in diagnostics],
            }
        ],
    }
    return json.dumps(log, indent=2)


def _rule(code: str) -> Json:
    known = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": known.title},
        "fullDescription": {"text": known.meaning},
        "help": {
            "text": f"{known.meaning}\n\nTo mend it: {known.mend}",
            "markdown": f"{known.meaning}\n\n**To mend it:** {known.mend}",
        },
    }


def _result(diagnostic: Diagnostic, rule: int) -> Json:
    text = diagnostic.subject + (f" ({diagnostic.help})" if diagnostic.help else "")
    location: Json = {}
    if diagnostic.mark is not None:
        location["physicalLocation"] = _physical(diagnostic.mark)
    if diagnostic.path:
        location["logicalLocations"] = [{"fullyQualifiedName": diagnostic.path}]
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity,
        "message": {"text": text},
        "locations": [location] if location else [],
    }


def _physical(mark: Mark) -> Json:
    return {
        "artifactLocation": {"uri": _uri(mark.file)},
        "region": {
            "startLine": mark.line,
            "startColumn": mark.column,
            "endColumn": mark.column + max(1, mark.length),
        },
    }


def _uri(file: str) -> str:
    """Relative files stay relative to where the command was started, as in a checkout."""
    path = PurePath(file)
    return Path(path).as_uri() if path.is_absolute() else quote(path.as_posix())
