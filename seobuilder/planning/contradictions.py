"""Norms and initialization that contradict each other, each decided in the plan.

One function a check, and one table of them at the end. All point at the rule under `normalization`
that is one side; the message names the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import isclose, sqrt

from seobuilder.planning import distributions as draws
from seobuilder.planning.blocks import Block, Blocks, first_block, has, last_block, opening_norm
from seobuilder.planning.contradiction import (
    BETA_DRAW,
    Contradiction,
    Facts,
    draw_beside_norms,
    named,
)
from seobuilder.planning.divided_weights import (
    gain_under_spectral_norm,
    zeros_under_a_reparametrization,
)
from seobuilder.planning.model import Assignment, Parameter, Plan, RuleReference
from seobuilder.planning.norm_remedies import layer_norm_instead, no_norm_before, rule_before
from seobuilder.planning.placement import Normalizer
from seobuilder.planning.remedies import delete, redraw, set_value
from seobuilder.planning.rules import listed, rule_problem
from seobuilder.planning.sound import is_zero
from seobuilder.recipe.change import Change
from seobuilder.recipe.diagnostics import Diagnostic, Severity, alike_as_one
from seobuilder.recipe.load import LoadedRecipe

BETA_LAYERS = ("value", "output", "up", "gate", "down")
"""Layers that DeepNorm's beta scales (Wang et al. 2022, arXiv:2203.00555, figure 2)."""

TOLERANCE = 0.25
"""Relative error up to which a weight's std passes for beta times Xavier's.

So much lies between Xavier's and that of an orthogonal matrix with the same gain.
"""


def contradictions(loaded: LoadedRecipe, plan: Plan, normalizer: Normalizer) -> list[Diagnostic]:
    """P510 to P519: what two parts of a recipe say of its norms, and can't both mean.

    An error where the model can't be meant, a warning where it can be built.
    """
    facts = Facts(loaded, Blocks(plan, normalizer.norms, normalizer.winners))
    found = []
    for code, check in CHECKS.items():
        for rule, key, message, help, changes in dict.fromkeys(check(facts)):
            problem = rule_problem(loaded, "normalization", rule, code, message, key, help)
            severity: Severity = "error" if code in ERRORS else "warning"
            found.append(replace(problem, severity=severity, changes=changes))
    return alike_as_one(found)


def _skip_that_is_not_there(facts: Facts) -> Iterator[Contradiction]:
    for block in facts.blocks.normed.values():
        if block.sites and block.sites.deep_skip and block.node.settings["skip_scale"] == 0:
            mark = facts.loaded.mark("modules", block.module, "residual")
            yield Contradiction(
                block.rule,
                "placement",
                f"placement {block.norm.placement} multiplies the skip path, and "
                f"`{block.module}` has none, by `residual: none` in {mark.place}",
                "`residual: plain`, or another placement",
                set_value(facts.loaded, ("modules", block.module, "residual"), "plain"),
            )


def _stack_without_its_final_norm(facts: Facts) -> Iterator[Contradiction]:
    """What a stack of unnormalized sums gives, unless each reader begins with a norm."""
    for module in facts.blocks.plan.root.children:
        block = facts.blocks.normed.get(last_block(module)[0])
        if block is None or block.sites is None or not block.sites.final:
            continue
        readers = [reader for read, reader in facts.blocks.edges if read is module]
        if has(module, "final_norm") or (readers and all(map(opening_norm, readers))):
            continue
        yield Contradiction(
            block.rule,
            "final",
            f"placement {block.norm.placement} lets the sum of the branches grow with every "
            f"block, and `final: false` hands it on from `{module.name}` without a norm",
            "delete `final: false`",
            delete(facts.loaded, ("normalization", block.rule, "final")),
        )


def _two_norms_in_a_row(facts: Facts) -> Iterator[Contradiction]:
    ways_out = {
        "final_norm": ("final", "delete `final`"),
        "input_norm": ("embedding", "`embedding: false` leaves out the second"),
        "attention_input_norm": ("placement", "leave one of them out"),
    }
    for (first, before), (second, block) in facts.blocks.norms_in_a_row():
        key, help = ways_out[second.rpartition(".")[2]]
        message = f"`{second}` normalizes again what `{first}` gives, with nothing between"
        at = ("normalization", block.rule, key)
        changes = {
            "final": delete(facts.loaded, at) if block.norm.final is True else (),
            "embedding": set_value(facts.loaded, at, "false"),
            "placement": _without_first_norm(facts, first, before),
        }
        yield Contradiction(block.rule, key, message, help, changes.get(key, ()))


