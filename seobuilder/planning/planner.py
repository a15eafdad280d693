"""The plan of a recipe: the tree, the graph's steps, ties, and one decided rule a parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from seobuilder.planning.advice import nonlinearity_warnings
from seobuilder.planning.common import Context, Mismatch
from seobuilder.planning.contradictions import contradictions
from seobuilder.planning.decisions import Graph
from seobuilder.planning.depth_advice import depth_advice
from seobuilder.planning.ends import end_advice
from seobuilder.planning.kinds import PLANNERS, block_count, input_signal, mask_of, output
from seobuilder.planning.model import Node, Parameter, Plan, Reparametrization
from seobuilder.planning.placement import Normalizer, reparametrize
from seobuilder.planning.pretrained import check_files
from seobuilder.planning.primitives import Scope
from seobuilder.planning.requirements import check_requirements
from seobuilder.planning.rules import assign
from seobuilder.planning.signals import Signal
from seobuilder.planning.single_row import batch_of_one
from seobuilder.planning.stack_advice import stack_advice
from seobuilder.planning.ties import tie
from seobuilder.recipe.diagnostics import Diagnostic, alike_as_one
from seobuilder.recipe.files import NO_FILES, Files
from seobuilder.recipe.load import LoadedRecipe, load_recipe
from seobuilder.recipe.spec import inputs, modules
from seobuilder.recipe.spec.normalization import ActivationNormSpec

# A model that is larger than any machine is a typing mistake, and is said to be one at once.
MAX_PARAMETERS = 10**12
MAX_BLOCKS = 20_000

Step = tuple[str, str, tuple[str, ...], str | None]
"""Name of a value, the module that makes it, its sources, and the input whose mask goes along."""


def make_plan(
    loaded: LoadedRecipe, *, files: Literal["optional", "required", "ignored"] = "optional"
) -> Plan:
    """Decide everything about a recipe's model that can be decided without a tensor.

    Args:
        loaded: the recipe.
        files: weights and tokenizers that it names are checked if they are there, must be there
            (for the model is to be built), or are left alone (for it was built already).

    Raises:
        RecipeError: all problems found, in the recipe's lines.
    """
    plan = _Planner(loaded).run()
    if files == "ignored":
        return plan
    return check_files(loaded, plan, required=files == "required")


def plan(recipe: str | Path, overrides: Iterable[str] = (), files: Files = NO_FILES) -> Plan:
    """Decide everything about a recipe's model without building it; needs no torch.

    Args:
        recipe: a path, or the name of a shipped recipe.
        overrides: changes to the recipe, such as `modules.encoder.depth=12`.
        files: where weights and tokenizers are, by the names that the recipe has for them.

    Raises:
        RecipeError: the recipe is invalid.
    """
    return make_plan(load_recipe(recipe, overrides, files))


@dataclass
class _Planner:
    loaded: LoadedRecipe
    problems: list[Diagnostic] = field(default_factory=list)
    signals: dict[str, Signal] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    shared_flops: int = 0

    def run(self) -> Plan:
        recipe = self.loaded.recipe
        self._check_size()
        self._stop_at_problems()
        normalizer = Normalizer(self.loaded, self.problems)
        children = [*self._inputs(), *self._modules(normalizer), *self._outputs()]
        # Whether a rule decides anything shows only where no module is missing.
        if self.signals.keys() >= recipe.modules.keys():
            normalizer.check()
            self.problems += check_requirements(self.loaded, normalizer.norms)
        root = Node(
            "",
            "model",
            {
                "inputs": tuple(
                    (name, spec.kind, getattr(spec, "padding_id", None))
                    for name, spec in recipe.inputs.items()
                ),
                "steps": tuple(self.steps),
                "outputs": tuple(recipe.outputs),
            },
            tuple(children),
            flops=self.shared_flops,
        )
        self._stop_at_problems()
        every = [parameter for node in root.walk() for parameter in node.parameters]
        tied = tie(self.loaded, every, self.problems)
        self._check_count(tied.owners)
        self._stop_at_problems()
        attached = reparametrize(self.loaded, tied.owners, self.problems)
        spectral = [name for name, norm in attached.items() if norm.method == "spectral_norm"]
        graph = Graph(root, {name: self.signals[name] for name in recipe.inputs}, spectral)
        assignments = assign(self.loaded, tied.owners, tied.aliases, self.problems, graph)
        self._stop_at_problems()
        plan = Plan(
            name=recipe.name,
            seed=recipe.seed,
            dtype=recipe.dtype,
            root=root,
            assignments=tuple(
                replace(
                    assignment,
                    parameter=_stored_under(assignment.parameter, attached),
                    reparametrization=attached.get(assignment.parameter.name),
                )
                for assignment in assignments
            ),
            normalizations=_names_by_method({**normalizer.norms, **attached}),
            unnormalized=normalizer.unmatched(),
            batch_norms_of_vectors=normalizer.batch_norms_of_vectors(),
            ties=tied.stored,
            warnings=nonlinearity_warnings(self.loaded, assignments),
        )
        found = contradictions(self.loaded, plan, normalizer)
        self.problems += [problem for problem in found if problem.severity == "error"]
        if recipe.training.batch.rows == 1:
            self.problems += batch_of_one(self.loaded, plan, "`training.batch.rows` is 1")
        self._stop_at_problems()
        advice = [
            *stack_advice(self.loaded, plan, normalizer),
            *depth_advice(self.loaded, plan),
            *end_advice(self.loaded, plan),
        ]
        return replace(plan, warnings=(*plan.warnings, *advice, *found))

    def _scope(self, name: str) -> Scope:
        """Where a module or an output begins, with what formulas may say of the whole recipe."""
        recipe = self.loaded.recipe
        variables = {} if recipe.base_width is None else {"base_width": recipe.base_width}
        scope = Scope(variables=variables).child(name)
        if isinstance(recipe.modules.get(name), modules.TokenEmbedding):
            depths = {spec.depth for spec in self._transformers_above(name)}
            if len(depths) == 1:
                return scope.within(depth=depths.pop())
        return scope

    def _transformers_above(self, name: str) -> Iterator[modules.Transformer]:
        """The transformers that read what a module, or one that shares it, gives."""
        specs = self.loaded.recipe.modules
        for spec in specs.values():
            owner = specs[spec.same_as] if isinstance(spec, modules.SameAs) else spec
            source = specs.get(_sources(spec)[0])
            shared = source.same_as if isinstance(source, modules.SameAs) else _sources(spec)[0]
            if isinstance(owner, modules.Transformer) and shared == name:
                yield owner

    def _inputs(self) -> list[Node]:
        nodes = []
        for name, spec in self.loaded.recipe.inputs.items():
            self.signals[name] = input_signal(name, spec)
            if isinstance(spec, inputs.TokensInput) and spec.padding_id >= spec.vocab_size:
                message = f"padding id {spec.padding_id} is not below vocab_size {spec.vocab_size}"
                self._problem("P103", message, "inputs", name, "vocab_size")
            fitted = isinstance(spec, inputs.FeaturesInput) and (
                spec.scale != "none" or spec.missing != "error"
            )
            if fitted:
                settings = spec.model_dump(include={"size", "scale", "missing"})
                nodes.append(Scope().child(name).node("feature_scaler", settings))
        return nodes

    def _modules(self, normalizer: Normalizer) -> list[Node]:
        specs = self.loaded.recipe.modules
        nodes: dict[str, Node] = {}
        for name, spec in specs.items():
            owner = spec.same_as if isinstance(spec, modules.SameAs) else name
            owner_spec = specs[owner]
            sources = _sources(spec)
            if not self.signals.keys() >= {*sources, owner} - {name}:
                continue  # what it needs failed already, and said so
            flowing = [self.signals[source] for source in sources]
            context = Context(normalizer, self._length(owner))
            try:
                if owner != name:
                    own = [self.signals[source] for source in _sources(owner_spec)]
                    _check_alike(owner, own, flowing)
                node, signal = PLANNERS[type(owner_spec)](
                    owner_spec, self._scope(owner), flowing, context
                )
                if owner == name:
                    nodes[name] = node
                else:
                    self._share(nodes[owner], node)
            except Mismatch as error:
                key = error.key if owner == name else "from"
                self._problem("P101", str(error), "modules", name, key)
                continue
            self.signals[name] = signal
            self.steps.append((name, owner, sources, mask_of(owner_spec, flowing[0])))
        return list(nodes.values())

    def _share(self, owner: Node, again: Node) -> None:
        """A shared module must be what it would be with another source, but for the cost."""
        if _built(again) != _built(owner):
            raise Mismatch(
                f"`{owner.name}` would be another module for this source; one that is shared needs "
                "sources of equal width, or tokens of equal vocab_size and padding_id"
            )
        self.shared_flops += sum(part.flops for part in again.walk())

    def _outputs(self) -> list[Node]:
        specs = self.loaded.recipe.outputs
        nodes, given = [], {}
        for name, spec in specs.items():
            if spec.source not in self.signals:
                continue
            try:
                node, given[name] = output(spec, self._scope(name), self.signals[spec.source])
            except Mismatch as error:
                self._problem("P101", str(error), "outputs", name, error.key)
                continue
            nodes.append(node)
            self.steps.append((name, name, (spec.source,), None))
        for name, spec in specs.items():
            other = getattr(spec, "contrast", None)
            if other in given and name in given and given[other] != given[name]:
                message = f"widths differ: {given[name].width} and {given[other].width}"
                self._problem("P101", message, "outputs", name, "contrast")
        return nodes

    def _length(self, owner: str) -> int:
        """Longest sequence that a module and those that share it are given."""
        sharers = [
            name
            for name, spec in self.loaded.recipe.modules.items()
            if isinstance(spec, modules.SameAs) and spec.same_as == owner
        ]
        lengths = [self._source_length(name) for name in (owner, *sharers)]
        return max(lengths)

    def _source_length(self, name: str) -> int:
        specs = self.loaded.recipe.modules
        while name in specs:
            name = _sources(specs[name])[0]
        spec = self.loaded.recipe.inputs.get(name)
        return spec.max_length if isinstance(spec, inputs.TokensInput) else 0

    def _check_size(self) -> None:
        specs = self.loaded.recipe.modules
        blocks = 0
        for name, spec in specs.items():
            blocks += block_count(specs[spec.same_as] if isinstance(spec, modules.SameAs) else spec)
            if blocks > MAX_BLOCKS:
                message = f"more than {MAX_BLOCKS:,} blocks in one model, each use counted"
                mark = self.loaded.mark("modules", name, key=True)
                self.problems.append(Diagnostic("P402", message, mark, f"modules.{name}"))
                return

    def _check_count(self, parameters: tuple[Parameter, ...]) -> None:
        count = sum(parameter.count for parameter in parameters)
        if count <= MAX_PARAMETERS:
            return
        largest = max(parameters, key=lambda parameter: parameter.count)
        name = largest.name.partition(".")[0]
        section = "modules" if name in self.loaded.recipe.modules else "outputs"
        message = (
            f"the model would have {count:.2e} parameters, more than {MAX_PARAMETERS:.0e}; the "
            f"largest is `{largest.name}` with {largest.count:.2e}"
        )
        self.problems.append(
            Diagnostic(
                "P401", message, self.loaded.mark(section, name, key=True), f"{section}.{name}"
            )
        )

    def _problem(self, code: str, message: str, section: str, name: str, key: str) -> None:
        mark = self.loaded.mark(section, name, key)
        self.problems.append(Diagnostic(code, message, mark, f"{section}.{name}.{key}"))

    def _stop_at_problems(self) -> None:
        """Raise what was found, alike problems of one rule as one."""
        if self.problems:
            raise self.loaded.fail(alike_as_one(self.problems))


def _sources(spec: modules.OwningModule | modules.SameAs) -> tuple[str, ...]:
    return (spec.source,) if isinstance(spec.source, str) else tuple(spec.source)


def _check_alike(owner: str, own: list[Signal], others: list[Signal]) -> None:
    """A shared module gets as many values as its owner, of the same kinds."""
    if len(own) != len(others):
        raise Mismatch(f"`{owner}` takes {len(own)} values, and `same_as` gives it one")
    if type(own[0]) is not type(others[0]):
        raise Mismatch(f"`{owner}` takes {own[0]}, and gets {others[0]}")


def _names_by_method(
    norms: Mapping[str, ActivationNormSpec | Reparametrization | None],
) -> dict[str, tuple[str, ...]]:
    """Names of blocks or parameters under each method."""
    methods: dict[str, list[str]] = {}
    for name, norm in norms.items():
        if norm is not None:
            methods.setdefault(norm.method, []).append(name)
    return {method: tuple(names) for method, names in methods.items()}


def _built(node: Node) -> list[tuple[object, ...]]:
    """What a node will be built from, its own place and cost aside."""
    return [(part.kind, part.settings, part.parameters) for part in node.walk()]


def _stored_under(parameter: Parameter, attached: Mapping[str, Reparametrization]) -> Parameter:
    """The parameter with the names that torch's parametrizations store it under."""
    norm = attached.get(parameter.name)
    if norm is None:
        return parameter
    module, _, tensor = parameter.stored[0].rpartition(".")
    base = f"{module}.parametrizations.{tensor}.original"
    stored = (f"{base}0", f"{base}1") if norm.method == "weight_norm" else (base,)
    return replace(parameter, stored=stored)
