from __future__ import annotations

import math

import pytest
import torch

from seobuilder.layers import FeatureScaler

NAN = math.nan


def test_standard_scales_to_mean_zero_and_std_one() -> None:
    values = torch.randn(500, 3) * torch.tensor([1.0, 1e4, 1e-3]) + torch.tensor([0.0, 1e6, 5.0])
    scaler = FeatureScaler(3, "standard", "error")
    scaler.fit(values)
    y = scaler(values)
    torch.testing.assert_close(y.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(y.std(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)


def test_log1p_keeps_the_sign() -> None:
    scaler = FeatureScaler(1, "log1p", "zero")
    x = torch.tensor([[-9.0], [0.0], [9.0]])
    torch.testing.assert_close(scaler(x).flatten(), torch.tensor([-1.0, 0, 1]) * math.log(10))
    scaler.fit(x)
    torch.testing.assert_close(scaler(x).flatten(), torch.tensor([-1.0, 0, 1]) * math.sqrt(3 / 2))


def test_none_leaves_values_alone() -> None:
    scaler = FeatureScaler(2, "none", "mean")
    scaler.fit(torch.tensor([[1.0, 5.0], [3.0, NAN]]))
    assert scaler(torch.tensor([[7.0, 8.0], [NAN, NAN]])).tolist() == [[7, 8], [2, 5]]


def test_fit_ignores_missing_values_and_constant_columns() -> None:
    scaler = FeatureScaler(3, "standard", "mean")
    scaler.fit(torch.tensor([[1.0, 0.1, NAN], [3.0, 0.1, NAN], [NAN, 0.1, NAN]]))
    torch.testing.assert_close(scaler.mean, torch.tensor([2.0, 0.1, 0.0]))
    assert scaler.std.tolist() == [1, 1, 1]


@pytest.mark.parametrize(("missing", "expected"), [("mean", 0.0), ("zero", -3.0)])
def test_missing_values_are_filled_before_scaling(missing, expected: float) -> None:
    scaler = FeatureScaler(1, "standard", missing)
    scaler.fit(torch.tensor([[4.0], [8.0]]))
    assert scaler(torch.tensor([[NAN], [8.0]])).flatten().tolist() == [expected, 1.0]


def test_missing_values_are_refused_on_request() -> None:
    scaler = FeatureScaler(3, "standard", "error")
    with pytest.raises(ValueError, match="NaN in column 0, 2"):
        scaler(torch.tensor([[NAN, 1.0, 2.0], [1.0, 1.0, NAN]]))
    graph = torch.compile(scaler, backend="aot_eager", fullgraph=True)
    assert graph(torch.tensor([[NAN, 1.0, 2.0]])).isnan().tolist() == [[True, False, False]]


def test_statistics_travel_with_the_state_dict() -> None:
    scaler, other = (FeatureScaler(2, "standard", "mean") for _ in range(2))
    scaler.fit(torch.randn(20, 2) * 3 + 1)
    other.load_state_dict(scaler.state_dict())
    x = torch.tensor([[NAN, 2.0]])
    assert torch.equal(scaler(x), other(x))
    assert set(scaler.state_dict()) == {"mean", "std", "fill"}
    scaler.reset_buffers()
    assert scaler(torch.ones(1, 2)).tolist() == [[1, 1]]


def test_wrong_settings_and_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown scale 'minmax'"):
        FeatureScaler(2, "minmax", "mean")
    with pytest.raises(ValueError, match="missing values 'drop'"):
        FeatureScaler(2, "none", "drop")
    with pytest.raises(ValueError, match=r"expected \[N, 2\], got \[3, 1\]"):
        FeatureScaler(2, "none", "mean").fit(torch.ones(3, 1))