def _without_first_norm(facts: Facts, name: str, block: Block) -> tuple[Change, ...]:
    """Edits after which a module, or a block, no longer ends in the norm of that name."""
    normed = facts.blocks.normed.values()
    own = [each.name for each in normed if each.module == block.module]
    if name.endswith(".final_norm"):
        changed = {"final": "false"}
    elif block.sites is not None:
        changed = {"placement": "pre"}
    elif block.node.kind != "recurrent_layer":
        changed = {"placement": "before_activation"}
    elif sum(each.rule == block.rule for each in normed) == 1:
        return delete(facts.loaded, ("normalization", block.rule))
    else:  # its norm has no other place
        return no_norm_before(facts.loaded, block.rule, block.name)
    if {each.name for each in normed if each.rule == block.rule} <= set(own):
        ((key, value),) = changed.items()
        return set_value(facts.loaded, ("normalization", block.rule, key), value)
    return rule_before(facts.loaded, block.rule, own, changed)


def _zero_branch_beside_a_norm(facts: Facts) -> Iterator[Contradiction]:
    for role in ("residual_out", "residual_scale"):

        def begins_at_zero(parameter: Parameter, drawn: Assignment, role: str = role) -> bool:
            return parameter.role == role and is_zero(drawn)

        for block, rule, names in _blocks_and_rules(facts, begins_at_zero):
            only_before = block.sites is not None and block.sites.branch == ("input",)
            if role == "residual_out" and only_before and not _is_scaled_inside(facts, block):
                # A choice of its own: Goyal et al. 2017, arXiv:1706.02677, section 5.1.
                continue
            yield Contradiction(
                block.rule,
                "placement",
                f"{named(rule)} draws zeros for {listed(names)}, so that branches begin at zero, "
                f"as Fixup and ReZero have them in the place of norms, and {block.norm.method} "
                "stands beside them",
                "`method: none` for these blocks, or other draws than zeros",
                redraw(facts.blocks.plan, _draws_beside_a_norm(facts, block, names)),
            )


def _draws_beside_a_norm(facts: Facts, block: Block, names: Iterable[str]) -> dict[str, str]:
    """Draws for the ends of branches that suit the norm of their block."""
    assert block.sites is not None
    drawn = {each.parameter.name: each for each in facts.blocks.plan.assignments}
    return {name: draw_beside_norms(block.sites, drawn[name]) for name in names}


def _is_scaled_inside(facts: Facts, block: Block) -> bool:
    """Whether weights of a branch before its last layer are scaled by the depth, as in Fixup."""
    return any(
        parameter.role in ("weight", "gate") and facts.is_scaled_by_depth(assignment)
        for parameter, assignment in facts.blocks.drawn(block.node)
    )


def _deepnorm_without_its_beta(facts: Facts) -> Iterator[Contradiction]:
    def lacks_beta(parameter: Parameter, assignment: Assignment) -> bool:
        layer, _, kind = parameter.name.rpartition(".")
        if layer.rpartition(".")[2] not in BETA_LAYERS or kind != "weight":
            return False
        if isinstance(assignment.distribution, draws.Pretrained):
            return False
        moments = assignment.distribution.moments(parameter.shape)
        if moments is None:
            return True
        return moments[1] > 0 and not isclose(moments[1], _beta_std(parameter), rel_tol=TOLERANCE)

    for block, rule, names in _blocks_and_rules(facts, lacks_beta):
        if block.sites and block.sites.deep_skip:
            yield Contradiction(
                block.rule,
                "placement",
                f"placement {block.norm.placement} goes with weights of (8 * depth) ** -0.25 "
                f"times Xavier's, and {named(rule)} draws others for {listed(names)}",
                "`- {preset: deepnorm}` under `initialization` draws them so",
                redraw(facts.blocks.plan, dict.fromkeys(names, BETA_DRAW)),
            )


