"""What the parameters of any module are for: role, fans and gates, by what its layers compute.

The plan states these for a recipe's model. For a module that no recipe made, they are found from
the types of its layers, in the same words: `planning.primitives` states them for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from seobuilder import layers
from seobuilder.errors import InvalidArgument
from seobuilder.norm.reparametrization import effective
from seobuilder.norm.statistics import ChannelAffine
from seobuilder.planning import primitives
from seobuilder.planning.model import Fans, Parameter
from seobuilder.planning.primitives import Scope
from seobuilder.recipe.spec.selector import Role

Describer = Callable[[Any, Scope], Iterator[Parameter]]


@dataclass(frozen=True, slots=True)
class Description:
    """The parameters of a module, each once.

    `known` are those whose meaning is certain, or by convention (see `describe`), named as they
    are before a reparametrization is attached. `unknown` are the names of all others, and
    `tensors` leads from a known one's name to the module and the attribute that it is.
    """

    known: tuple[Parameter, ...]
    unknown: tuple[str, ...]
    tensors: dict[str, tuple[nn.Module, str]]


def describe(model: nn.Module) -> Description:
    """Describe every parameter of a module; one that is shared counts where it stands first.

    Known are PyTorch's layers and ours, and what derives from them and keeps their shapes. In any
    other module, `weight` with two axes or more is read as PyTorch has it, [outputs, inputs,
    *kernel], and `bias` as its bias; a vector `weight` is a norm's scale if the module's class says
    Norm. Whatever else there is stays unknown, for its axes could mean anything.

    Raises:
        InvalidArgument: a lazy module has no shapes yet.
    """
    owners: dict[int, str] = {}
    known: dict[str, Parameter] = {}
    tensors: dict[str, tuple[nn.Module, str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if "parametrizations" in path.split("."):
            continue  # what is stored there is a parameter of the layer above
        held = dict(_held(path, module))
        found = _describer(module)(module, Scope(path, path)) if held else ()
        described = {parameter.name.rpartition(".")[2]: parameter for parameter in found}
        for name, (stored, identities) in held.items():
            owner = owners.get(identities[0])
            full = f"{path}.{name}".lstrip(".")
            if owner is not None:
                first = known[owner]
                known[owner] = replace(first, aliases=(*first.aliases, full))
            elif name in described and described[name].shape == shape_of(module, name):
                owners.update(dict.fromkeys(identities, full))
                known[full] = replace(described[name], name=full, stored=stored)
                tensors[full] = module, name
    unknown = tuple(name for name, p in model.named_parameters() if id(p) not in owners)
    return Description(tuple(known.values()), unknown, tensors)


_Held = tuple[tuple[str, ...], list[int]]
"""Names under which a parameter is stored, and the identities of what is stored there."""


def _held(path: str, module: nn.Module) -> Iterator[tuple[str, _Held]]:
    """The module's own parameters by attribute."""
    prefix = f"{path}." if path else ""
    for name, parameter in module._parameters.items():
        if parameter is None:
            continue
        if is_lazy(parameter):
            raise InvalidArgument(
                f"`{prefix}{name}` has no shape yet: call the model on a batch first, so that its "
                "lazy layers learn theirs"
            )
        yield name, ((prefix + name,), [id(parameter)])
    if is_parametrized(module):
        for name, stored in module.get_submodule("parametrizations").named_children():
            originals = stored._parameters
            names = tuple(f"{prefix}parametrizations.{name}.{each}" for each in originals)
            yield name, (names, [id(original) for original in originals.values()])


def shape_of(module: nn.Module, name: str) -> tuple[int, ...]:
    """Shape of a parameter as the layer uses it."""
    return tuple(effective(module, name).shape)


def _describer(module: nn.Module) -> Describer:
    return next((DESCRIBERS[t] for t in type(module).__mro__ if t in DESCRIBERS), _by_convention)


def _linear(module: nn.Linear, scope: Scope) -> Iterator[Parameter]:
    yield from primitives.linear(scope, module.in_features, module.out_features).parameters


def _bilinear(module: nn.Bilinear, scope: Scope) -> Iterator[Parameter]:
    """y_k = x' W_k z: an output sums a product for each pair of inputs."""
    outputs, *inputs = module.out_features, module.in1_features, module.in2_features
    fans = Fans(inputs[0] * inputs[1], outputs)
    yield scope.parameter("weight", (outputs, *inputs), "weight", "bilinear", fans=fans)
    yield scope.parameter("bias", (outputs,), "bias", "bilinear", fans=fans)


def _embedding(module: nn.Embedding | nn.EmbeddingBag, scope: Scope) -> Iterator[Parameter]:
    rows, width, padding = module.num_embeddings, module.embedding_dim, module.padding_idx
    yield from primitives.embedding(scope, rows, width, padding_row=padding).parameters


def _positions(module: layers.PositionEmbedding, scope: Scope) -> Iterator[Parameter]:
    yield from primitives.position_embedding(scope, *shape_of(module, "weight")).parameters


