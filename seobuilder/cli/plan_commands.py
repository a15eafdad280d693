"""Commands on what a recipe decides, before anything is built. None of them needs torch."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from seobuilder.cli.options import (
    file_option,
    format_option,
    read_recipe,
    recipe_argument,
    result_console,
    scan_option,
    set_option,
    shown_as,
)
from seobuilder.planning.distributions import Pretrained
from seobuilder.planning.gains import MEANING
from seobuilder.planning.model import Assignment, Plan, RuleReference
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.codes import CODES
from seobuilder.recipe.diagnostics import Format, printable, quote, render, suggest
from seobuilder.recipe.files import Files
from seobuilder.recipe.patterns import PatternError, compile_pattern
from seobuilder.report.text import number, scaled, size


@click.command()
@recipe_argument
@set_option
@file_option
@scan_option
@click.option("--all", "every", is_flag=True, help="List repeated blocks one by one.")
def plan(
    recipe: str,
    overrides: tuple[str, ...],
    files: Files,
    output_format: Format,
    every: bool,
) -> None:
    """Show every parameter, its rule, and what will be drawn."""
    with shown_as(output_format):
        loaded = read_recipe(recipe, overrides, files)
        decided = make_plan(loaded)
    if output_format == "json":
        click.echo(json.dumps(_plan_record(decided), indent=2))
        return
    if decided.warnings or output_format == "sarif":
        is_for_people = output_format in ("full", "concise")
        click.echo(render(decided.warnings, loaded.sources, output_format), err=is_for_people)
    if output_format == "sarif":
        return
    console = result_console()
    console.print(_plan_table(decided, every=every))
    console.print(_norms(decided))
    console.print(
        f"{decided.parameter_count:,} parameters in {len(decided.assignments)} tensors, "
        f"{size(decided.parameter_bytes)} as {decided.dtype}, "
        f"{scaled(decided.flops)} FLOPs an example"
    )


@click.command()
@click.argument("subject")
@click.argument("pattern", required=False)
@set_option
@file_option
@format_option
def explain(
    subject: str,
    pattern: str | None,
    overrides: tuple[str, ...],
    files: Files,
    output_format: Format,
) -> None:
    """Explain a diagnostic's code, or a parameter.

    With one argument, SUBJECT is a code. With two it is a recipe, and how those of its parameters
    that match PATTERN are decided is told.

    \b
    seobuild explain R104
    seobuild explain search_intent encoder.blocks.0.attention.query.weight
    """
    if pattern is None:
        _explain_code(subject)
        return
    with shown_as(output_format):
        decided = make_plan(read_recipe(subject, overrides, files))
    try:
        wanted = compile_pattern(pattern)
    except PatternError as error:
        raise click.UsageError(f"{quote(pattern)}: {error}") from None
    found = [
        a
        for a in decided.assignments
        if any(wanted.matches(name) for name in (a.parameter.name, *a.parameter.aliases))
    ]
    if not found:
        names = [a.parameter.name for a in decided.assignments]
        guess = suggest(pattern, names)
        hint = (
            f"did you mean {quote(guess)}?"
            if guess
            else f"names are such as {', '.join(names[:3])}"
        )
        raise click.UsageError(f"no parameter matches {quote(pattern)}; {hint}")
    if output_format == "json":
        click.echo(json.dumps([_record(a) for a in found], indent=2))
        return
    click.echo("\n\n".join(_explanation(assignment) for assignment in found))


def _explain_code(code: str) -> None:
    known = CODES.get(code.upper())
    if known is None:
        raise click.UsageError(
            f"{quote(code)} is not a diagnostic's code, such as {next(iter(CODES))}\n"
            "To explain a parameter, give the recipe and the parameter's name or pattern."
        )
    click.echo(f"{code.upper()}: {known.title}\n\n{known.meaning}\n\nTo mend it: {known.mend}")


def _explanation(assignment: Assignment) -> str:
    parameter = assignment.parameter
    moments = assignment.distribution.moments(parameter.shape)
    rows = [
        ("shape", " x ".join(map(str, parameter.shape)) + f", {parameter.count:,} elements"),
        ("role", parameter.role),
        ("layer", parameter.layer),
        ("decided by", _rule_text(assignment.rule)),
        ("draws", assignment.distribution.describe()),
    ]
    if parameter.fans is not None:
        fans = parameter.fans
        sizes = f"in {fans.fan_in:.9g}, out {fans.fan_out:.9g}, average {fans.fan_avg:g}"
        rows.append(("fans", sizes))
    if assignment.gain is not None:
        whose = f" ({MEANING[assignment.convention]})" if assignment.convention else ""
        rows.append(("gain", number(assignment.gain) + whose))
    if parameter.arriving is not None:
        mean, variance = map(number, parameter.arriving)
        rows.append(("input", f"mean {mean}, variance {variance}"))
    if moments is not None:
        rows.append(("mean, std", f"{number(moments[0])}, {number(moments[1])}"))
    if assignment.reparametrization is not None:
        norm = assignment.reparametrization
        rows.append(("then", f"{norm.method}, by {_rule_text(norm.rule)}"))
    rows += [("not decided by", _rule_text(rule)) for rule in assignment.losing]
    if parameter.aliases:
        rows.append(("shared with", ", ".join(parameter.aliases)))
    rows.append(("stored as", ", ".join(parameter.stored)))
    width = max(len(label) for label, _ in rows)
    lines = [f"  {label:<{width}}  {printable(text)}" for label, text in rows]
    return "\n".join([parameter.name, *lines])


def _rule_text(rule: RuleReference) -> str:
    preset = f" (preset {rule.preset})" if rule.preset else ""
    return f"{rule.mark.file}:{rule.mark.line}{preset}  {rule.text}"


def _plan_table(decided: Plan, *, every: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("parameter", "shape", "role", "draws", "rule"):
        table.add_column(title, overflow="fold")
    for assignment, times in _rows(decided, every=every):
        parameter = assignment.parameter
        name = parameter.name + (f"  (and {times - 1} more like it)" if times > 1 else "")
        rule = assignment.rule
        place = f"{rule.preset}, line {rule.mark.line}" if rule.preset else f"line {rule.mark.line}"
        table.add_row(
            Text(name),
            Text(" x ".join(map(str, parameter.shape))),
            Text(parameter.role),
            Text(assignment.distribution.describe()),
            Text(place),
        )
    return table


def _rows(decided: Plan, *, every: bool) -> list[tuple[Assignment, int]]:
    """Assignments, those that differ only in the index of their block told once."""
    if every:
        return [(assignment, 1) for assignment in decided.assignments]
    groups: dict[object, list[Assignment]] = {}
    for assignment in decided.assignments:
        parameter = assignment.parameter
        drawn = assignment.distribution
        if isinstance(drawn, Pretrained):
            drawn = replace(drawn, tensor=_without_indices(drawn.tensor))
        key = (_without_indices(parameter.name), parameter.shape, drawn, assignment.rule)
        groups.setdefault(key, []).append(assignment)
    return [(members[0], len(members)) for members in groups.values()]


def _without_indices(name: str) -> str:
    return ".".join("#" if part.isdecimal() else part for part in name.split("."))


def _norms(decided: Plan) -> Text:
    parts = [f"{method}: {len(names)}" for method, names in decided.normalizations.items()]
    lines = [f"normalization  {', '.join(parts) or 'none'}"]
    if decided.unnormalized:
        lines.append(f"without a norm  {', '.join(decided.unnormalized)}")
    return Text("\n".join(lines))


def _plan_record(decided: Plan) -> dict[str, Any]:
    return {
        "name": decided.name,
        "seed": decided.seed,
        "dtype": decided.dtype,
        "parameters": decided.parameter_count,
        "bytes": decided.parameter_bytes,
        "flops": decided.flops,
        "normalizations": {k: list(v) for k, v in decided.normalizations.items()},
        "unnormalized": list(decided.unnormalized),
        "assignments": [_record(assignment) for assignment in decided.assignments],
    }


def _record(assignment: Assignment) -> dict[str, Any]:
    parameter = assignment.parameter
    moments = assignment.distribution.moments(parameter.shape)
    return {
        "name": parameter.name,
        "stored": list(parameter.stored),
        "aliases": list(parameter.aliases),
        "shape": list(parameter.shape),
        "role": parameter.role,
        "layer": parameter.layer,
        "fan_in": parameter.fans.fan_in if parameter.fans else None,
        "fan_out": parameter.fans.fan_out if parameter.fans else None,
        "method": assignment.method,
        "draws": assignment.distribution.describe(),
        "gain": assignment.gain,
        "gain_convention": MEANING[assignment.convention] if assignment.convention else None,
        "input_mean": parameter.arriving[0] if parameter.arriving else None,
        "input_variance": parameter.arriving[1] if parameter.arriving else None,
        "mean": moments[0] if moments else None,
        "std": moments[1] if moments else None,
        "rule": _rule_record(assignment.rule),
        "losing": [_rule_record(rule) for rule in assignment.losing],
    }


def _rule_record(rule: RuleReference) -> dict[str, Any]:
    return {
        "file": rule.mark.file,
        "line": rule.mark.line,
        "preset": rule.preset,
        "text": rule.text,
    }
