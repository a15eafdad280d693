"""Training a custom model on an ordinary DataLoader, with the parts of `seobuilder train`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seobuilder.building.losses import output_losses
from seobuilder.data.batches import Batch
from seobuilder.errors import InvalidArgument, TrainingStopped
from seobuilder.init.streams import Stream
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.service.calls.custom_model import CustomSEOModel, create_custom_model
from seobuilder.service.calls.gradients import autograd_debugger
from seobuilder.service.calls.model_config import INPUT, OUTPUT
from seobuilder.service.calls.training_config import TrainingConfig
from seobuilder.training.accelerators import start_accelerator
from seobuilder.training.metrics import measure
from seobuilder.training.optimizers import clip_gradients, gradient_norm, make_optimizer

Rows = DataLoader[Any] | Dataset[Any] | Iterable[Any]
"""A DataLoader, or anything that gives batches; or a Dataset of rows, which is cut into batches."""

_IDS = ("input_ids", "ids", INPUT)
_LABELS = ("labels", "label", "targets")
_MASKS = ("attention_mask", "mask", f"{INPUT}_mask")


class CustomSEOModelTrainer:
    """Trains the model of a configuration, epoch by epoch.

    Loss, metrics, optimizer, clipping and precision are those of a recipe's `training` section; the
    rows come from the caller. Dropout is keyed by seed, epoch and step, so that the same batches
    give the same weights on one machine; the global generator is left as it was.
    """

    def __init__(self, config: TrainingConfig) -> None:
        """Take the configuration; nothing is built yet."""
        self.config = config
        self.epoch = 0
        self._model: CustomSEOModel | None = None

    @property
    def model(self) -> CustomSEOModel:
        """The model that is trained, on its device.

        Raises:
            InvalidArgument: `setup_training` hasn't been called.
        """
        if self._model is None:
            raise InvalidArgument("call setup_training() first: it builds the model")
        return self._model

    def setup_training(self) -> CustomSEOModel:
        """Build the model, which draws its weights, and the optimizer; returns the model.

        Called again, it begins anew, with the same weights.

        Raises:
            RecipeError: the model's method can't draw one of the weights.
        """
        loaded = self.config.load()
        self._recipe = loaded.recipe
        model = create_custom_model(self.config.described)
        self.accelerator = start_accelerator(loaded.recipe.training.precision)
        optimizer = make_optimizer(model.to(self.accelerator.device), model.planned, loaded)
        self._wrapped, self.optimizer = self.accelerator.prepare(model, optimizer)
        self._model, self.epoch = model, 0
        return model

    def train_epoch_with_monitoring(self, dataloader: Rows) -> dict[str, float]:
        """One pass over the rows, a step of the optimizer for each batch.

        A batch is `(ids, labels)`, or a mapping with `input_ids` and `labels`, and perhaps
        `attention_mask`: ids [B, T] integer, labels [B] class indices, -100 for none.

        Keys: `loss` (mean over the rows), `accuracy`, `macro_f1`, `auc`, `calibration_error` (of
        the answers during the epoch), `gradient_norm` (mean over the steps, before clipping),
        `max_gradient_norm`, `learning_rate`, `steps`, `rows`, `seconds`, `rows_per_second`. A
        metric that has no meaning on these rows, such as the AUC of a single label, is NaN.

        Raises:
            InvalidArgument: a batch is of another form, or there is none.
            TrainingStopped: the loss or the gradient is not finite; the weights are those before.
        """
        model, began = self.model, time.perf_counter()
        parameters = list(model.parameters())
        norms: list[float] = []
        seen = _Seen()
        model.train()
        with torch.random.fork_rng(enabled=True):
            self._seed("order")
            for batch in self._batches(dataloader):
                self._seed(str(len(norms)))
                self.optimizer.zero_grad()
                answers = self._wrapped(**batch.inputs)
                loss = output_losses(answers, self._recipe, batch)[OUTPUT]
                self.accelerator.backward(loss)
                norm = gradient_norm(parameters)
                self._stop_if_lost(float(loss.detach()), float(norm), len(norms) + 1)
                clip_gradients(parameters, self._recipe.training.clip, norm)
                self.optimizer.step()
                seen.add(answers[OUTPUT], batch.targets[OUTPUT], float(loss.detach()))
                norms.append(float(norm))
        self.epoch += 1
        seconds = time.perf_counter() - began
        return {
            **seen.figures(self._recipe.outputs[OUTPUT]),
            "gradient_norm": sum(norms) / len(norms),
            "max_gradient_norm": max(norms),
            "learning_rate": self.config.learning_rate,
            "steps": len(norms),
            "rows": seen.rows,
            "seconds": seconds,
            "rows_per_second": seen.rows / seconds,
        }

    @torch.inference_mode()
    def evaluate(self, dataloader: Rows) -> dict[str, float]:
        """Loss and metrics of rows that nothing is learned from, as `train_epoch...` has them."""
        model, seen = self.model, _Seen()
        training = model.training
        model.eval()
        try:
            for batch in self._batches(dataloader):
                answers = self._wrapped(**batch.inputs)
                loss = output_losses(answers, self._recipe, batch)[OUTPUT]
                seen.add(answers[OUTPUT], batch.targets[OUTPUT], float(loss))
        finally:
            model.train(training)
        return {**seen.figures(self._recipe.outputs[OUTPUT]), "rows": seen.rows}

    def _seed(self, place: str) -> None:
        """Key what is random from here on; `place` is a step, or where a loader shuffles."""
        stream = Stream(self.config.seed, f"{self.epoch}/{place}", "dropout")
        torch.manual_seed(stream.torch_seed)

    def _batches(self, source: Rows) -> Iterator[Batch]:
        batches: Iterable[Any]
        if isinstance(source, Dataset):
            order = Stream(self.config.seed, f"epoch {self.epoch}", "order").torch_seed
            generator = torch.Generator().manual_seed(order)
            size = self.config.batch_size
            source = DataLoader(source, batch_size=size, shuffle=True, generator=generator)
        if isinstance(source, DataLoader):
            batches = self.accelerator.prepare_data_loader(source)
        else:
            batches = source
        empty = True
        for given in batches:
            empty = False
            yield self._batch(given).to(self.accelerator.device)
        if empty:
            raise InvalidArgument("there is no batch to look at")

    def _batch(self, given: Any) -> Batch:
        """A caller's batch, checked."""
        ids, labels, mask = _parts(given)
        config = self.config.described
        for name, tensor, axes in (("ids", ids, 2), ("labels", labels, 1)):
            if tensor.is_floating_point() or tensor.ndim != axes:
                raise InvalidArgument(
                    f"{name} must be integers with {axes} axes, "
                    f"not {str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
                )
        largest = int(ids.max()) if ids.numel() else 0
        if largest >= config.vocab_size:
            raise InvalidArgument(f"id {largest} is not below a vocab_size of {config.vocab_size}")
        if ids.shape[1] > config.max_length:
            raise InvalidArgument(
                f"a row has {ids.shape[1]} ids, more than a max_length of {config.max_length}"
            )
        if int(labels.max()) >= config.num_classes:
            raise InvalidArgument(
                f"label {int(labels.max())} is not below a num_classes of {config.num_classes}"
            )
        inputs = {INPUT: ids} if mask is None else {INPUT: ids, f"{INPUT}_mask": mask.bool()}
        return Batch(inputs, {OUTPUT: labels.long()})

    def _stop_if_lost(self, loss: float, norm: float, step: int) -> None:
        if isfinite(loss) and isfinite(norm):
            return
        found = autograd_debugger.check_gradients(self.model)["by_kind"]
        lost = {*found["nan"], *found["infinite"]}
        first = next((name for name, _ in self.model.named_parameters() if name in lost), None)
        where = f"; the first gradient that is not finite is that of `{first}`" if first else ""
        message = (
            f"epoch {self.epoch + 1}, step {step}: the loss is {loss:g}, and the gradient's norm "
            f"{norm:g}{where}"
        )
        raise TrainingStopped([Diagnostic("T002" if isfinite(loss) else "T001", message)])


