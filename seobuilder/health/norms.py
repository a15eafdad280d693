"""L2 norms of many tensors at once, on the device that they are on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def norms(tensors: Sequence[Tensor]) -> Tensor:
    """The L2 norm of each tensor [n], in float32 at least, on the first one's device.

    Nothing is brought to the host: `norms(...).tolist()` is the one transfer. Gradients of a sparse
    embedding are taken as well. Half precision is widened, for its squares overflow.
    """
    if not tensors:
        return torch.zeros(0)
    dense = [t.coalesce().values() if t.is_sparse else t for t in tensors]
    wide = [t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for t in dense]
    found = torch._foreach_norm(wide)
    kind = torch.float64 if any(t.dtype == torch.float64 for t in wide) else torch.float32
    return torch.stack([norm.to(found[0].device, kind) for norm in found])
