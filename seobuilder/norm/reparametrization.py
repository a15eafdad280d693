"""Weight norm and spectral norm: a weight stored in another form, and computed from it on use.

    weight_norm      W = g V / ||V||     Salimans and Kingma 2016, arXiv:1602.07868, equation 2
    spectral_norm    W = V / sigma(V)    Miyato et al. 2018, arXiv:1802.05957, equation 8

Both are PyTorch's own, from `torch.nn.utils.parametrizations`. A weight is drawn first and
reparametrized then, so that weight norm starts from exactly what was drawn.

Weight norm has one g for each index of axis 0: an output, a row of an embedding, an output of a
gate, or an input channel of a transposed convolution. Spectral norm reads a weight as a matrix
with a row for each index of that axis, of a transposed convolution of axis 1, the outputs.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrizations import _SpectralNorm, _WeightNorm
from torch.nn.utils.parametrize import is_parametrized

from seobuilder.planning.model import Plan

Method = Literal["weight_norm", "spectral_norm"]

TOLERANCE = 0.01
"""Relative error of the largest singular value that a settled spectral norm may have."""

_MAXIMUM_ITERATIONS = 100_000

_STORED = re.compile(r"(?P<owner>(?:.+\.)?)parametrizations\.(?P<tensor>[^.]+)\.original[01]?")


def plain_name(stored: str) -> str:
    """The name that a parameter has before a reparametrization is attached.

    `facts.0.linear.parametrizations.weight.original0` gives `facts.0.linear.weight`; a name that
    no reparametrization made is returned as it is.
    """
    match = _STORED.fullmatch(stored)
    return match["owner"] + match["tensor"] if match else stored


def attach(
    module: nn.Module, tensor_name: str, method: Method, settings: Mapping[str, Any]
) -> None:
    """Store the weight `tensor_name` of `module` in the form of `method`.

    Args:
        module: the layer that owns the weight; on the meta device only the structure is made.
        tensor_name: its attribute, such as `weight`.
        method: weight_norm, with one norm for each index of axis 0, or spectral_norm.
        settings: for spectral_norm, `iterations` of the power method in each forward pass of
            training, and `eps`, the floor of the norms that it divides by. weight_norm has none.
    """
    if method == "weight_norm":
        parametrizations.weight_norm(module, tensor_name, **settings)
        _keep_padding_zero(module, tensor_name)
    else:
        # PyTorch draws the first singular vectors from its global generator; see `settle`.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            parametrizations.spectral_norm(
                module,
                tensor_name,
                n_power_iterations=settings["iterations"],
                eps=settings["eps"],
            )
    if isinstance(module, nn.RNNBase):
        # On the class that PyTorch has made for this one module.
        type(module).__deepcopy__ = _copy_of_recurrent  # type: ignore[attr-defined]


def _keep_padding_zero(module: nn.Module, tensor_name: str) -> None:
    """Let the zeros of an embedding's padding row be 0 V / ||V||, not 0 / 0."""
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        stored = module.get_parameter(f"parametrizations.{tensor_name}.original1")
        with torch.no_grad():
            stored[module.padding_idx] = 1.0


def _copy_of_recurrent(cell: nn.RNNBase, memo: dict[int, Any]) -> nn.RNNBase:
    """A deep copy of a cell, also after training.

    `_flat_weights` then holds weights that were computed from others, with their graph, which
    can't be copied. The copy gets their values, and computes its own when it runs.
    """
    for weight in cell._flat_weights:
        if isinstance(weight, Tensor) and not weight.is_leaf:
            memo[id(weight)] = weight.detach()
    copied = cell.__class__.__new__(cell.__class__)
    memo[id(cell)] = copied
    copied.__dict__ = copy.deepcopy(cell.__dict__, memo)
    return copied


def attach_all(model: nn.Module, plan: Plan) -> None:
    """Attach every reparametrization of the plan, so that a saved state fits the model."""
    for assignment in plan.assignments:
        if assignment.reparametrization is not None:
            module, tensor_name = locate(model, plain_name(assignment.parameter.stored[0]))
            chosen = assignment.reparametrization
            attach(module, tensor_name, chosen.method, chosen.settings)