def _parts(given: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    """Ids, labels, and the mask if there is one."""
    if isinstance(given, Mapping):
        ids, labels, mask = (
            next((given[key] for key in keys if key in given), None)
            for keys in (_IDS, _LABELS, _MASKS)
        )
    elif isinstance(given, Sequence) and len(given) == 2:
        (ids, labels), mask = given, None
    else:
        ids = labels = mask = None
    if not isinstance(ids, Tensor) or not isinstance(labels, Tensor):
        raise InvalidArgument(
            "a batch is (ids, labels), or a mapping with `input_ids` and `labels`, and perhaps "
            f"`attention_mask`, all tensors; this is {_shown(given)}"
        )
    return ids, labels, mask


def _shown(given: Any) -> str:
    if isinstance(given, Mapping):
        return f"a mapping with {', '.join(map(str, given))}"
    if isinstance(given, Sequence) and not isinstance(given, str):
        return f"a sequence of {len(given)}"
    return f"a {type(given).__name__}"


class _Seen:
    """Answers and targets of an epoch, and its summed loss."""

    def __init__(self) -> None:
        self.rows = 0
        self._loss = 0.0
        self._answers: list[Tensor] = []
        self._targets: list[Tensor] = []

    def add(self, answers: Tensor, targets: Tensor, loss: float) -> None:
        """Note one batch."""
        self.rows += len(targets)
        self._loss += loss * len(targets)
        self._answers.append(answers.detach().float().cpu())
        self._targets.append(targets.cpu())

    def figures(self, spec: Any) -> dict[str, float]:
        """Mean loss and metrics."""
        found = measure(spec, torch.cat(self._answers), torch.cat(self._targets))
        return {"loss": self._loss / self.rows, **found}