def _beta_std(parameter: Parameter) -> float:
    """(8 depth)^(-1/4) sqrt(1 / fan_avg): figure 2 of the paper, for an encoder."""
    assert parameter.fans is not None
    beta: float = (8 * parameter.variables["depth"]) ** -0.25
    return beta / sqrt(parameter.fans.fan_avg)


def _depth_scaling_undone(facts: Facts) -> Iterator[Contradiction]:
    def is_scaled(parameter: Parameter, assignment: Assignment) -> bool:
        return parameter.role == "residual_out" and facts.is_scaled_by_depth(assignment)

    for block, rule, names in _blocks_and_rules(facts, is_scaled):
        if block.sites is None or block.sites.deep_skip or block.sites.branch == ("input",):
            continue
        undone = (
            "which the norm after each branch divides out"
            if "output" in block.sites.branch
            else "and the norm after each sum keeps its size at any depth"
        )
        yield Contradiction(
            block.rule,
            "placement",
            f"{named(rule)} scales {listed(names)} by the depth, {undone} "
            f"(placement {block.norm.placement})",
            "a rule for residual_out without `depth`, or placement pre",
            set_value(facts.loaded, ("normalization", block.rule, "placement"), "pre"),
        )


def _batch_norm_on_tokens(facts: Facts) -> Iterator[Contradiction]:
    """In the first layer; a norm behind attention or a recurrent cell sees more than a token."""
    for read, reader in facts.blocks.edges:
        block = facts.blocks.normed.get(first_block(reader)[0])
        is_first = reader.kind == "stack" or opening_norm(reader)
        if (
            block
            and is_first
            and read.kind == "token_embedding"
            and block.norm.method == "batch_norm"
        ):
            yield Contradiction(
                block.rule,
                "method",
                f"batch_norm in `{block.name}`, the first layer on the tokens of `{read.name}`, "
                "takes the statistics of the words that a batch happens to hold",
                "layer_norm or rms_norm, which take each position by itself",
                layer_norm_instead(facts.loaded, block.rule),
            )


def _dropout_before_batch_norm(facts: Facts) -> Iterator[Contradiction]:
    """Li et al. 2018, arXiv:1801.05134: dropout changes the variance that batch norm learns."""
    for first, second in facts.blocks.behind_dropout():
        block = facts.blocks.normed.get(second)
        if block and block.norm.method == "batch_norm":
            yield Contradiction(
                block.rule,
                "method",
                f"batch_norm in `{block.name}` learns the variance of what `{first}` gives under "
                "dropout, which has another one in evaluation",
                f"no dropout in `{first.partition('.')[0]}`, or layer_norm",
                layer_norm_instead(facts.loaded, block.rule),
            )


def _blocks_and_rules(
    facts: Facts, concerns: Callable[[Parameter, Assignment], bool]
) -> Iterator[tuple[Block, RuleReference, list[str]]]:
    """For each two rules, one that gives norms and one that draws: a block, and what is drawn."""
    found: dict[tuple[int, int], tuple[Block, RuleReference, list[str]]] = {}
    for block in facts.blocks.normed.values():
        if block.sites is None:
            continue
        for parameter, assignment in facts.blocks.drawn(block.node):
            if concerns(parameter, assignment):
                key = block.rule, assignment.rule.index
                found.setdefault(key, (block, assignment.rule, []))[2].append(parameter.name)
    yield from found.values()


CHECKS: dict[str, Callable[[Facts], Iterator[Contradiction]]] = {
    "P510": _skip_that_is_not_there,
    "P511": _stack_without_its_final_norm,
    "P512": _two_norms_in_a_row,
    "P513": _zero_branch_beside_a_norm,
    "P514": _deepnorm_without_its_beta,
    "P515": _depth_scaling_undone,
    "P516": _batch_norm_on_tokens,
    "P517": _dropout_before_batch_norm,
    "P518": gain_under_spectral_norm,
    "P519": zeros_under_a_reparametrization,
}

ERRORS = frozenset({"P510", "P519"})
"""What can't be meant; all others are warnings."""
