"""What every configuration shares: it is checked when it is made, and can't be changed then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from seobuilder.errors import InvalidArgument
from seobuilder.recipe.diagnostics import quote, suggest


class Config(BaseModel):
    """A frozen configuration that refuses arguments it doesn't know.

    Raises:
        InvalidArgument: what is wrong, with the argument that was probably meant.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            name, known = type(self).__name__, type(self).model_fields
            told = [_told(details, name, known) for details in error.errors()]
            raise InvalidArgument("; ".join(dict.fromkeys(told))) from None


def checked(adapter: TypeAdapter[Any], rule: Mapping[str, Any], renamed: Mapping[str, str]) -> Any:
    """A rule of the recipe language, checked.

    Args:
        adapter: of the rule's kind.
        rule: its keys and values; `method` names it.
        renamed: the configuration's words for keys of the language.

    Raises:
        InvalidArgument: the method doesn't exist, or doesn't take these arguments.
    """
    try:
        return adapter.validate_python(dict(rule))
    except ValidationError as error:
        told = [_rule_told(details, rule, renamed) for details in error.errors()]
        raise InvalidArgument("; ".join(dict.fromkeys(told))) from None


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """That a word is none of the known ones, with the one that was probably meant."""
    known = list(known)
    guess = suggest(word, known)
    way_out = f"did you mean `{guess}`?" if guess else f"known are {', '.join(known)}"
    return f"{what} {quote(word)}; {way_out}"


def _told(details: ErrorDetails, name: str, known: Mapping[str, object]) -> str:
    words = ".".join(map(str, details["loc"]))
    if details["type"] == "extra_forbidden":
        return unknown(f"{name} has no argument", words, known)
    if details["type"] == "missing":
        return f"{name} needs `{words}`"
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    return f"`{words}` of {name} is {details['input']!r}: {_lowered(details['msg'])}"


def _rule_told(details: ErrorDetails, rule: Mapping[str, Any], renamed: Mapping[str, str]) -> str:
    key, method = str(details["loc"][-1]) if details["loc"] else "", rule["method"]
    word = renamed.get(key, key)
    if details["type"] == "extra_forbidden":
        return f"{method} takes no `{word}`"
    if details["type"] == "missing":
        return f"{method} needs `{word}`"
    if details["type"] == "combination":
        return f"{method}: {details['msg']}"
    if details["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        return unknown(f"unknown {word} of {method}", str(details["input"]), choices)
    return f"`{word}` of {method} is {details['input']!r}: {_lowered(details['msg'])}"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
