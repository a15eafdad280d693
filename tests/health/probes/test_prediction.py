"""What the plan predicts of the signal and its gradient, against many draws."""

from __future__ import annotations

from statistics import fmean

import pytest
from probed_models import XAVIER, mlp, transformer

from seobuilder.health.probes.prediction import kurtosis_term, predict, slope_square
from seobuilder.report.probes import Probes, SignalRecord
from seobuilder.stages import Building


def signals(building: Building) -> dict[str, SignalRecord]:
    probes = building.report.probes
    assert isinstance(probes, Probes)
    return {record.name: record for record in probes.signals}


def test_kurtosis_terms() -> None:
    assert kurtosis_term("identity") == pytest.approx(2)
    assert kurtosis_term("relu") == pytest.approx(5)  # Hanin and Rolnick 2018


def test_slopes() -> None:
    assert slope_square("relu", 0.0, 3.0) == pytest.approx(0.5)
    assert slope_square("identity", 1.0, 2.0) == pytest.approx(1)
    assert slope_square("leaky_relu", 0.0, 1.0) == pytest.approx((1 + 0.01**2) / 2)


def test_relu_under_xavier_loses_half_of_the_square_a_layer() -> None:
    found = signals(mlp(depth=5, rules=XAVIER))
    expected = [found[f"body.{index}"].expected for index in range(5)]
    # Of normal x with variance v, relu has the variance v / 2 (1 - 1 / pi), and E[x^2] = v / 2.
    assert expected == pytest.approx([0.5**k * 0.5 * (1 - 1 / 3.14159265) for k in range(5)])
    # Backwards the same: fan_out Var[w] E[phi'^2] = 1/2 of the square.
    steep = [found[f"body.{index}"].gradient_expected for index in range(4)]
    last = found["body.4"].gradient
    assert last is not None
    assert steep == pytest.approx([last * 0.5 ** ((4 - k) / 2) for k in range(4)])


def residual(more: str, rules: str = XAVIER) -> Building:
    return mlp(4, width=64, activation=f"relu, {more}", rules=rules)


def test_a_skip_path_adds_its_own_to_the_gradient_of_the_branch() -> None:
    found = signals(residual("residual: scaled, residual_scale: 2"))
    last = found["body.3"].gradient
    assert last is not None
    # The Jacobian's square is that of the skip path, 1, and of twice the branch, 4 * 1/2.
    steep = [found[f"body.{index}"].gradient_expected for index in range(3)]
    assert steep == pytest.approx([last * 3 ** ((3 - k) / 2) for k in range(3)])


@pytest.mark.parametrize(("skips", "added"), [("none", 0), ("plain", 5 / 64), ("rezero", 5 / 64)])
def test_a_norm_holds_the_length_of_signals_unless_a_skip_path_leads_around_it(
    skips: str, added: float
) -> None:
    roles = ["norm_scale", *(["residual_scale"] if skips == "rezero" else [])]
    scale = "\n".join(f"  - {{role: {role}, method: ones}}" for role in roles)
    norm = "normalization:\n  - {match: '**', method: layer_norm, placement: after_activation}"
    made = residual(f"residual: {skips}", f"{scale}\n{XAVIER}\n{norm}")
    prediction = predict(made.plan, made.loaded.recipe, made.batch[0])
    assert prediction is not None
    spreads = [prediction.spread[f"body.{index}"] for index in range(4)]
    assert spreads == pytest.approx([added * index for index in range(4)])


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: mlp(depth=10, width=64, seed=seed),
        lambda seed: mlp(depth=10, width=64, activation="tanh", rules=XAVIER, seed=seed),
        lambda seed: transformer(depth=3, seed=seed),
    ],
)
def test_few_signals_leave_their_band_and_none_by_far(make: object) -> None:
    inside, ratios, total = 0, [], 0
    for seed in range(12):
        for record in signals(make(seed)).values():  # type: ignore[operator]
            if record.expected and record.variance is not None:
                assert record.low is not None and record.high is not None
                total += 1
                inside += record.low <= record.variance <= record.high
                ratios.append(record.variance / record.expected)
    assert inside >= 0.97 * total
    assert fmean(ratios) == pytest.approx(1, abs=0.25)


def test_pre_norm_blocks_add_up_and_their_gradients_fall_accordingly() -> None:
    found = signals(transformer(depth=4))
    records = [found[f"encoder.blocks.{index}"] for index in range(4)]
    variances = [record.expected for record in records]
    assert variances == sorted(variances)
    for record in records[:-1]:
        assert record.gradient is not None and record.gradient_low is not None
        assert record.gradient_high is not None
        assert record.gradient_low < record.gradient < record.gradient_high


def test_what_theory_does_not_know_has_no_band() -> None:
    rules = '  - {match: "body.1.**.weight", method: keep}\n' + XAVIER
    found = signals(mlp(depth=3, rules=rules))
    assert found["body.2"].expected is not None  # torch's own default is known
    assert found["label"].gradient_expected is None
