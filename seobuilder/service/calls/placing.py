"""Where norms go in a module that no recipe made.

Norms that are there are replaced by the asked kind. In an `nn.Sequential` a norm is put after every
linear layer and convolution that has none, before its activation; the last layer, which gives the
output, has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from seobuilder.building.compile import LAYERS
from seobuilder.errors import InvalidArgument
from seobuilder.norm.statistics import ChannelAffine
from seobuilder.service.calls import norm_layers
from seobuilder.service.calls.normalization import PLAIN, Layout, NormalizationConfig, make_norm

_Convolution = nn.modules.conv._ConvNd
_Running = nn.modules.batchnorm._NormBase

_OUTPUT_ACTIVATIONS = (nn.Sigmoid, nn.LogSigmoid, nn.Softmax, nn.Softmax2d, nn.LogSoftmax)
"""What turns a last layer's numbers into probabilities: such a layer is an output."""


def place_norms(model: nn.Module, config: NormalizationConfig) -> tuple[str, ...]:
    """Put norms into `model`, in place; the names of those that stand there now.

    Raises:
        InvalidArgument: there is no place for one, or the groups don't divide the channels.
    """
    # All are made before one is placed, so that a model is not left half changed.
    replaced = list(_replacements(model, config))
    inserted = list(_insertions(model, config))
    if not replaced and not inserted:
        raise InvalidArgument(
            f"{config.method} found no place in {type(model).__name__}: norms go between the "
            "layers of an nn.Sequential, and take the place of norms that are there"
        )
    for owner, name, new in replaced:
        setattr(owner, name, new)
        _leave_fast_path(owner, new)
    _insert(inserted)
    made = {id(new) for *_, new in replaced} | {id(each.norm) for each in inserted}
    return tuple(name for name, module in model.named_modules() if id(module) in made)


def _replacements(
    model: nn.Module, config: NormalizationConfig
) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Owner, attribute and new norm, for every norm below the model; a shared one stays shared."""
    new: dict[int, nn.Module] = {}
    for path, owner in model.named_modules():
        for name, child in owner._modules.items():  # named_children would leave shared ones out
            if child is not None and is_norm(child) and (width := _width(child)) is not None:
                place = f"{path}.{name}".lstrip(".")
                if id(child) not in new:
                    new[id(child)] = _as_old(_like(child, config, width, place), child)
                yield owner, name, new[id(child)]


def is_norm(module: nn.Module) -> bool:
    """Whether a module is an activation norm, of PyTorch or of ours."""
    return isinstance(module, nn.LayerNorm | nn.RMSNorm | nn.GroupNorm | _Running | ChannelAffine)


def _width(norm: Any) -> int | None:
    """Channels of a norm; None for a layer norm over several axes, which no other kind replaces."""
    if isinstance(norm, nn.LayerNorm | nn.RMSNorm):
        return int(norm.normalized_shape[0]) if len(norm.normalized_shape) == 1 else None
    if isinstance(norm, nn.GroupNorm):
        return norm.num_channels
    width: int = norm.width if isinstance(norm, ChannelAffine) else norm.num_features
    return width


def _like(old: nn.Module, config: NormalizationConfig, width: int, place: str) -> nn.Module:
    """The asked norm, for the layout of the one whose place it takes."""
    if isinstance(old, ChannelAffine):  # whose layout and masks only ours know
        return LAYERS[config.method](width=width, **config.settings(width, place))
    return make_norm(config, width, _layout(old), place)


def _layout(norm: nn.Module) -> Layout:
    """Where a norm's channels are."""
    if isinstance(norm, norm_layers.BatchNorm | norm_layers.GroupNorm | norm_layers.InstanceNorm):
        return "last" if norm.channels_last else "first"
    if isinstance(norm, norm_layers.ChannelLayerNorm | norm_layers.ChannelRMSNorm):
        return "first"
    if isinstance(norm, nn.LayerNorm | nn.RMSNorm):
        return "last"
    ranks: tuple[Layout, ...] = (1, 2, 3)
    return next(
        (
            rank
            for rank, *kinds in zip(ranks, *PLAIN.values(), strict=True)
            if isinstance(norm, tuple(kinds))
        ),
        "first",
    )


