"""Files that the caller gives: tokenizers and weights, which a recipe names but need not carry."""

from __future__ import annotations

from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote, suggest
from seobuilder.recipe.document import PathLike
from seobuilder.recipe.files import Files
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.initialization import Pretrained


def weight_rules(recipe: Recipe) -> dict[int, Pretrained]:
    """The rules that load weights from a file, by index."""
    rules = enumerate(recipe.initialization)
    return {index: rule for index, rule in rules if isinstance(rule, Pretrained)}


def named_files(recipe: Recipe) -> dict[str, PathLike]:
    """Each file that a caller may give, and where the recipe names it first."""
    inputs = recipe.token_inputs.items()
    places: list[tuple[str, PathLike]] = [
        (spec.tokenizer, ("inputs", name, "tokenizer")) for name, spec in inputs if spec.tokenizer
    ]
    rules = weight_rules(recipe).items()
    places += [(rule.file, ("initialization", index, "file")) for index, rule in rules]
    named: dict[str, PathLike] = {}
    for file, place in places:
        named.setdefault(file, place)
    return named


def check_given(
    recipe: Recipe, given: Files, sources: dict[str, tuple[str, ...]]
) -> list[Diagnostic]:
    """Files that the caller gives, and the recipe does not name."""
    known = list(named_files(recipe))
    problems = []
    for name, path in given.items():
        if name in known:
            continue
        text = f"--file {name}={path}"
        sources[text] = (f"{name}={path}",)
        guess = suggest(name, known)
        hint = f"; did you mean {quote(guess)}?" if guess else ""
        message = f"the recipe names no tokenizer and no weights {quote(name)}{hint}"
        help = f"it names {', '.join(map(quote, known))}" if known and not guess else ""
        problems.append(Diagnostic("R211", message, Mark(text, 1, 1, len(name)), "", help=help))
    return problems
