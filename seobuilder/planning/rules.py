"""Which rule decides which parameter: first match wins, and nothing is left over on either side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from seobuilder.planning.decisions import Graph, decide_all
from seobuilder.planning.methods import NotApplicable
from seobuilder.planning.model import Assignment, Parameter, RuleReference
from seobuilder.recipe.diagnostics import Diagnostic, suggest
from seobuilder.recipe.document import format_path, lookup, plain
from seobuilder.recipe.dump import flow
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.patterns import PatternError, compile_pattern
from seobuilder.recipe.spec.initialization import InitializationRule, PresetRule
from seobuilder.recipe.spec.normalization import NormalizationSelector
from seobuilder.recipe.spec.selector import Selector

Section = Literal["initialization", "normalization"]

SHOWN_NAMES = 5

_SUGGESTED = {
    "norm_scale": "method: ones",
    "residual_scale": "method: ones",
    "norm_shift": "method: zeros",
    "bias": "method: zeros",
    "embedding": "method: normal, std: 0.02",
    "position": "method: normal, std: 0.02",
}
"""For each role a rule that can draw it; matrices, which are the others, take xavier_uniform."""


def assign(
    loaded: LoadedRecipe,
    parameters: Sequence[Parameter],
    aliases: Sequence[Parameter],
    problems: list[Diagnostic],
    graph: Graph | None = None,
) -> tuple[Assignment, ...]:
    """One assignment for each parameter; whatever is in the way is added to `problems`.

    Args:
        parameters: those that are drawn, each once.
        aliases: those that another parameter is tied to; no rule may speak of them alone.
        graph: the model, for rules that ask how large the signal is.
    """
    rules = _rules(loaded)
    references = [reference(loaded, "initialization", index) for index in range(len(rules))]
    matched = [[p.name for p in parameters if selects(rule, p)] for rule in rules]
    matching: dict[str, list[int]] = {parameter.name: [] for parameter in parameters}
    for index, names in enumerate(matched):
        for name in names:
            matching[name].append(index)
    winners = {name: indices[0] for name, indices in matching.items() if indices}
    for index, rule in enumerate(rules):
        tied = [alias.name for alias in aliases if selects(rule, alias)]
        problems += check_use(
            loaded, "initialization", index, matched[index], winners, list(matching), tied
        )
    problems += _unused_presets(loaded, matched, winners)
    undecided = [parameter for parameter in parameters if parameter.name not in winners]
    if undecided:
        problems.append(_unmatched(loaded, undecided))
    decided = decide_all(
        ((rules[winners[p.name]], p) for p in parameters if p.name in winners),
        graph,
        loaded.recipe.dtype,
    )
    assignments = []
    for name, (first, *losing) in ((n, indices) for n, indices in matching.items() if n in decided):
        found = decided[name]
        if isinstance(found, NotApplicable):
            problems.append(
                rule_problem(loaded, "initialization", first, found.code, str(found), found.key)
            )
            continue
        parameter, decision = found
        assignments.append(
            Assignment(
                parameter,
                rules[first].method,
                decision.distribution,
                references[first],
                tuple(references[index] for index in losing),
                decision.gain,
                decision.convention,
            )
        )
    return tuple(assignments)


def selects(rule: Selector, parameter: Parameter) -> bool:
    """Whether a parameter meets all conditions of a rule."""
    return (
        speaks_of(rule, parameter.name)
        and (rule.roles is None or parameter.role in rule.roles)
        and (rule.types is None or parameter.layer in rule.types)
    )


def speaks_of(rule: Selector | NormalizationSelector, name: str) -> bool:
    """Whether a rule's patterns accept a name."""
    if rule.match is not None and not compile_pattern(rule.match).matches(name):
        return False
    return rule.exclude is None or not compile_pattern(rule.exclude).matches(name)


def check_use(
    loaded: LoadedRecipe,
    section: Section,
    index: int,
    matched: Sequence[str],
    winners: Mapping[str, int],
    known: Sequence[str],
    tied: Sequence[str] = (),
) -> list[Diagnostic]:
    """What is wrong with how much a rule decides: one problem, or none.

    Args:
        matched: names that the rule matches.
        winners: which rule decides each name.
        known: all names of what such a rule may decide.
        tied: names that the rule would match, were they not tied to others.
    """
    rule = getattr(loaded.recipe, section)[index]
    decided = sum(1 for name in matched if winners[name] == index)
    if decided == rule.expect or (rule.expect is None and (decided or rule.optional)):
        return []
    help = ""
    if decided or rule.optional:
        code, message = "P205", f"the rule decides {decided}, and expects {rule.expect}"
    elif matched:
        code, message, help = _shadowed(loaded, section, index, matched, winners)
    elif tied:
        code = "P206"
        message = f"the rule matches only {listed(tied)}, tied to other parameters"
        help = "name the owner, on the right side of `ties`"
    else:
        code, message, help = "P202", "the rule matches nothing", _nearest(rule, known)
    key = "expect" if code == "P205" else "match"
    return [rule_problem(loaded, section, index, code, message, key, help)]


def rule_problem(
    loaded: LoadedRecipe,
    section: Section,
    index: int,
    code: str,
    message: str,
    key: str,
    help: str = "",
) -> Diagnostic:
    """A problem with a rule; it points at one of its keys if the rule has that one."""
    written = lookup(loaded.document, (section, index, key)).complete
    path = (section, index, key) if written else (section, index)
    return Diagnostic(code, message, loaded.mark(*path), format_path(path), help=help)