@dataclass(frozen=True, slots=True)
class _Insertion:
    """A norm that goes behind a child of a Sequential."""

    sequential: nn.Sequential
    child: str
    norm: nn.Module


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What a chain of Sequentials calls in turn, and where it is."""

    sequential: nn.Sequential
    child: str
    module: nn.Module
    path: str

    @property
    def is_layer(self) -> bool:
        return isinstance(self.module, nn.Linear | _Convolution)

    @property
    def is_learned(self) -> bool:
        return any(True for _ in self.module.parameters())


def _insertions(model: nn.Module, config: NormalizationConfig) -> Iterator[_Insertion]:
    for chain, is_whole in _chains(model):
        for index, leaf in enumerate(chain):
            if leaf.is_layer and _wants_norm(chain[index + 1 :], is_whole):
                width, layout = _output(leaf.module)
                if width > 1:  # one channel less its own mean is zero
                    norm = _as_old(make_norm(config, width, layout, leaf.path), leaf.module)
                    yield _Insertion(leaf.sequential, leaf.child, norm)


def _chains(model: nn.Module) -> Iterator[tuple[list[_Leaf], bool]]:
    """Sequentials with those within them as one chain, and whether it is the whole model."""
    within = {
        id(child)
        for module in model.modules()
        if isinstance(module, nn.Sequential)
        for child in module
    }
    for path, module in model.named_modules():
        if isinstance(module, nn.Sequential) and id(module) not in within:
            yield list(_leaves(module, path)), module is model


def _leaves(sequential: nn.Sequential, path: str) -> Iterator[_Leaf]:
    for name, child in sequential._modules.items():
        assert child is not None
        below = f"{path}.{name}".lstrip(".")
        if isinstance(child, nn.Sequential):
            yield from _leaves(child, below)
        else:
            yield _Leaf(sequential, name, child, below)


def _wants_norm(following: list[_Leaf], is_whole: bool) -> bool:
    """Whether a layer gets a norm: it has none before the next one, and isn't the output."""
    for leaf in following:
        if is_norm(leaf.module):
            return False
        if leaf.is_learned:
            return True
    closed = any(isinstance(leaf.module, _OUTPUT_ACTIVATIONS) for leaf in following)
    return bool(following) and not is_whole and not closed


def _output(layer: Any) -> tuple[int, Layout]:
    """Channels that a layer gives, and where."""
    if isinstance(layer, nn.Linear):
        return layer.out_features, "last"
    return layer.out_channels, len(layer.kernel_size)  # type: ignore[return-value]


def _insert(insertions: list[_Insertion]) -> None:
    """Build each Sequential's children anew; numbered ones are numbered anew."""
    behind = {(id(each.sequential), each.child): each.norm for each in insertions}
    for sequential in {id(each.sequential): each.sequential for each in insertions}.values():
        children: list[tuple[str, nn.Module]] = []
        for name, child in sequential._modules.items():
            assert child is not None
            children.append((name, child))
            if norm := behind.get((id(sequential), name)):
                children.append((f"{name}_norm", norm))
        numbered = all(name.removesuffix("_norm").isdecimal() for name, _ in children)
        sequential._modules.clear()
        for index, (name, module) in enumerate(children):
            sequential._modules[str(index) if numbered else name] = module


def _as_old(norm: nn.Module, neighbour: nn.Module) -> nn.Module:
    """On the neighbour's device, in its dtype, and in its mode."""
    tensor = next(neighbour.parameters(), None)
    if tensor is not None:
        norm.to(tensor.device, tensor.dtype)
    return norm.train(neighbour.training)


def _leave_fast_path(owner: nn.Module, norm: nn.Module) -> None:
    """Keep PyTorch's fused encoder layer from reading another norm as a layer norm."""
    if isinstance(owner, nn.TransformerEncoderLayer) and not isinstance(norm, nn.LayerNorm):
        owner.activation_relu_or_gelu = 0
