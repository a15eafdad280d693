"""A resolved recipe back to YAML, so that reading it gives the same data."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from seobuilder.recipe.scalars import OutOfRange, resolve

# Line breaks of YAML 1.1, which PyYAML writes as they are in all but double quotes, where they are
# escapes. Our reader takes no text with them.
_LINE_BREAKS = re.compile("[\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    """Writes YAML 1.2: what our reader would take for something else is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        is_text = isinstance(resolve(text), str)
    except OutOfRange:
        is_text = False
    style = None if is_text and not _LINE_BREAKS.search(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(data: dict[str, Any]) -> str:
    """YAML text of plain data, keys in their order; innermost mappings and lists on one line."""
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )


def flow(value: Any) -> str:
    """Plain data on one line, as it would stand in a recipe: text in double quotes, words plain."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if _is_word(value) else json.dumps(value, ensure_ascii=False)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text)) and isinstance(resolve(text), str)
