"""What the loop does within a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from seobuilder.errors import EnvironmentProblem, RecipeError
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.run import train

Small = Callable[..., LoadedRecipe]


class Watch(Callback):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.clipped: list[float] = []
        self.rates: list[float] = []
        self.validation: list[float] = []

    def on_start(self, state: State) -> None:
        self.places.append("start")

    def on_batch(self, state: State) -> None:
        assert state.batch is not None and len(state.batch.targets["kind"])
        self.places.append("batch")

    def on_backward(self, state: State) -> None:
        self.places.append("backward")
        self.norms.append(norm(state))

    def on_step(self, state: State) -> None:
        assert state.gradient_norm is not None and state.loss is not None
        self.places.append("step")
        self.losses.append(float(state.loss))
        self.clipped.append(norm(state))
        self.rates.append(state.rate)
        assert float(state.gradient_norm) == pytest.approx(self.norms[-1], rel=1e-5)

    def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
        self.places.append(split)
        if split == "validation":
            self.validation.append(figures["loss"])

    def on_end(self, state: State) -> None:
        self.places.append("end")


def norm(state: State) -> float:
    squares = [p.grad.square().sum() for p in state.model.parameters() if p.grad is not None]
    return float(torch.stack(squares).sum().sqrt())


def test_callbacks_are_called_in_order(small: Small) -> None:
    watch = Watch()
    train(small("training.batch={rows: 45, accumulate: 2}", "training.epochs=1"), callbacks=[watch])
    assert watch.places == ["start", "batch", "batch", "backward", "step", "test", "end"]


def test_accumulated_batches_give_the_gradient_of_their_mean(small: Small) -> None:
    """Rows of one length, without dropout: halves of a batch are the batch."""
    still = ("modules.words.dropout=0", "modules.body.dropout=0", "training.epochs=1")
    whole, halves = Watch(), Watch()
    train(small(*still, "training.batch={rows: 90}"), callbacks=[whole])
    train(small(*still, "training.batch={rows: 45, accumulate: 2}"), callbacks=[halves])
    assert halves.losses == pytest.approx(whole.losses, rel=1e-5)
    assert halves.norms == pytest.approx(whole.norms, rel=1e-5)


def test_gradients_are_clipped_by_norm_and_by_value(small: Small) -> None:
    by_norm, free, by_value = Watch(), Watch(), Watch()
    train(small("training.clip={norm: 0.01}"), callbacks=[by_norm])
    assert max(by_norm.clipped) <= 0.0101 < max(by_norm.norms)
    train(small("training.clip={}"), callbacks=[free])
    assert free.clipped == free.norms
    train(small("training.clip={value: 1.0e-4}"), callbacks=[by_value])
    assert max(by_value.clipped) < max(by_value.norms)


def test_early_stopping_keeps_the_best_weights(small: Small) -> None:
    watch = Watch()
    stopping = "training.early_stopping={metric: loss, patience: 2}"
    fast = "training.optimizer={learning_rate: 0.5}"
    settings = ("training.validation=0.3", stopping, fast, "training.epochs=40")
    trained = train(small(*settings, "training.schedule={decay: none}"), callbacks=[watch])
    record = trained.record
    best = min(watch.validation)
    assert record.ended == "early" and record.epochs < 40
    assert watch.validation.index(best) == len(watch.validation) - 3
    assert record.kept == record.steps - 2 * 4 and record.figures["validation"]["loss"] == best


def of_one_kind(small: Small, patience: int) -> LoadedRecipe:
    """The small recipe, stopped by an AUC, with rows of one label: 4 epochs, and as many looks."""
    rows = Path("rows.csv")
    rows.write_text(rows.read_text().replace(",blue", ",red"))
    stopping = f"training.early_stopping={{metric: kind.auc, patience: {patience}}}"
    return small("training.validation=0.3", stopping)


def test_a_figure_without_value_is_nothing_to_stop_by(small: Small) -> None:
    with pytest.raises(RecipeError) as caught:
        train(of_one_kind(small, patience=3), "out")
    assert (
        "R214 training.early_stopping.metric: `kind.auc` had no value in 3 looks at 27 validation "
        "rows: there is nothing to stop by" in str(caught.value)
    )
    assert not Path("out").exists()


def test_a_figure_without_value_is_never_the_best(small: Small) -> None:
    record = train(of_one_kind(small, patience=9)).record
    assert record.kept == record.steps > 0
    assert record.figures["validation"]["kind.auc"] is None
    assert record.figures["validation"]["kind.accuracy"] == 1.0


def test_averaged_weights_are_kept_and_looked_at(small: Small) -> None:
    plain = train(small("training.validation=0.3")).model.state_dict()
    averaged = train(small("training.validation=0.3", "training.average=0.9"))
    weights = averaged.model.state_dict()
    assert all((plain[name] != weights[name]).any() for name in plain)
    assert averaged.record.figures["validation"]["kind.accuracy"] > 0.9


def test_the_weights_of_losses_multiply_them(small: Small) -> None:
    watch, double = Watch(), Watch()
    train(small("training.epochs=1"), callbacks=[watch])
    train(small("training.epochs=1", "training.weights.kind=2"), callbacks=[double])
    assert double.losses[0] == pytest.approx(2 * watch.losses[0])


def test_bfloat16_computes_in_half_and_keeps_weights(small: Small) -> None:
    trained = train(small("training.precision=bfloat16"))
    assert {p.dtype for p in trained.model.parameters()} == {torch.float32}
    assert trained.record.figures["test"]["kind.accuracy"] > 0.9
    answer = trained.model(query=torch.ones(1, 3, dtype=torch.long))
    assert answer["kind"].dtype == torch.float32 and "forward" not in vars(trained.model)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU")
def test_float16_needs_a_gpu(small: Small) -> None:
    with pytest.raises(EnvironmentProblem, match="bfloat16"):
        train(small("training.precision=float16"))