def _convolution(module: Any, scope: Scope) -> Iterator[Parameter]:
    sizes, groups = (module.in_channels, module.out_channels), module.groups
    node = primitives.convolution(
        scope, *sizes, module.kernel_size, groups=groups, stride=module.stride
    )
    yield from node.parameters


def _transposed(module: Any, scope: Scope) -> Iterator[Parameter]:
    sizes, groups = (module.in_channels, module.out_channels), module.groups
    node = primitives.transposed_convolution(
        scope, *sizes, module.kernel_size, groups=groups, stride=module.stride
    )
    yield from node.parameters


def _recurrent(module: nn.RNNBase, scope: Scope) -> Iterator[Parameter]:
    """Every layer and direction; the projection of an LSTM's state is a linear map."""
    width, state = module.hidden_size, module.proj_size or module.hidden_size
    directions = ("", "_reverse") if module.bidirectional else ("",)
    cell = module.mode.lower().partition("_")[0]
    for layer in range(module.num_layers):
        inputs = module.input_size if layer == 0 else state * len(directions)
        for direction in directions:
            suffix = f"_l{layer}{direction}"
            yield from _cell(scope, cell, inputs, width, suffix, state)
            if module.proj_size:
                name, fans = f"weight_hr{suffix}", Fans(width, state)
                yield scope.parameter(name, (state, width), "weight", "linear", fans=fans)


def _single_cell(module: nn.RNNCellBase, scope: Scope) -> Iterator[Parameter]:
    cell = type(module).__name__.lower().removesuffix("cell")
    yield from _cell(scope, cell, module.input_size, module.hidden_size, "", module.hidden_size)


def _cell(
    scope: Scope, cell: str, inputs: int, width: int, suffix: str, state: int
) -> Iterator[Parameter]:
    """One cell's, under the names that torch has for them."""
    node = primitives.recurrent_cell(scope, cell, inputs, width, bias=True, state=state)
    for parameter in node.parameters:
        yield replace(parameter, name=parameter.stored[0].removesuffix("_l0") + suffix)


def _attention(module: nn.MultiheadAttention, scope: Scope) -> Iterator[Parameter]:
    """Query, key and value stacked where their inputs are equally wide; else each by itself."""
    width = module.embed_dim
    facts: dict[str, Any] = {"fans": Fans(width, width), "blocks": 3}
    yield scope.parameter("in_proj_weight", (3 * width, width), "weight", "attention", **facts)
    yield scope.parameter("in_proj_bias", (3 * width,), "bias", "attention", **facts)
    for name, inputs in (("q", width), ("k", module.kdim), ("v", module.vdim)):
        fans, shape = Fans(inputs, width), (width, inputs)
        yield scope.parameter(f"{name}_proj_weight", shape, "weight", "attention", fans=fans)


def _norm(module: nn.Module, scope: Scope) -> Iterator[Parameter]:
    kind = type(module).__name__
    roles: dict[str, Role] = {"weight": "norm_scale", "bias": "norm_shift"}
    for name, role in roles.items():
        if isinstance(getattr(module, name, None), Tensor):
            yield scope.parameter(name, shape_of(module, name), role, kind)


def _residual_scale(module: layers.ResidualScale, scope: Scope) -> Iterator[Parameter]:
    yield from primitives.residual_scale(scope, *shape_of(module, "weight")).parameters


def _by_convention(module: nn.Module, scope: Scope) -> Iterator[Parameter]:
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        return
    if weight.ndim < 2:
        if "norm" in type(module).__name__.lower():
            yield from _norm(module, scope)
        return
    shape = shape_of(module, "weight")
    outputs, inputs, *kernel = shape
    taps = prod(kernel)
    fans, kind = Fans(inputs * taps, outputs * taps), type(module).__name__
    yield scope.parameter("weight", shape, "weight", kind, fans=fans)
    if isinstance(getattr(module, "bias", None), Tensor):
        yield scope.parameter("bias", shape_of(module, "bias"), "bias", kind, fans=fans)


DESCRIBERS: dict[type[nn.Module], Describer] = {
    nn.Linear: _linear,
    nn.Bilinear: _bilinear,
    nn.Embedding: _embedding,
    nn.EmbeddingBag: _embedding,
    layers.PositionEmbedding: _positions,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Conv3d: _convolution,
    nn.ConvTranspose1d: _transposed,
    nn.ConvTranspose2d: _transposed,
    nn.ConvTranspose3d: _transposed,
    nn.RNNBase: _recurrent,
    nn.RNNCellBase: _single_cell,
    nn.MultiheadAttention: _attention,
    nn.LayerNorm: _norm,
    nn.RMSNorm: _norm,
    nn.GroupNorm: _norm,
    nn.modules.batchnorm._NormBase: _norm,
    ChannelAffine: _norm,
    layers.ResidualScale: _residual_scale,
}