def locate(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that owns the parameter of that name, and the parameter's attribute in it."""
    owner, _, tensor_name = name.rpartition(".")
    return model.get_submodule(owner), tensor_name


def unusable_norm(
    weight: Tensor, method: Method, padding_row: int | None = None
) -> Literal["zero", "infinite"] | None:
    """What is wrong with the norms that the method would divide this weight by; None if nothing is.

    Weight norm has one for each index of axis 0, of which a padding row's does not count, and their
    squares may be too small or too large for the dtype. Spectral norm is found at any scale.
    """
    if method == "spectral_norm":
        norms = weight.abs().amax()
    else:
        norms = torch.norm_except_dim(weight, 2, 0).flatten()
        if padding_row is not None:
            norms[padding_row] = 1
    if not norms.all():
        return "zero"
    return None if norms.isfinite().all() else "infinite"


@torch.no_grad()
def effective(module: nn.Module, tensor_name: str) -> Tensor:
    """The weight that the layer computes with; reading it takes no step of a power method."""
    parts = (
        list(module.get_submodule("parametrizations").modules()) if is_parametrized(module) else []
    )
    training = [part.training for part in parts]
    for part in parts:
        part.training = False
    try:
        weight: Tensor = getattr(module, tensor_name)
        return weight.detach()
    finally:
        for part, mode in zip(parts, training, strict=True):
            part.training = mode


@torch.no_grad()
def assign(module: nn.Module, tensor_name: str, weight: Tensor) -> None:
    """Let the layer compute with this weight, in whatever form it is stored.

    Under spectral norm it is the weight before the division; `settle` must follow.

    Raises:
        NotImplementedError: a parametrization of another kind can't be inverted.
    """
    if not is_parametrized(module, tensor_name):
        module.get_parameter(tensor_name).copy_(weight)
        return
    stored = module.get_submodule(f"parametrizations.{tensor_name}")
    like = next(stored.parameters())
    setattr(module, tensor_name, weight.to(like.device, like.dtype))
    if attached_method(module, tensor_name) == "weight_norm":
        _keep_padding_zero(module, tensor_name)


def attached_method(module: nn.Module, tensor_name: str) -> Method | None:
    """Which of our two forms a weight is stored in; None for neither."""
    if not is_parametrized(module, tensor_name):
        return None
    stored = module.get_submodule(f"parametrizations.{tensor_name}")
    kinds: dict[type[Any], Method] = {_WeightNorm: "weight_norm", _SpectralNorm: "spectral_norm"}
    return kinds.get(type(stored.get_submodule("0"))) if len(list(stored.children())) == 1 else None


def start_size(module: nn.Module, tensor_name: str) -> int:
    """How many numbers `settle` starts an attached spectral norm from."""
    return module.get_buffer(f"parametrizations.{tensor_name}.0._v").numel()


@torch.no_grad()
def settle(module: nn.Module, tensor_name: str, start: Tensor) -> None:
    """Run the power method of an attached spectral norm until its sigma holds to `TOLERANCE`.

    Args:
        module: the layer, on the CPU.
        tensor_name: the weight's attribute.
        start: random start, for example standard normal, of `start_size`: the number of columns of
            the weight read as a matrix. The same start gives the same vectors.
    """
    stored = module.get_submodule(f"parametrizations.{tensor_name}")
    norm: Any = stored.get_submodule("0")
    weight = stored.get_parameter("original")
    matrix = norm._reshape_weight_to_matrix(weight)
    matrix = matrix.to(torch.promote_types(weight.dtype, torch.float32))
    # Singular vectors do not depend on scale, and squares of small weights would underflow.
    matrix = matrix / matrix.abs().max()
    largest = _largest_singular_value(matrix)

    v = F.normalize(start.to(matrix.dtype), dim=0)
    for _ in range(_MAXIMUM_ITERATIONS):
        u = F.normalize(matrix @ v, dim=0)
        v = F.normalize(matrix.mT @ u, dim=0)
        # Half precision rounds the vectors by some tenths of a percent.
        norm._u.copy_(u)
        norm._v.copy_(v)
        sigma = torch.dot(norm._u.to(matrix.dtype), matrix @ norm._v.to(matrix.dtype))
        if abs(sigma - largest) <= TOLERANCE * largest:
            return
    raise AssertionError(f"the power method did not settle on {tuple(matrix.shape)}")


def divisor(module: nn.Module, tensor_name: str) -> tuple[Tensor, float]:
    """The matrix that an attached spectral norm reads the stored weight as, and its sigma.

    Sigma is u' W v in float64 of the stored vectors, which stay as they are.
    """
    stored = module.get_submodule(f"parametrizations.{tensor_name}")
    norm: Any = stored.get_submodule("0")
    matrix: Tensor = norm._reshape_weight_to_matrix(stored.get_parameter("original").detach())
    sigma = torch.dot(norm._u.double(), matrix.double() @ norm._v.double())
    return matrix, float(sigma)


def _largest_singular_value(matrix: Tensor) -> Tensor:
    """Exactly, from the smaller of the two Gram matrices."""
    gram = matrix @ matrix.mT if matrix.shape[0] <= matrix.shape[1] else matrix.mT @ matrix
    squares: Tensor = torch.linalg.eigvalsh(gram)
    return squares[-1].sqrt()