def reference(loaded: LoadedRecipe, section: Section, index: int) -> RuleReference:
    """Where a rule stands, and how it reads."""
    rule = plain(lookup(loaded.document, (section, index)).node)
    assert isinstance(rule, dict)
    mark = loaded.mark(section, index)
    preset = loaded.presets.get(mark) if section == "initialization" else None
    shown = {key: value for key, value in rule.items() if not (preset and key == "optional")}
    return RuleReference(index, flow(shown), mark, preset, loaded.place(section, index))


def _rules(loaded: LoadedRecipe) -> list[InitializationRule]:
    rules = []
    for rule in loaded.recipe.initialization:
        assert not isinstance(rule, PresetRule), "presets are expanded before the plan"
        rules.append(rule)
    return rules


def _shadowed(
    loaded: LoadedRecipe,
    section: Section,
    index: int,
    matched: Sequence[str],
    winners: Mapping[str, int],
) -> tuple[str, str, str]:
    """Code, message and help for a rule whose names are all decided by earlier rules."""
    rules = getattr(loaded.recipe, section)
    for earlier in sorted({winners[name] for name in matched}):
        if _conditions(rules[earlier]) == _conditions(rules[index]):
            mark = loaded.mark(section, earlier)
            message = f"the same conditions as the rule at {mark.file}:{mark.line}, which comes"
            return "P204", f"{message} first", "delete one of the two"
    deciding = _deciding(loaded, section, matched, winners)
    message = f"earlier rules decide all that it matches, {deciding}"
    return "P203", message, "move it above them, or delete it"


def _unused_presets(
    loaded: LoadedRecipe, matched: Sequence[Sequence[str]], winners: Mapping[str, int]
) -> list[Diagnostic]:
    """Presets of which no rule decides anything; their rules may go unused one by one."""
    found = []
    deciding = set(winners.values())
    for used in loaded.used_presets:
        if not deciding.isdisjoint(used.rules):
            continue
        of_preset = {name for index in used.rules for name in matched[index]}
        names = [name for name in winners if name in of_preset]
        if names:
            code, help = "P203", "move it above them, or delete it"
            all_of_it = _deciding(loaded, "initialization", names, winners)
            message = f"earlier rules decide all that the preset {used.name} matches, {all_of_it}"
        else:
            code, help = "P202", "delete it"
            message = f"the preset {used.name} matches nothing"
        found.append(Diagnostic(code, message, used.mark, used.path, help=help))
    return found


def _deciding(
    loaded: LoadedRecipe, section: Section, names: Sequence[str], winners: Mapping[str, int]
) -> str:
    """The names, and where the rules stand that decide them."""
    marks = [loaded.mark(section, index) for index in sorted({winners[name] for name in names})]
    places = dict.fromkeys(f"{mark.file}:{mark.line}" for mark in marks)
    return f"{listed(names)}: {', '.join(list(places)[:SHOWN_NAMES])}"


def _conditions(rule: Selector | NormalizationSelector) -> dict[str, Any]:
    return rule.model_dump(include={"match", "role", "type", "exclude"})


def _unmatched(loaded: LoadedRecipe, undecided: list[Parameter]) -> Diagnostic:
    noun = "parameter" if len(undecided) == 1 else f"{len(undecided)} parameters"
    role = undecided[0].role
    method = _SUGGESTED.get(role, "method: xavier_uniform")
    return Diagnostic(
        "P201",
        f"no rule decides the {noun} {listed([parameter.name for parameter in undecided])}",
        loaded.mark("initialization", key=True),
        "initialization",
        help=f"add a rule such as - {{role: {role}, {method}}}",
    )


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - SHOWN_NAMES
    rest = f" and {more} more" if more > 0 else ""
    return ", ".join(f"`{name}`" for name in names[:SHOWN_NAMES]) + rest


def _nearest(rule: Selector | NormalizationSelector, known: Sequence[str]) -> str:
    """Help for a rule that matches none of the known names."""
    pattern = rule.match
    if not known:
        return ""
    if pattern is None or _matches_any(pattern, known):
        return "no name meets all its conditions; `seobuild plan --all` lists names and roles"
    mended = _mended(pattern, known)
    if _matches_any(mended, known):
        return f"did you mean `{mended}`?"
    if _matches_any(f"**.{pattern}", known):
        return f"a pattern matches a whole name; `**.{pattern}` would match"
    if guess := suggest(pattern, known):
        return f"did you mean `{guess}`?"
    return f"names are such as {listed(known[:3])}; `seobuild plan --all` lists them"


def _mended(pattern: str, known: Sequence[str]) -> str:
    """The pattern, with each plain segment that no name has replaced by the closest one."""
    segments = dict.fromkeys(segment for name in known for segment in name.split("."))
    return ".".join(
        segment
        if segment in segments or not segment.replace("_", "").isalnum()
        else suggest(segment, segments) or segment
        for segment in pattern.split(".")
    )


def _matches_any(pattern: str, known: Sequence[str]) -> bool:
    try:
        compiled = compile_pattern(pattern)
    except PatternError:  # what was made of a long pattern is too long
        return False
    return any(compiled.matches(name) for name in known)
