"""Where norms stand: one table from placement to sites, and the first match over blocks.

Weight and spectral norm belong to parameters, and have a first match of their own.

A transformer block has two branches, attention and ffn, each with three sites:

    x = residual(skip * x + output(branch(input(x))))

`embedding` is a norm before the first block, `final` one after the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from seobuilder.planning import primitives
from seobuilder.planning.model import Node, Parameter, Reparametrization
from seobuilder.planning.primitives import Scope
from seobuilder.planning.rules import check_use, reference, rule_problem, speaks_of
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec.normalization import (
    ActivationNorm,
    ActivationNormSpec,
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    NoNorm,
    RMSNorm,
    SpectralNorm,
    WeightNorm,
)

Site = Literal["input", "output", "residual"]
BlockKind = Literal[
    "transformer_block", "mlp_block", "conv_block", "conv2d_block", "recurrent_layer"
]


@dataclass(frozen=True, slots=True)
class Sites:
    """The sites that a placement fills.

    `deep_skip` multiplies the skip path by (2 * depth) ** 0.25, the alpha of an encoder of that
    depth (DeepNet, Wang et al. 2022, arXiv:2203.00555, figure 2).
    """

    branch: tuple[Site, ...]
    embedding: bool = False
    final: bool = False
    deep_skip: bool = False


# pre: Xiong et al. 2020, arXiv:2002.04745. sandwich: Ding et al. 2021, arXiv:2105.13290.
# peri: Kim et al. 2025, arXiv:2502.02732. output: OLMo 2, arXiv:2501.00656.
TRANSFORMER_PLACEMENTS: dict[str, Sites] = {
    "pre": Sites(("input",), final=True),
    "post": Sites(("residual",)),
    "sandwich": Sites(("input", "output"), final=True),
    "peri": Sites(("input", "output"), embedding=True, final=True),
    "output": Sites(("output",), final=True),
    "deepnorm": Sites(("residual",), deep_skip=True),
}

PLACEMENTS: dict[BlockKind, tuple[str, ...]] = {
    "transformer_block": tuple(TRANSFORMER_PLACEMENTS),
    "mlp_block": ("before_activation", "after_activation"),
    "conv_block": ("before_activation", "after_activation"),
    "conv2d_block": ("before_activation", "after_activation"),
    "recurrent_layer": ("after_activation",),
}


@dataclass
class Normalizer:
    """Decides each block's norm by the first rule that matches, and keeps what was decided."""

    loaded: LoadedRecipe
    problems: list[Diagnostic]
    winners: dict[str, int] = field(default_factory=dict)
    norms: dict[str, ActivationNormSpec | None] = field(default_factory=dict)
    vectors: set[str] = field(default_factory=set)

    def decide(
        self, block: str, kind: BlockKind, width: int, *, vector: bool = False
    ) -> ActivationNormSpec | None:
        """The norm of one block over `width` channels, None where it has none.

        The blocks of a module that others share are planned for each use, and decided once.
        `vector` says that the norm sees one position of an example alone.
        """
        if vector:
            self.vectors.add(block)
        if block not in self.norms:
            self.norms[block] = self._decide(block, kind, width, vector)
        return self.norms[block]

    def _decide(
        self, block: str, kind: BlockKind, width: int, vector: bool
    ) -> ActivationNormSpec | None:
        for index, rule in enumerate(self.loaded.recipe.normalization):
            if isinstance(rule, ActivationNorm | NoNorm) and speaks_of(rule, block):
                self.winners[block] = index
                if isinstance(rule, NoNorm):
                    return None
                objection = _objection(rule, block, kind, width, vector)
                if objection is None:
                    return rule
                problem = rule_problem(self.loaded, "normalization", index, *objection)
                self.problems.append(problem)
                return None
        return None

    def batch_norms_of_vectors(self) -> tuple[str, ...]:
        """Blocks in which a batch alone gives batch norm more than one value of a channel."""
        return tuple(
            block
            for block, norm in self.norms.items()
            if block in self.vectors and isinstance(norm, BatchNorm)
        )

    def unmatched(self) -> tuple[str, ...]:
        """Blocks that no rule speaks of."""
        return tuple(block for block in self.norms if block not in self.winners)

    def check(self) -> None:
        """Every rule for blocks must decide one, or say that it is optional."""
        known = tuple(self.norms)
        for index, rule in enumerate(self.loaded.recipe.normalization):
            if isinstance(rule, ActivationNorm | NoNorm):
                matched = [block for block in known if speaks_of(rule, block)]
                self.problems += check_use(
                    self.loaded, "normalization", index, matched, self.winners, known
                )


