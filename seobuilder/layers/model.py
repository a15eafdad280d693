"""The model that a plan is compiled to: a graph of modules between named inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from seobuilder.layers.dtypes import as_dtype


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that the caller gives.

    Token ids equal to `padding_id` are padding; None for inputs other than tokens, and for tokens
    that are never padding.
    """

    name: str
    kind: Literal["tokens", "features", "category", "image", "embedding"]
    padding_id: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """value[name] = owner(value[source], ...), with the mask of the tokens input `mask`, if any.

    `owner` is the child that computes it: of the same name, or of another where a module is shared.
    """

    name: str
    owner: str
    sources: tuple[str, ...]
    mask: str | None = None


class SearchModel(nn.Module):
    """Modules evaluated in a stated order, from inputs by name to outputs by name.

    Shapes: tokens [B, T] integer, features [B, S], category [B] integer, image [B, C, H, W] and
    embedding [B, C]; outputs as their heads give them.

    Numbers are brought to the parameters' dtype after their own module, so that raw features may
    be wider than the model.

    The mask of a tokens input x is `x != padding_id`, or the boolean `x_mask` [B, T] that the
    caller passes. A child with an input's name is applied to that input first.
    """

    plan: object = None
    """What the model was compiled from, for whoever compiled it."""

    is_trained: bool = False
    """Whether its weights are no longer those that the plan has drawn."""

    def __init__(
        self,
        inputs: tuple[Input, ...],
        steps: tuple[Step, ...],
        outputs: tuple[str, ...],
        **children: nn.Module,
    ) -> None:
        """Take the graph, and its modules by name."""
        super().__init__()
        # A leading underscore cannot clash with a child: names in recipes begin with a letter.
        self._inputs = inputs
        self._steps = steps
        self._outputs = outputs
        for name, child in children.items():
            self.add_module(name, child)
        _check_graph(inputs, steps, outputs, children)

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """The outputs by name.

        Raises:
            TypeError: an input is missing or no tensor, or a name is neither an input nor a tokens
                input's mask.
        """
        self.check_inputs(inputs)
        values: dict[str, Tensor] = {}
        masks: dict[str, Tensor | None] = {}
        dtype = next(self.parameters()).dtype
        for declared in self._inputs:
            value = inputs[declared.name]
            if declared.kind == "tokens":
                masks[declared.name] = _mask(declared, inputs)
            if declared.name in self._modules:
                value = getattr(self, declared.name)(value)
            if value.is_floating_point():
                value = as_dtype(value, dtype)
            values[declared.name] = value
        for step in self._steps:
            # PyTorch 2.6 does not export get_submodule.
            module = getattr(self, step.owner)
            arguments = [values[source] for source in step.sources]
            if step.mask is None:
                values[step.name] = module(*arguments)
            else:
                values[step.name] = module(*arguments, mask=masks[step.mask])
        return {name: values[name] for name in self._outputs}

    @property
    def input_names(self) -> tuple[str, ...]:
        """What it must be called with, by name; tokens may have their masks beside them."""
        return tuple(declared.name for declared in self._inputs)

    def check_inputs(self, given: Mapping[str, Tensor]) -> None:
        """Refuse inputs by other names than it has, and what are no tensors.

        Raises:
            TypeError: an input is missing or no tensor, or a name is neither an input nor a tokens
                input's mask.
        """
        required = self.input_names
        optional = [
            f"{declared.name}_mask" for declared in self._inputs if declared.kind == "tokens"
        ]
        missing = [name for name in required if name not in given]
        unknown = [name for name in given if name not in required and name not in optional]
        if missing or unknown:
            problems = [
                *(f"missing {name}" for name in missing),
                *(f"unknown {name}" for name in unknown),
            ]
            expected = [*required, *(f"{name} (optional)" for name in optional)]
            raise TypeError(f"{', '.join(problems)}; the inputs are {', '.join(expected)}")
        for name in required:
            if not isinstance(given[name], Tensor):
                kind = type(given[name]).__name__
                way = "seobuilder.encoder makes tensors of texts, numbers and images"
                raise TypeError(f"{name} is of type {kind}, not a tensor; {way}")


def _mask(declared: Input, given: Mapping[str, Tensor]) -> Tensor | None:
    """Which tokens are real: as passed, or by the padding id; None if none can be padding."""
    passed = given.get(f"{declared.name}_mask")
    if passed is not None:
        return passed
    if declared.padding_id is None:
        return None
    return given[declared.name] != declared.padding_id


def _check_graph(
    inputs: tuple[Input, ...],
    steps: tuple[Step, ...],
    outputs: tuple[str, ...],
    children: Mapping[str, nn.Module],
) -> None:
    known = {declared.name for declared in inputs}
    tokens = {declared.name for declared in inputs if declared.kind == "tokens"}
    for step in steps:
        assert step.owner in children, f"{step.name}: no child {step.owner}"
        assert known.issuperset(step.sources), f"{step.name}: a source comes later or not at all"
        assert step.mask is None or step.mask in tokens, f"{step.name}: {step.mask} has no mask"
        known.add(step.name)
    assert known.issuperset(outputs), "an output has no step"
