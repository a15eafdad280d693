"""Write the files that are made from the code, or with --check say which ones are stale."""

from __future__ import annotations

import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from seobuilder.artifact.manifest import manifest_schema
from seobuilder.planning.placement import PLACEMENTS, TRANSFORMER_PLACEMENTS
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.codes import CODES
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.schema import recipe_schema
from seobuilder.recipe.shipped import preset_names, preset_path, recipe_names
from seobuilder.recipe.spec import (
    Recipe,
    data,
    initialization,
    inputs,
    losses,
    modules,
    outputs,
    training,
)
from seobuilder.recipe.spec import normalization as norms
from seobuilder.report.schema import report_schema
from seobuilder.report.training import training_schema

ROOT = Path(__file__).resolve().parent.parent
Json = dict[str, Any]


def schema(make: Callable[[], Json]) -> str:
    """A schema as text."""
    return json.dumps(make(), indent=2) + "\n"


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table, empty without rows."""
    body = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    head = list(titles)
    lines = [head, ["---"] * len(head), *body] if body else []
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(title: str, *parts: str) -> str:
    """A page of parts, one empty line between them."""
    return "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def code(text: object) -> str:
    """Text as code."""
    return f"`{text}`"


def diagnostics() -> str:
    """The page of all codes."""
    return page(
        "Diagnostics",
        "`seobuild explain CODE` prints the same. R: the recipe's language, P: the plan, D: data, "
        "H: the health of a built model, T: training.",
        *(
            f"## {name}: {entry.title}\n\n{entry.meaning}\n\n**To mend it:** {entry.mend}"
            f"{evidence(name)}"
            for name, entry in CODES.items()
        ),
    )


def evidence(name: str) -> str:
    """What a check foretold of recipes that were trained, as benchmarks/verdict.py measured it."""
    file = ROOT / "docs" / "evidence" / "checks.json"
    worth = json.loads(file.read_text(encoding="utf-8")).get(name) if file.exists() else None
    if worth is None:
        return ""
    return (
        f"\n\n**What it foretells:** told of {worth['told']} of {worth['recipes']} recipes that "
        f"were drawn at random and trained, of which {worth['short']} fell short; area under its "
        f"own curve {worth['area']}, and what it adds to the others {worth['adds']}. "
        "[evidence.md](evidence.md) says how.\n\n"
        f"![ROC curve of {name} alone](evidence/{name}.svg)"
    )


def presets() -> str:
    """The page of all presets."""
    return page(
        "Presets",
        "`- {preset: bert}` under `initialization` stands for the rules below, in its place. They "
        "may go unused, unlike a recipe's own, but not all of them. A rule above it overrides it; "
        "a rule below it must decide something that it leaves. `seobuild resolve RECIPE` prints a "
        "recipe with its presets expanded.",
        *map(preset, preset_names()),
    )


def preset(name: str) -> str:
    """One preset: what it is, where it comes from, and its rules."""
    text = preset_path(name).read_text(encoding="utf-8")
    source = " ".join(line[1:].strip() for line in text.splitlines() if line.startswith("#"))
    rules = textwrap.dedent(text.partition("rules:\n")[2])
    whole = yaml.safe_load(text)
    needs = "; ".join(
        ", ".join(f"{key}: {value}" for key, value in condition.items())
        for condition in whole.get("requires", ())
    )
    parts = [f"## {name}", whole["description"], f"Needs {code(needs)}." if needs else ""]
    parts += [f"Source: {source}", f"```yaml\n{rules}```"]
    return "\n\n".join(part for part in parts if part)


def recipes() -> str:
    """The page of all shipped recipes."""
    return page(
        "Shipped recipes",
        "`seobuild NAME` builds one; `seobuild new MINE --from NAME` starts a recipe of your own "
        "from it. Their data is made up, and small.",
        *map(shipped_recipe, recipe_names()),
    )


def shipped_recipe(name: str) -> str:
    """One shipped recipe: its ends, its modules and its size."""
    loaded = load_recipe(name)
    recipe, plan = loaded.recipe, make_plan(loaded)
    methods = dict.fromkeys(assignment.method for assignment in plan.assignments)
    rows = [
        ("inputs", _kinds(recipe.inputs)),
        ("modules", _kinds(recipe.modules)),
        ("outputs", _kinds(recipe.outputs)),
        ("normalization", ", ".join(map(code, plan.normalizations)) or "none"),
        ("initialization", ", ".join(map(code, methods))),
        ("data", ", ".join(map(code, recipe.data.all_files)) if recipe.data else "none"),
        ("parameters", f"{plan.parameter_count:,} in {len(plan.assignments)} tensors"),
    ]
    return f"## {name}\n\n{recipe.description}\n\n{table(('', ''), rows)}"


def _kinds(specs: dict[str, Any]) -> str:
    parts = []
    for name, spec in specs.items():
        shared = isinstance(spec, modules.SameAs)
        parts.append(f"{code(name)} ({f'same as {spec.same_as}' if shared else spec.kind})")
    return ", ".join(parts)


def reference() -> str:
    """The page of the whole recipe language."""
    selector, norm_selector = initialization.Selector, norms.NormalizationSelector
    return page(
        "The recipe language",
        "Every key that a recipe may have. A key without a default is required; – means that it "
        "is left out. Numbers that may be a formula are worked out for each parameter. "
        "[The guide](guide.md) says how the parts play together.",
        f"## The recipe\n\n{keys(Recipe)}",
        "## Inputs\n\n`inputs` maps names to what the model is given.",
        *kinds(inputs.InputSpec),
        "## Modules\n\n`modules` maps names to parts of the model, evaluated in this order.",
        *kinds(modules.ModuleSpec),
        "## Feed-forward layers\n\n`ffn` of a transformer.",
        *kinds(modules.FeedForwardSpec),
        "## Outputs\n\n`outputs` maps names to what the model says.",
        *kinds(outputs.OutputSpec),
        *losses_of_outputs(),
        "## Normalization\n\nA list of rules. Each has these keys, and those of its method:",
        keys(norm_selector),
        f"The activation norms, from `layer_norm` to `group_norm`, also have:\n\n"
        f"{keys(norms.ActivationNorm, norm_selector)}",
        placements(),
        *kinds(norms.NormalizationSpec, norms.ActivationNorm),
        "## Initialization\n\nA list of rules. Each has at least one of `match`, `role` and "
        "`type`, and the keys of its method; all conditions must hold. "
        "[Initialization](initialization.md) says what each method draws.",
        keys(selector),
        *kinds(initialization.InitializationSpec, selector),
        f"## Data\n\nCSV (`.csv`), JSON lines (`.jsonl`, `.ndjson`) or Parquet (`.parquet`). "
        "[Data](data.md) says what a cell means.\n\n"
        f"{keys(data.DataSpec)}",
        "`split` holds out a share of the rows, or names a file for each part:",
        keys(data.ShareSplit),
        keys(data.FileSplit),
        f"`streaming`:\n\n{keys(data.Streaming)}",
        "## Training\n\nHow `seobuild train` trains the model; every key has a default. "
        "[Training](training.md) says what they do.",
        keys(training.TrainingSpec),
        f"`batch`:\n\n{keys(training.BatchSpec)}",
        f"`schedule`:\n\n{keys(training.Schedule)}",
        f"`clip`:\n\n{keys(training.Clip)}",
        f"`early_stopping`:\n\n{keys(training.EarlyStopping)}",
        f"`checkpoints`:\n\n{keys(training.Checkpoints)}",
        f"`monitors`:\n\n{keys(training.Monitors)}",
        "`optimizer`:",
        *kinds(training.OptimizerSpec),
    )


def losses_of_outputs() -> Iterator[str]:
    """What each kind of output may be trained with."""
    yield "## Losses\n\n`loss` of an output."
    unions = {
        "classification": losses.ClassificationLoss,
        "multilabel": losses.MultilabelLoss,
        "regression": losses.RegressionLoss,
        "ranking": losses.RankingLoss,
    }
    for kind, union in unions.items():
        yield f"Of a {kind}:"
        yield from kinds(union)


def placements() -> str:
    """Which norms each placement puts into a block."""
    names = {"input": "before", "output": "after", "residual": "after the residual sum of"}
    rows = []
    for name, sites in TRANSFORMER_PLACEMENTS.items():
        where = [f"{names[site]} each branch" for site in sites.branch]
        where += ["before the first block"] * sites.embedding
        where += ["after the last block"] * sites.final
        where += ["skip path times (2 * depth) ** 0.25"] * sites.deep_skip
        rows.append((code(name), ", ".join(where)))
    others = {
        kind.replace("_", " "): ", ".join(map(code, allowed))
        for kind, allowed in PLACEMENTS.items()
        if kind != "transformer_block"
    }
    rest = "; ".join(f"{kind}: {allowed}" for kind, allowed in others.items())
    return (
        "Placements in a transformer, whose branches are attention and ffn:\n\n"
        f"{table(('placement', 'norms'), rows)}\nElsewhere: {rest}."
    )


def kinds(union: Any, base: type[BaseModel] | None = None) -> Iterator[str]:
    """Each member of a union of specs; the keys of `base` are stated elsewhere."""
    for model in members(union):
        tags = [tag for key in ("kind", "method") for tag in literals(model, key)]
        title = ", ".join(map(code, tags or [next(iter(model.model_fields))]))
        yield f"### {title}\n\n{inspect.getdoc(model)}\n\n{keys(model, base)}"


def members(annotation: Any) -> Iterator[type[BaseModel]]:
    """The specs of a union, in order."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from members(argument)


