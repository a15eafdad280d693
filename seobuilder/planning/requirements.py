"""What a preset needs of the model: its `requires`, a list of conditions.

{key: base_width}                           the recipe has this key
{kind: transformer}                         there is a module of this kind
{kind: transformer, key: attention_scale}   each module of this kind has this key
{kind: transformer, residual: rezero}       each module of this kind has this value
{placement: deepnorm}                       each transformer block has a norm placed so
{placement: none}                           no transformer block has a norm
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec.normalization import ActivationNormSpec

Norms = Mapping[str, ActivationNormSpec | None]


def check_requirements(loaded: LoadedRecipe, norms: Norms) -> list[Diagnostic]:
    """P211: a preset's condition that the model does not meet, at the line that names the preset.

    Args:
        loaded: the recipe.
        norms: the norm of every block that may have one.
    """
    found = []
    for used in loaded.used_presets:
        told = [(each, _lack(loaded, norms, each)) for each in used.requires]
        lacking = {lack: each for each, lack in told if lack}
        if lacking:
            message = f"the preset {used.name} needs {'; and '.join(lacking)}"
            bare = {"placement": "none"} in lacking.values()
            way = "`method: none` for these blocks" if bare else "state that in the recipe"
            help = f"{way}, or take another preset"
            found.append(Diagnostic("P211", message, used.mark, used.path, help=help))
    return found


def _lack(loaded: LoadedRecipe, norms: Norms, condition: Mapping[str, Any]) -> str:
    """What must be there, and what is there instead; empty if the condition is met."""
    modules = loaded.recipe.modules
    transformers = [name for name, spec in modules.items() if _kind(spec) == "transformer"]
    match dict(condition):
        case {"key": key, **rest} if not rest:
            return "" if getattr(loaded.recipe, key) is not None else f"`{key}` in the recipe"
        case {"kind": kind, **rest}:
            specs = {name: spec for name, spec in modules.items() if _kind(spec) == kind}
            if not rest:
                return "" if specs else f"a module of kind {kind}"
            return next(_module_lacks(specs, rest), "")
        case {"placement": placement, **rest} if not rest:
            blocks = {
                block: norm
                for block, norm in norms.items()
                if block.partition(".")[0] in transformers
            }
            return next(_block_lacks(blocks, placement), "")
        case _:
            raise AssertionError(f"no such condition: {condition}")


def _kind(spec: Any) -> str | None:
    return getattr(spec, "kind", None)


def _module_lacks(specs: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, spec in specs.items():
        for key, value in wanted.items():
            if key == "key":
                if getattr(spec, value) is None:
                    yield f"`{value}`, which `{name}` does not state"
            elif getattr(spec, key) != value:
                yield f"`{key}: {value}`, and `{name}` has {_stated(key, getattr(spec, key))}"


def _stated(key: str, value: Any) -> str:
    return f"no `{key}`" if value is None else f"`{key}: {getattr(value, 'text', value)}`"


def _block_lacks(blocks: Norms, placement: str) -> Iterator[str]:
    for block, norm in blocks.items():
        if placement == "none" and norm is not None:
            yield f"blocks without a norm, and `{block}` has {norm.method}"
        elif placement != "none" and (norm is None or norm.placement != placement):
            found = "no norm" if norm is None else f"placement {norm.placement}"
            yield f"norms with `placement: {placement}`, and `{block}` has {found}"
