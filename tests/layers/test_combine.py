from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seobuilder.layers import Add, Concat, Interaction


@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 3), (2, 3, 4, 4)])
def test_concat_joins_channels(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    channel = 1 if len(shape) == 4 else -1
    torch.testing.assert_close(Concat()(x, x, x), torch.cat((x, x, x), channel))


def test_add_refuses_to_broadcast() -> None:
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    torch.testing.assert_close(Add()(x, y, x), 2 * x + y)
    with pytest.raises(ValueError, match=r"cannot add the shapes \(2, 3\), \(2, 1\)"):
        Add()(x, y[:, :1])


def test_interactions() -> None:
    u, v = torch.randn(4, 3), torch.randn(4, 3)
    dot, cosine = Interaction("dot")(u, v), Interaction("cosine")(u, v)
    assert dot.shape == cosine.shape == (4, 1)
    torch.testing.assert_close(dot[:, 0], torch.linalg.vecdot(u, v))
    torch.testing.assert_close(cosine[:, 0], F.cosine_similarity(u, v))
    matching = Interaction("matching")(u, v)
    torch.testing.assert_close(matching, torch.cat((u, v, (u - v).abs(), u * v), 1))
    with pytest.raises(ValueError, match="unknown interaction 'sum'"):
        Interaction("sum")


def test_cosine_with_a_zero_vector_is_zero_with_a_tame_gradient() -> None:
    u = torch.zeros(1, 3, requires_grad=True)
    y = Interaction("cosine")(u, torch.tensor([[3.0, 4.0, 0.0]]))
    y.sum().backward()
    assert y.item() == 0
    assert u.grad is not None and u.grad.abs().max() <= 1
