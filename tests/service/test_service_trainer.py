"""Training by configuration, on batches of one's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from seobuilder import InvalidArgument
from seobuilder.errors import TrainingStopped
from seobuilder.planning.planner import make_plan
from seobuilder.service.custom_models import CustomModelConfig
from seobuilder.service.deep_learning_framework import CustomSEOModelTrainer, TrainingConfig

MODEL = CustomModelConfig(
    architecture="mlp", vocab_size=30, max_length=6, hidden_size=16, num_layers=1, num_classes=3
)


def trainer(**arguments: Any) -> CustomSEOModelTrainer:
    made = CustomSEOModelTrainer(TrainingConfig(model=MODEL, **arguments))
    made.setup_training()
    return made


def rows(count: int = 48) -> TensorDataset:
    """Texts whose label is what their ids leave when divided by three."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (count,), generator=generator)
    ids = 3 * torch.randint(1, 9, (count, 6), generator=generator) + labels[:, None]
    return TensorDataset(ids, labels)


def weights(made: CustomSEOModelTrainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in made.model.state_dict().items()}


def test_it_learns_and_says_how() -> None:
    made = trainer(batch_size=16, learning_rate=0.02)
    results = [made.train_epoch_with_monitoring(rows()) for _ in range(8)]
    assert results[-1].keys() == {
        *("loss", "accuracy", "macro_f1", "auc", "calibration_error", "gradient_norm"),
        *("max_gradient_norm", "learning_rate", "steps", "rows", "seconds", "rows_per_second"),
    }
    assert (results[0]["steps"], results[0]["rows"]) == (3, 48)
    assert 0 < results[0]["gradient_norm"] <= results[0]["max_gradient_norm"]
    assert results[-1]["loss"] < 0.5 * results[0]["loss"]
    assert results[-1]["accuracy"] > 0.9 and made.model.training
    assert made.evaluate(rows())["accuracy"] > 0.9 and made.model.training


def test_batches_as_pairs_and_as_mappings_give_the_same_weights() -> None:
    ids, labels = rows().tensors
    forms: list[Any] = [
        DataLoader(rows(), batch_size=16),
        [(ids[i : i + 16], labels[i : i + 16]) for i in range(0, 48, 16)],
        [
            {
                "input_ids": ids[i : i + 16],
                "attention_mask": torch.ones(16, 6, dtype=torch.long),
                "labels": labels[i : i + 16],
            }
            for i in range(0, 48, 16)
        ],
    ]
    before = torch.random.get_rng_state()
    found = []
    for form in forms:
        made = trainer()
        made.train_epoch_with_monitoring(form)
        found.append(weights(made))
    for other in found[1:]:
        assert all(torch.equal(found[0][name], other[name]) for name in other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_long_gradients_are_clipped() -> None:
    short, free = trainer(max_grad_norm=1e-9), trainer(max_grad_norm=None)
    norms = [made.train_epoch_with_monitoring(rows())["gradient_norm"] for made in (short, free)]
    assert norms[0] > 1e-3 and norms[1] > 1e-3
    gradients = [p.grad.norm() for p in short.model.parameters() if p.grad is not None]
    assert float(torch.stack(gradients).norm()) <= 1.01e-9


def test_mixed_precision_keeps_parameters_as_they_are() -> None:
    made = trainer(use_mixed_precision=True)
    assert made.train_epoch_with_monitoring(rows())["loss"] < 2
    assert {p.dtype for p in made.model.parameters()} == {torch.float32}
    assert made.accelerator.mixed_precision == "bf16"


def test_what_is_not_finite_stops_the_run_before_the_step() -> None:
    made = trainer()
    with torch.no_grad():
        made.model.get_parameter("label.linear.weight")[0, 0] = float("nan")
    before = weights(made)
    with pytest.raises(TrainingStopped) as caught:
        made.train_epoch_with_monitoring(rows())
    assert str(caught.value) == (
        "T001 epoch 1, step 1: the loss is nan, and the gradient's norm nan; the first gradient "
        "that is not finite is that of `words.tokens.weight`"
    )
    after = made.model.state_dict()
    assert all(torch.equal(after[n].nan_to_num(7), t.nan_to_num(7)) for n, t in before.items())


def test_the_recipe_says_the_same() -> None:
    config = TrainingConfig(model_type="custom", num_classes=3, batch_size=16, learning_rate=1e-4)
    loaded = config.load()
    assert make_plan(loaded).name == "seo_model"
    training = loaded.recipe.training
    assert (training.batch.rows, training.optimizer.learning_rate) == (16, 1e-4)
    assert (training.clip.norm, training.precision) == (1.0, "float32")
    assert "kind: transformer" in config.to_recipe()
    assert "kind: recurrent" in TrainingConfig(model_type="rnn").to_recipe()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (torch.zeros(2, 3), "this is a Tensor"),
        ({"ids": torch.zeros(2, 3)}, "this is a mapping with ids"),
        ((torch.zeros(2, 3), torch.zeros(2).long()), "ids must be integers with 2 axes, not float"),
        ((torch.full((2, 3), 30), torch.zeros(2).long()), "id 30 is not below a vocab_size of 30"),
        ((torch.ones(2, 9).long(), torch.zeros(2).long()), "9 ids, more than a max_length of 6"),
        ((torch.ones(2, 3).long(), torch.full((2,), 3)), "label 3 is not below a num_classes of 3"),
    ],
)
def test_batches_of_another_form(batch: Any, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        trainer().train_epoch_with_monitoring([batch])
    assert message in str(caught.value)


def test_calls_out_of_order() -> None:
    with pytest.raises(InvalidArgument, match=r"call setup_training\(\) first"):
        CustomSEOModelTrainer(TrainingConfig()).train_epoch_with_monitoring([])
    with pytest.raises(InvalidArgument, match="there is no batch"):
        trainer().train_epoch_with_monitoring([])
    with pytest.raises(InvalidArgument, match="`model` says its own; leave out num_classes"):
        TrainingConfig(model=MODEL, num_classes=4)
