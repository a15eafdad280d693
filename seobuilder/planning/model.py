"""The plan: everything about a model that can be decided before a tensor exists.

A plan is pure data. `Node` is the tree that is compiled to modules, `Parameter` a learnable tensor
that the tree will hold, `Assignment` the rule that decided how that tensor is drawn.

Numbers are Python integers, so that a model of any size can be counted without overflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

from seobuilder.planning.distributions import Distribution
from seobuilder.planning.gains import Convention
from seobuilder.recipe.diagnostics import Diagnostic, Mark
from seobuilder.recipe.spec.selector import Role
from seobuilder.recipe.written import Place


@dataclass(frozen=True, slots=True)
class Fans:
    """Inputs and outputs per unit, the receptive field included.

    They are counted from what the axes mean: within one group of a grouped convolution, within one
    gate of a packed recurrent weight. An embedding row is looked up, so each output has one input.
    A stride may make fan_out, a mean over inputs, a fraction, and fan_in of a transposed
    convolution, a mean over outputs.
    """

    fan_in: float
    fan_out: float

    @property
    def fan_avg(self) -> float:
        """Mean of the two (Glorot and Bengio 2010, equation 12)."""
        return (self.fan_in + self.fan_out) / 2

    def pick(self, mode: Literal["fan_in", "fan_out", "fan_avg"]) -> float:
        """The fan that a rule's `fan_mode` names."""
        return float(getattr(self, mode))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One learnable tensor.

    `name` is logical and always ends in weight or bias. `stored` lists the names under which
    `named_parameters()` of the compiled model shows it: one, or two under weight norm.
    `blocks` is how many independent matrices are stacked along axis 0 (the gates of an LSTM: 4),
    `heads` how many attention heads, 0 for none. `nonlinearity` is the activation that follows the
    layer. A bias has the fans of its weight. `variables` are the names that a formula may use.
    `arriving` is mean and variance of the signal that the layer gets, where the rule asks for them.
    """

    name: str
    stored: tuple[str, ...]
    shape: tuple[int, ...]
    role: Role
    layer: str
    fans: Fans | None = None
    blocks: int = 1
    heads: int = 0
    groups: int = 1
    padding_row: int | None = None
    nonlinearity: str = "linear"
    aliases: tuple[str, ...] = ()
    variables: Mapping[str, float] = field(default_factory=dict)
    arriving: tuple[float, float] | None = None

    @property
    def count(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def is_transposed(self) -> bool:
        """Whether axis 0 holds the inputs: [inputs, outputs / groups, *kernel]."""
        return self.layer.startswith("conv_transpose") and len(self.shape) > 1


@dataclass(frozen=True, slots=True)
class RuleReference:
    """Where a rule stands, and how it reads.

    `preset` names the preset that brought the rule in, and `mark` is then the line in the preset.
    `place` is where the recipe has the rule, or names the preset; None where no text does.
    """

    index: int
    text: str
    mark: Mark
    preset: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A parameter, the rule that decided it, and the rules that matched as well but came later.

    `gain` is the one that went into the distribution, and `convention` the one that a
    nonlinearity's gain follows.
    """

    parameter: Parameter
    method: str
    distribution: Distribution
    rule: RuleReference
    losing: tuple[RuleReference, ...] = ()
    gain: float | None = None
    convention: Convention | None = None
    reparametrization: Reparametrization | None = None


@dataclass(frozen=True, slots=True)
class Reparametrization:
    """Weight or spectral norm that is attached to a weight after it was drawn."""

    method: Literal["weight_norm", "spectral_norm"]
    settings: Mapping[str, Any]
    rule: RuleReference


@dataclass(frozen=True, slots=True)
class Node:
    """A module to be: its kind, its constructor's keyword arguments, its children and parameters.

    `name` is the segment in logical names, `attribute` the one in stored names where it differs.
    `flops` counts the multiplications and additions of matrix products, convolutions and
    attention in one example's forward pass, children excluded.
    """

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    children: tuple[Node, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    attribute: str = ""
    flops: int = 0

    def __post_init__(self) -> None:
        if not self.attribute:
            object.__setattr__(self, "attribute", self.name)

    def walk(self) -> Iterator[Node]:
        """This node, then its descendants, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe, resolved: the tree, and one assignment for every parameter that it holds.

    `normalizations` lists the names of blocks or parameters under each method, `unnormalized` the
    blocks that no rule matched, and `batch_norms_of_vectors` those in which batch norm sees one
    position of each example. `ties` leads from an alias's stored name to its owner's.
    """

    name: str
    seed: int
    dtype: Literal["float32", "float64", "bfloat16", "float16"]
    root: Node
    assignments: tuple[Assignment, ...]
    normalizations: Mapping[str, tuple[str, ...]]
    unnormalized: tuple[str, ...]
    ties: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    batch_norms_of_vectors: tuple[str, ...] = ()

    @property
    def parameter_count(self) -> int:
        """Learnable elements, shared ones counted once."""
        return sum(a.parameter.count for a in self.assignments)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all parameters in the recipe's dtype."""
        width = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}[self.dtype]
        return self.parameter_count * width

    @property
    def flops(self) -> int:
        """Floating-point operations of one example's forward pass at the full input length."""
        return sum(node.flops for node in self.root.walk())