def literals(model: type[BaseModel], key: str) -> tuple[str, ...]:
    """What a discriminator may say; `method` of a pool is an ordinary key."""
    field = model.model_fields.get(key)
    is_kind = key == "kind" or "kind" not in model.model_fields
    return get_args(field.annotation) if field is not None and is_kind else ()


def keys(model: type[BaseModel], base: type[BaseModel] | None = None) -> str:
    """The table of a spec's keys, without its discriminator and the keys of `base`."""
    described = model.model_json_schema(by_alias=True)
    required = described.get("required", ())
    hidden = set(base.model_fields if base else ())
    hidden.add("kind" if "kind" in model.model_fields else "method")
    rows = []
    for name, key in described["properties"].items():
        if name in hidden:
            continue
        default = key.get("default")
        shown = "–" if default in (None, "", []) else code(json.dumps(default).strip('"'))
        meaning = key.get("description", "")
        rows.append((code(name), words(key), "required" if name in required else shown, meaning))
    return table(("key", "value", "default", "meaning"), rows)


def words(key: Json, *, plural: bool = False) -> str:
    """The type of a value in words."""
    choices = [c for c in key.get("anyOf") or key.get("oneOf") or () if c.get("type") != "null"]
    if len(choices) == 2 and choices[1].get("items") == choices[0]:
        return f"{words(choices[0])}; or a list of them"
    if choices:
        return " or ".join(dict.fromkeys(words(choice, plural=plural) for choice in choices))
    if "const" in key or "enum" in key:
        return ", ".join(code(choice) for choice in key.get("enum") or [key["const"]])
    kind = key.get("type", "object")
    if kind == "array":
        items = (key.get("prefixItems") or [key.get("items", {})])[0]
        count = f"{len(key['prefixItems'])} " if "prefixItems" in key else ""
        return f"list of {count}{words(items, plural=True)}"
    if kind == "string" and "formula" in key.get("description", ""):
        return "formula"
    noun = {"integer": "whole number", "number": "number", "string": "text", "object": "mapping"}
    if kind == "boolean":
        return "`true` or `false`"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {_number(key[word])}" for word, sign in signs.items() if word in key]
    return " ".join([noun[kind] + "s" * plural, " and ".join(bounds)]).strip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


FILES: dict[str, Callable[[], str]] = {
    "schemas/recipe.schema.json": lambda: schema(recipe_schema),
    "schemas/report.schema.json": lambda: schema(report_schema),
    "schemas/manifest.schema.json": lambda: schema(manifest_schema),
    "schemas/training.schema.json": lambda: schema(training_schema),
    "docs/diagnostics.md": diagnostics,
    "docs/reference.md": reference,
    "docs/presets.md": presets,
    "docs/recipes.md": recipes,
}


def main() -> int:
    """Write, or check."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, make in FILES.items():
        path, text = ROOT / name, make()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"stale: {', '.join(stale)}; `make generate` writes them")
        return 1
    print(f"{len(FILES)} generated files are fresh" if not stale else f"wrote {', '.join(stale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
