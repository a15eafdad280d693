"""Presets: lists of rules that come with the package, expanded where a recipe names them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seobuilder.recipe.composition import Composition, UsedPreset
from seobuilder.recipe.diagnostics import quote, suggest
from seobuilder.recipe.document import (
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    format_path,
    plain,
)
from seobuilder.recipe.edit import put
from seobuilder.recipe.reader import read
from seobuilder.recipe.shipped import preset_names, preset_path


def _preset_entries(document: Mapping) -> Iterator[tuple[int, Scalar]]:
    """Index and name of each `{preset: NAME}`; other forms are left for validation to judge."""
    entry = document.entries.get("initialization")
    rules = entry.value.items if entry and isinstance(entry.value, Sequence) else ()
    for index, rule in enumerate(rules):
        if isinstance(rule, Mapping) and list(rule.entries) == ["preset"]:
            name = rule.entries["preset"].value
            if isinstance(name, Scalar) and isinstance(name.value, str):
                yield index, name


def check_presets(result: Composition) -> None:
    """Note the presets that are not shipped."""
    known = preset_names()
    for index, name in _preset_entries(result.document):
        word = str(name.value)
        if word and word not in known:
            guess = suggest(word, known)
            hint = f"; did you mean `{guess}`?" if guess else ""
            path = format_path(("initialization", index, "preset"))
            message, help = f"unknown preset {quote(word)}{hint}", f"one of {', '.join(known)}"
            result.problem("R209", message, name.mark, path, help)


def expand_presets(result: Composition) -> bool:
    """Put each preset's rules in its place, once all presets are known; tells if there were any."""
    presets = dict(_preset_entries(result.document))
    if not presets:
        return False
    section = result.document.entries["initialization"].value
    assert isinstance(section, Sequence)
    rules: list[Node] = []
    for index, rule in enumerate(section.items):
        if index in presets:
            rules.extend(_rules_of(result, index, presets[index], len(rules)))
        else:
            rules.append(rule)
    result.document = put(
        result.document, ("initialization",), Sequence(section.mark, tuple(rules))
    )
    return True


def _rules_of(result: Composition, index: int, named: Scalar, first: int) -> list[Node]:
    """A preset's rules, which may go unused; what it needs is kept for the plan.

    Args:
        index: of the preset in the recipe as it is written.
        first: index of the preset's first rule in the recipe as it is expanded.
    """
    name = str(named.value)
    location = preset_path(name)
    preset = read(location.read_bytes(), f"presets/{location.name}")
    result.sources[preset.file] = preset.lines
    whole: Any = plain(preset.root)
    requires = whole.get("requires", ())
    path = format_path(("initialization", index, "preset"))
    rules = preset.root.entries["rules"].value
    assert isinstance(rules, Sequence), f"the preset {name} is a list of rules"
    indices = range(first, first + len(rules.items))
    result.used_presets.append(UsedPreset(name, named.mark, path, tuple(requires), indices))
    expanded: list[Node] = []
    for rule in rules.items:
        assert isinstance(rule, Mapping), f"each rule of {name} is a mapping"
        result.presets[rule.mark] = name
        optional = Entry(rule.mark, Scalar(rule.mark, True))
        expanded.append(Mapping(rule.mark, {**rule.entries, "optional": optional}))
    return expanded