def _objection(
    rule: ActivationNormSpec, block: str, kind: BlockKind, width: int, vector: bool
) -> tuple[str, str, str, str] | None:
    """Code, message, key and help if a norm can't stand in a block."""
    if rule.placement not in PLACEMENTS[kind]:
        what = kind.replace("_", " ")
        message = f"placement `{rule.placement}` does not exist in the {what} `{block}`"
        return "P301", message, "placement", f"one of {', '.join(PLACEMENTS[kind])}"
    if rule.final != "auto" and kind != "transformer_block":
        message = f"only a transformer closes with a norm; `{block}` is of another kind"
        return "P301", message, "final", "delete `final`"
    if rule.embedding != "auto" and kind != "transformer_block":
        message = f"only a transformer opens with a norm; `{block}` is of another kind"
        return "P301", message, "embedding", "delete `embedding`"
    if vector and isinstance(rule, InstanceNorm):
        message = f"instance_norm needs positions to take statistics over; `{block}` has one"
        return "P302", message, "method", "layer_norm, rms_norm or batch_norm"
    if isinstance(rule, LayerNorm | RMSNorm) and width == 1:
        message = f"{rule.method} needs channels to take statistics over; `{block}` has one"
        return "P302", message, "method", "batch_norm, or none"
    if vector and isinstance(rule, GroupNorm) and width == rule.num_groups:
        message = f"each group of `{block}` is a single value, and would become zero"
        return "P302", message, "num_groups", "fewer groups"
    if isinstance(rule, GroupNorm) and width % rule.num_groups:
        message = f"{rule.num_groups} groups do not divide the {width} channels of `{block}`"
        return "P303", message, "num_groups", f"{_nearest_divisor(width, rule.num_groups)} do"
    return None


def _nearest_divisor(width: int, number: int) -> int:
    divisors = (each for each in range(1, width + 1) if width % each == 0)
    return min(divisors, key=lambda each: abs(each - number))


def norm_node(scope: Scope, rule: ActivationNormSpec, width: int) -> Node:
    """A norm at one site."""
    settings = rule.model_dump(exclude={"method", *ActivationNorm.model_fields})
    if isinstance(rule, LayerNorm | RMSNorm):
        affine = rule.elementwise_affine
        bias = isinstance(rule, LayerNorm) and rule.bias
    else:
        affine = bias = rule.affine
    return primitives.norm(scope, rule.method, settings, width, affine=affine, bias=bias)


def reparametrize(
    loaded: LoadedRecipe, parameters: Sequence[Parameter], problems: list[Diagnostic]
) -> dict[str, Reparametrization]:
    """Weight and spectral norm by parameter: the first rule of that family that matches."""
    known = [parameter.name for parameter in parameters]
    winners: dict[str, int] = {}
    decided: dict[str, Reparametrization] = {}
    for index, rule in enumerate(loaded.recipe.normalization):
        if not isinstance(rule, WeightNorm | SpectralNorm):
            continue
        norm = Reparametrization(
            rule.method,
            rule.model_dump(include={"iterations", "eps"}),
            reference(loaded, "normalization", index),
        )
        matched = [parameter for parameter in parameters if speaks_of(rule, parameter.name)]
        for parameter in matched:
            if parameter.name in winners:
                continue
            winners[parameter.name] = index
            if len(parameter.shape) < 2:
                message = f"{rule.method} needs a matrix; `{parameter.name}` is a vector"
                problems.append(
                    rule_problem(loaded, "normalization", index, "P304", message, "match")
                )
            else:
                decided[parameter.name] = norm
            if parameter.aliases:
                message = f"{rule.method} can't hold for `{parameter.name}`, which is tied"
                problems.append(
                    rule_problem(loaded, "normalization", index, "P305", message, "match")
                )
        names = [parameter.name for parameter in matched]
        problems += check_use(loaded, "normalization", index, names, winners, known)
    return decided
