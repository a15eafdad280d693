"""What of a recipe to change in a module whose signal or gradient is not as it should be.

Findings that one cause makes are given the same changes. Where a first remedy is in the recipe
already and the finding is still there, the next one is given: first how weights are drawn, then
what norms and skip paths there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf

from seobuilder.planning.blocks import blocks_of
from seobuilder.planning.contradiction import draw_beside_norms
from seobuilder.planning.depth_advice import DEEP
from seobuilder.planning.methods import NotApplicable, decide
from seobuilder.planning.model import Assignment, Node, Plan, RuleReference
from seobuilder.planning.norm_remedies import (
    layer_norm_instead,
    norm_draws,
    norm_embeddings,
    norm_rule,
    normalize,
)
from seobuilder.planning.placement import TRANSFORMER_PLACEMENTS
from seobuilder.planning.remedies import delete, redraw, set_value
from seobuilder.planning.residual import has_skip
from seobuilder.planning.skip_remedies import with_skips
from seobuilder.planning.sound import excess, sound_draw
from seobuilder.planning.stray import (
    MATRICES,
    Band,
    adds,
    drawn_in,
    is_normed,
    multiplies,
    strays,
)
from seobuilder.recipe.change import Change
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec.initialization import PresetRule
from seobuilder.report.model import Finding
from seobuilder.report.probes import Probes

Changes = tuple[Change, ...]

SMALL = 0.1
"""Of embeddings the mean square that is small beside branches of size 1."""

CLOSE, CELLS, LOOSE = (0.97, 1.03), (0.4, 2.5), (0.05, 2.0)
"""Between which times of a sound std a weight passes: where every layer multiplies what the ones
before it gave, in recurrent layers with nothing between, and where a norm or a skip path stands
between."""


@dataclass
class Mender:
    """A recipe, what was planned and measured, and what its findings say."""

    loaded: LoadedRecipe
    plan: Plan
    findings: Sequence[Finding]
    probes: Probes | None = None
    _by_module: dict[str, Changes] = field(default_factory=dict)

    @cached_property
    def modules(self) -> dict[str, Node]:
        """The modules and outputs that own parameters, in the order of their evaluation."""
        return {node.name: node for node in self.plan.root.children}

    def drawn_in(self, module: str, roles: Iterable[str] = MATRICES) -> Iterator[Assignment]:
        """How the parameters of these roles in a module are drawn."""
        return drawn_in(self.plan, module, roles)

    def module(self, name: str) -> Changes:
        """The next remedy for the signal of a module, or its gradient, the same for all."""
        if name not in self._by_module:
            node = self.modules.get(name)
            self._by_module[name] = () if node is None else self._module(node)
        return self._by_module[name]

    def _module(self, node: Node) -> Changes:
        blocks = blocks_of(node)[1]
        if not blocks:
            return self.redrawn(self.strays(node.name, LOOSE), LOOSE)
        first = blocks[0]
        is_transformer, normed = first.kind == "transformer_block", is_normed(node)
        is_cell = first.kind == "recurrent_layer" and not normed and not any(map(has_skip, blocks))
        band = CLOSE if multiplies(node) else CELLS if is_cell else LOOSE
        if changes := self.sized(node, band):
            return changes
        if is_transformer and (skips := with_skips(self.loaded, self.plan, node)):
            return skips
        if not normed:
            return normalize(self.loaded, self.plan, node)
        if not is_transformer:
            return self._steadier(node)
        return self._norms_first(node) or self._embedded(node)

    def sized(self, node: Node, band: Band = LOOSE) -> Changes:
        """The weights of a module outside of a band drawn anew, beside embeddings of their size."""
        if strays := self.strays(node.name, band, adds=adds(node)):
            return (*self.redrawn(strays, band), *self._embedded(node))
        return ()

    def _embedded(self, node: Node) -> Changes:
        """A norm of the embeddings that the first branches drown."""
        return norm_embeddings(self.loaded, node) if self._drowns(node) else ()

    def strays(self, module: str, band: Band, *, adds: bool = False) -> list[Assignment]:
        """The parameters of a module outside of a band, and biases that are no zeros."""
        return [*strays(self.plan, module, band, adds=adds), *self.biases(module)]

    def biases(self, module: str) -> list[Assignment]:
        """The biases of a module that shift its signal."""
        return [each for each in self.drawn_in(module, ("bias",)) if excess(each) == inf]

    def _drowns(self, node: Node) -> bool:
        """Whether the first of many branches drown the embeddings that come in.

        A norm in front of it or behind it gives a branch its size, however small what it is added
        to.
        """
        blocks = blocks_of(node)[1]
        parts = {child.name for child in blocks[0].children}
        is_sized = bool(parts & {"attention_input_norm", "attention_output_norm"})
        if len(blocks) < DEEP or not is_sized or "input_norm" in (c.name for c in node.children):
            return False
        sources = next(given for step, _, given, _ in self._steps if step == node.name)
        drawn = [a for source in sources for a in self.drawn_in(source, ("embedding", "position"))]
        moments = [each.distribution.moments(each.parameter.shape) for each in drawn]
        squares = [mean**2 + std**2 for mean, std in filter(None, moments)]
        return 0 < sum(squares) < SMALL

    def _norms_first(self, node: Node) -> Changes:
        """`placement: pre` for a transformer that has norms after sums or behind branches alone."""
        prefix, blocks = blocks_of(node)
        index = norm_rule(self.loaded, f"{prefix}.{blocks[0].name}")
        if index is None:
            return ()
        placement = getattr(self.loaded.recipe.normalization[index], "placement", "pre")
        if placement not in ("post", "deepnorm", "output"):
            return ()
        method = self.loaded.recipe.normalization[index].method
        drawn = norm_draws(self.loaded, f"{node.name}.final_norm", method)
        changes = set_value(self.loaded, ("normalization", index, "placement"), "pre")
        return (*changes, *drawn) if changes and drawn is not None else ()

    def _steadier(self, node: Node) -> Changes:
        """Layer norm before the activation, which keeps the gradient's size where others do not.

        In a plain stack, batch norm lets the gradient grow with each layer (Yang et al. 2019,
        arXiv:1902.08129). Where it stands there already, it goes behind the activation, whose mean,
        as that of a sigmoid, would otherwise count in what the next norm divides by.
        """
        prefix, blocks = blocks_of(node)
        index = norm_rule(self.loaded, f"{prefix}.{blocks[0].name}")
        placement = blocks[0].settings.get("placement", "")
        if index is None or blocks[0].kind == "recurrent_layer":
            return ()
        method = self.loaded.recipe.normalization[index].method
        is_before = placement == "before_activation" and method in ("layer_norm", "rms_norm")
        wanted = "after_activation" if is_before else "before_activation"
        return layer_norm_instead(self.loaded, index, placement=wanted)

    def redrawn(self, assignments: Iterable[Assignment], band: Band = LOOSE) -> Changes:
        """The smallest edits after which these are drawn soundly, or within a band of that."""
        wanted = {each.parameter.name: each for each in assignments}
        if undone := self._undone(wanted, band):
            return undone
        return redraw(self.plan, {name: self._sound(each) for name, each in wanted.items()})

    def _sound(self, assignment: Assignment) -> str:
        """A sound draw that suits the norms of a parameter's block."""
        block = ".".join(assignment.parameter.name.split(".")[:3])  # as in encoder.blocks.0
        index = norm_rule(self.loaded, block)
        rule = None if index is None else self.loaded.recipe.normalization[index]
        sites = TRANSFORMER_PLACEMENTS.get(getattr(rule, "placement", ""))
        return sound_draw(assignment) if sites is None else draw_beside_norms(sites, assignment)

    def _undone(self, wanted: Mapping[str, Assignment], band: Band) -> Changes:
        """Deletes the rules that draw these and no others, where the next ones draw them well.

        So it is with a rule that was put above the one for all layers, for one of them.
        """
        rules: dict[RuleReference, None] = {each.rule: None for each in wanted.values()}
        changes: list[Change] = []
        for rule in rules:
            decided = [a for a in self.plan.assignments if a.rule == rule]
            if rule.preset or rule.place is None:
                return ()
            for assignment in decided:
                next_one = self._by_next_rule(assignment)
                size = None if next_one is None else excess(next_one)
                if assignment.parameter.name not in wanted or size is None:
                    return ()
                if not band[0] <= size <= band[1]:
                    return ()
            changes += delete(self.loaded, ("initialization", rule.index))
        return tuple(changes)

    def _by_next_rule(self, assignment: Assignment) -> Assignment | None:
        """How a parameter would be drawn without the rule that decides it."""
        if not assignment.losing:
            return None
        reference = assignment.losing[0]
        rule = self.loaded.recipe.initialization[reference.index]
        if getattr(rule, "expect", None) is not None or getattr(rule, "method", "") == "autoinit":
            return None
        try:
            decision = decide(rule, assignment.parameter)
        except NotApplicable:
            return None
        assert not isinstance(rule, PresetRule), "presets are expanded before the plan"
        return Assignment(assignment.parameter, rule.method, decision.distribution, reference)

    def upstream(self, name: str) -> list[str]:
        """The modules that a step reads, itself among them, first the ones before it."""
        sources = {step: (owner, given) for step, owner, given, _ in self._steps}
        wanted, found = [name], []
        while wanted:
            step = wanted.pop()
            if step in sources and step not in found:
                found.append(step)
                wanted += [sources[step][0], *sources[step][1]]
        return [step for step, *_ in self._steps if step in found]

    @property
    def _steps(self) -> tuple[tuple[str, str, tuple[str, ...], str | None], ...]:
        steps: tuple[tuple[str, str, tuple[str, ...], str | None], ...]
        steps = self.plan.root.settings["steps"]
        return steps

    def ails(self, module: str) -> bool:
        """Whether the signal or the gradient of a module is found to vanish or explode."""
        return any(
            finding.code in ("H020", "H021") and module_of(finding) == module
            for finding in self.findings
        )


def module_of(finding: Finding) -> str:
    """The module or output that a finding is about."""
    return finding.place.partition(".")[0]
