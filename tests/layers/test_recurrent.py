from __future__ import annotations

import pytest
import torch
from torch import nn

from seobuilder.layers import Pool, Recurrent, RecurrentLayer, Stack
from seobuilder.norm import BatchNorm, LayerNorm

CELLS = [nn.RNN, nn.LSTM, nn.GRU]


def layer(cell, bidirectional: bool, norm=None, size: int = 8) -> RecurrentLayer:
    return RecurrentLayer(
        cell(size, 3, batch_first=True),
        cell(size, 3, batch_first=True) if bidirectional else None,
        norm,
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_nothing(padding_changes_nothing, cell, bidirectional: bool) -> None:
    width = 6 if bidirectional else 3
    first = layer(cell, bidirectional, BatchNorm(width))
    second = layer(cell, bidirectional, LayerNorm(width), size=width)
    padding_changes_nothing(Recurrent(Stack([first, second])))


@pytest.mark.parametrize("cell", CELLS)
def test_both_directions_are_torchs(cell) -> None:
    ours = layer(cell, bidirectional=True)
    theirs = cell(8, 3, batch_first=True, bidirectional=True)
    state = {f"{n}": p for n, p in ours.forward_cell.named_parameters()}
    state |= {f"{n}_reverse": p for n, p in ours.backward_cell.named_parameters()}
    theirs.load_state_dict(state)
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(ours(x), theirs(x)[0])

    lengths = torch.tensor([5, 2, 4])
    mask = torch.arange(5) < lengths[:, None]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    torch.testing.assert_close(ours(x, mask), expected)


def test_padded_outputs_are_zero_also_behind_a_norm() -> None:
    norm = LayerNorm(3)
    nn.init.ones_(norm.bias)
    mask = torch.tensor([[True, False], [False, True]])
    y = layer(nn.GRU, False, norm)(torch.randn(2, 2, 8), mask)
    assert (y[~mask] == 0).all() and (y[mask] != 0).any()


def test_last_is_the_final_state_of_the_forward_cell() -> None:
    recurrent = layer(nn.GRU, bidirectional=False)
    x = torch.randn(2, 5, 8)
    mask = torch.tensor([[True, True, True, False, False], [False, False, True, True, True]])
    last = Pool("last")(recurrent(x, mask), mask)
    for row, real in enumerate([x[0, :3], x[1, 2:]]):
        torch.testing.assert_close(last[row], recurrent.forward_cell(real)[1][0])
