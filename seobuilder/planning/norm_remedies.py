"""Edits of a recipe that give blocks a norm, and rules for the scales and shifts that come along.

As all remedies, they are given only where one recipe's own text decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from seobuilder.planning.blocks import blocks_of
from seobuilder.planning.model import Node, Parameter, Plan
from seobuilder.planning.placement import PLACEMENTS, BlockKind
from seobuilder.planning.remedies import set_value
from seobuilder.planning.rules import selects, speaks_of
from seobuilder.recipe.change import Change
from seobuilder.recipe.dump import flow
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.reader import read_value
from seobuilder.recipe.spec.initialization import PresetRule
from seobuilder.recipe.spec.normalization import ActivationNorm, LayerNorm, NoNorm, RMSNorm
from seobuilder.recipe.spec.selector import Role
from seobuilder.recipe.written import Place

_CHOSEN: dict[BlockKind, tuple[str, str]] = {
    "transformer_block": ("rms_norm", "pre"),
    "mlp_block": ("layer_norm", "before_activation"),
    "conv_block": ("layer_norm", "before_activation"),
    "conv2d_block": ("layer_norm", "before_activation"),
    "recurrent_layer": ("layer_norm", "after_activation"),
}
"""Method and placement where the recipe has none for blocks of the kind."""

_DRAWS: tuple[tuple[str, Role, str], ...] = (
    ("weight", "norm_scale", "ones"),
    ("bias", "norm_shift", "zeros"),
)
_FIXED = ("ones", "zeros", "constant", "keep")
"""Methods that can draw a norm's scale or shift."""


def normalize(loaded: LoadedRecipe, plan: Plan, module: Node) -> tuple[Change, ...]:
    """Edits after which all blocks of a module have a norm, in the place of none.

    No edits where no file alone holds what is to be changed.
    """
    prefix, nodes = blocks_of(module)
    names = [f"{prefix}.{node.name}" for node in nodes]
    kind: BlockKind = nodes[0].kind  # type: ignore[assignment]
    method, placement = _chosen(loaded, kind)
    rule: dict[str, str | bool] = {"match": f"{prefix}.*", "method": method, "placement": placement}
    if placement == "pre":  # else the first branches drown what embeddings say
        rule["embedding"] = True
    norm = flow(rule)
    drawn = norm_draws(loaded, f"{names[0]}.norm", method)
    rules = loaded.recipe.normalization
    winners = [index for name in names if (index := norm_rule(loaded, name)) is not None]
    if not rules:
        place = loaded.place("normalization")
        changes = () if place is None else (_change("set", place, f"[{norm}]"),)
    elif not winners:
        place = loaded.place("normalization")
        end = None if place is None else place._replace(path=(*place.path, len(rules)))
        changes = () if end is None else (_change("insert", end, norm),)
    else:
        first = min(winners)
        place = loaded.place("normalization", first)
        decides_more = {name for name in _all_blocks(plan) if norm_rule(loaded, name) == first}
        action: Literal["insert", "set"] = "set" if decides_more <= set(names) else "insert"
        is_none = isinstance(rules[first], NoNorm)
        changes = () if place is None or not is_none else (_change(action, place, norm),)
    return (*changes, *drawn) if changes and drawn is not None else ()


def layer_norm_instead(loaded: LoadedRecipe, index: int, **more: str) -> tuple[Change, ...]:
    """Edits that make a norm's rule one for layer norm, without what only batches have.

    `more` are other keys that the rule gets.
    """
    rule = loaded.resolved["normalization"][index]
    own = ("momentum", "track_running_stats", "affine", "eps", "num_groups")
    kept = {key: value for key, value in rule.items() if key not in own}
    if rule.get("affine") is False:
        kept["elementwise_affine"] = False
    changed = flow({**kept, "method": "layer_norm", **more})
    return set_value(loaded, ("normalization", index), changed)


def norm_embeddings(loaded: LoadedRecipe, module: Node) -> tuple[Change, ...]:
    """Edits after which a norm of what comes in stands before the first block of a transformer."""
    prefix, blocks = blocks_of(module)
    index = norm_rule(loaded, f"{prefix}.{blocks[0].name}")
    if index is None:
        return ()
    method = loaded.recipe.normalization[index].method
    changes = set_value(loaded, ("normalization", index, "embedding"), "true")
    drawn = norm_draws(loaded, f"{module.name}.input_norm", method)
    return (*changes, *drawn) if changes and drawn is not None else ()


def rule_before(
    loaded: LoadedRecipe, index: int, blocks: Sequence[str], changed: Mapping[str, str]
) -> tuple[Change, ...]:
    """The edit that puts a rule like one for norms before it, for all blocks of a stack alone.

    Args:
        loaded: the recipe.
        index: that of the rule.
        blocks: names of the blocks.
        changed: what the new rule has otherwise, as YAML.
    """
    place = loaded.place("normalization", index)
    if place is None:
        return ()
    rule = loaded.resolved["normalization"][index]
    stack = blocks[0].rpartition(".")[0]
    kept = {key: value for key, value in rule.items() if key not in ("exclude", "expect")}
    values = {key: read_value(value) for key, value in changed.items()}
    return (_change("insert", place, flow({**kept, "match": f"{stack}.*", **values})),)


def no_norm_before(loaded: LoadedRecipe, index: int, block: str) -> tuple[Change, ...]:
    """The edit that puts a rule before another one, by which one of its blocks has no norm."""
    place = loaded.place("normalization", index)
    norm = flow({"match": block, "method": "none"})
    return () if place is None else (_change("insert", place, norm),)


def norm_draws(loaded: LoadedRecipe, layer: str, norm: str) -> tuple[Change, ...] | None:
    """Rules, where there are none that can, for scale and shift of a norm; None if none can be."""
    changes = []
    for suffix, role, method in _DRAWS[:1] if norm == "rms_norm" else _DRAWS:
        parameter = Parameter(f"{layer}.{suffix}", (), (1,), role, "layer_norm")
        rules = (rule for rule in loaded.recipe.initialization if not isinstance(rule, PresetRule))
        decided = next((rule for rule in rules if selects(rule, parameter)), None)
        if decided is None or decided.method not in _FIXED:
            place = loaded.place("initialization", 0)
            if place is None:
                return None
            changes.append(_change("insert", place, flow({"role": role, "method": method})))
    return tuple(changes)


def norm_rule(loaded: LoadedRecipe, block: str) -> int | None:
    """The index of the rule that decides a block's norm, None where there is none."""
    for index, rule in enumerate(loaded.recipe.normalization):
        if isinstance(rule, ActivationNorm | NoNorm) and speaks_of(rule, block):
            return index
    return None


def _change(action: Literal["insert", "set"], place: Place, yaml: str) -> Change:
    return Change(action=action, yaml=yaml, **place._asdict())


def _chosen(loaded: LoadedRecipe, kind: BlockKind) -> tuple[str, str]:
    """The norm that the recipe has for blocks of the kind already, else the usual one."""
    for rule in loaded.recipe.normalization:
        if not isinstance(rule, LayerNorm | RMSNorm):
            continue
        if rule.placement in PLACEMENTS[kind] and rule.placement not in ("deepnorm", "post"):
            return rule.method, rule.placement
    return _CHOSEN[kind]


def _all_blocks(plan: Plan) -> list[str]:
    return [
        f"{prefix}.{node.name}"
        for prefix, nodes in map(blocks_of, plan.root.children)
        for node in nodes
    ]
