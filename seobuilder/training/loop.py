"""The training loop, on accelerate: one process or several, in any of the precisions."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn

from seobuilder.building.losses import output_losses, trained_outputs
from seobuilder.data.split import Indices
from seobuilder.errors import EnvironmentProblem, SeobuilderError
from seobuilder.init.streams import Stream
from seobuilder.recipe.spec.training import metrics_of
from seobuilder.stages import Building
from seobuilder.training.averaging import Average
from seobuilder.training.batching import Order
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.checkpoints import Checkpoint, Position, RunFolder
from seobuilder.training.evaluation import evaluate
from seobuilder.training.feed import Block, Blocks, Feed
from seobuilder.training.optimizers import clip_gradients, gradient_norm, make_optimizer, set_rate
from seobuilder.training.schedule import rate_factor

PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def start_accelerator(precision: str, *, finds_unused: bool = False) -> Accelerator:
    """What knows the device and the other processes.

    Raises:
        EnvironmentProblem: float16 is asked for where there is no accelerator.
    """
    cpu = not torch.accelerator.is_available()
    if cpu and precision == "float16":
        raise EnvironmentProblem(
            "float16 needs a GPU; on a processor, `training.precision: bfloat16` does as well"
        )
    mixed = PRECISIONS[precision]
    held = AcceleratorState._shared_state
    if held and held.get("_mixed_precision") != mixed:
        AcceleratorState._reset_state()  # it keeps the first precision of a process, else refuses
    ddp = DistributedDataParallelKwargs(find_unused_parameters=finds_unused)
    return Accelerator(mixed_precision=mixed, cpu=cpu, kwargs_handlers=[ddp])


class Loop:
    """One run: its state, and the steps that change it."""

    def __init__(
        self,
        building: Building,
        feed: Feed,
        train: Indices,
        validation: Indices,
        callbacks: Sequence[Callback] = (),
        run: RunFolder | None = None,
        blocks: Blocks | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            building: of the recipe; its model is trained in place.
            feed: where rows come from.
            train: rows that it learns from.
            validation: rows that it looks at meanwhile, perhaps none.
            callbacks: called in this order.
            run: where checkpoints are written; None writes none.
            blocks: of rows that are streamed, of which `train` are the first; None: these are all.
        """
        recipe = building.loaded.recipe
        self.spec = recipe.training
        self.seed = recipe.seed if self.spec.seed is None else self.spec.seed
        self.feed = feed
        self.validation = validation
        self.callbacks = list(callbacks)
        self.run_folder = run
        trained = trained_outputs(recipe, feed.batch(train[:1]))
        self.accelerator = start_accelerator(
            self.spec.precision, finds_unused=len(trained) < len(recipe.outputs)
        )
        self.device = self.accelerator.device
        self.model = building.model
        optimizer = make_optimizer(self.model.to(self.device), building.plan, building.loaded)
        self.wrapped, self.optimizer = self.accelerator.prepare(self.model, optimizer)
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.average = Average(self.model, self.spec.average) if self.spec.average else None
        self.best: dict[str, Tensor] | None = None
        self.position = Position(settings=self.spec.model_dump(mode="json"))
        self.is_streamed = blocks is not None
        self.blocks = blocks or (lambda start: iter([Block(feed, train)][start:]))
        self.block = Block(feed, train)
        self.steps: list[list[Indices]] = []
        self.state = State(
            self.model, building.plan, recipe, optimizer, self.accelerator.is_main_process
        )
        self.ended_early = False
        self.epochs_done = 0.0
        self._interrupted = False

    def run(self) -> Position:
        """Train to the end; the model has the kept weights then.

        Raises:
            TrainingStopped: a callback has found something.
            KeyboardInterrupt: Ctrl-C; a checkpoint of the last step was written.
        """
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(enabled=True))
            stack.enter_context(self._interruptible())
            self._call("on_start")
            self.model.train()
            self._steps()
            self._keep()
        return self.position

    def end(self) -> None:
        """Tell callbacks that all is done."""
        self._call("on_end")

    def release(self) -> None:
        """Give the model back as it was, without wrappers, on the CPU and in evaluation mode."""
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        vars(self.model).pop("forward", None)  # accelerate leaves the class's own in its place
        self.model.cpu().eval()

    def look(self, rows: Indices, split: str) -> dict[str, float]:
        """Evaluate some rows with the model as it is, and tell callbacks."""
        found = evaluate(self.model, self.feed, rows, self.accelerator)
        for callback in self.callbacks if found else ():
            callback.on_evaluate(self.state, split, found)
        return found

    # -- steps ---------------------------------------------------------------------------------

    def _steps(self) -> None:
        position = self.position
        blocks = self._from_here()
        self._begin(next(blocks))
        self.state.steps = self.spec.steps or len(self._order.steps(0)) * self._epochs
        began = written = time.monotonic()
        before = position.seconds
        while not self._is_done:
            try:
                if position.index == len(self.steps):
                    self._begin(next(blocks))
                self._step(self.steps[position.index])
            except SeobuilderError:
                # The step was not taken: what was before it is good, unless it was in doubt.
                if position.step and not self._in_doubt:
                    self._save()
                raise
            position.seconds = before + time.monotonic() - began
            if self._is_time_to_look() and not self._goes_on():
                self.ended_early = not self._is_done
                break
            minutes = (time.monotonic() - written) / 60
            is_time = self._is_time_to_save(minutes) and not self._in_doubt
            if self._interrupted or is_time:
                self._save()
                written = time.monotonic()
            if self._interrupted:
                raise KeyboardInterrupt
        begun = self._ends_epoch if self.is_streamed else position.index / len(self.steps)
        self.epochs_done = position.epoch + begun

    def _from_here(self) -> Iterator[Block]:
        """The block in which the run stands, and those that follow, epoch after epoch."""
        position = self.position
        while True:
            for block in self.blocks(position.block):
                yield block
                position.block, position.index = position.block + 1, 0
            position.epoch, position.block = position.epoch + 1, 0

    def _begin(self, block: Block) -> None:
        """Take up a block, at the step of it that comes next."""
        self.block = block
        self.steps = self._order.steps(self.position.epoch, self.accelerator.process_index)

    @property
    def _order(self) -> Order:
        feed = self.block.feed
        return Order(
            self.block.rows,
            feed.lengths,
            feed.examples.groups,
            self.spec.batch,
            self.seed,
            self.accelerator.num_processes,
            self.position.block,
        )

    @property
    def _in_doubt(self) -> bool:
        return any(callback.doubts for callback in self.callbacks)

    @property
    def _epochs(self) -> int:
        return self.spec.epochs or 10

    @property
    def _progress(self) -> float:
        if self.spec.steps is not None:
            return self.position.step / self.spec.steps
        return (self.position.epoch + self.position.index / len(self.steps)) / self._epochs

    @property
    def _is_done(self) -> bool:
        return self._progress >= 1

    @property
    def _ends_epoch(self) -> bool:
        return self.block.is_last and self.position.index == len(self.steps)

    def _step(self, batches: Sequence[Indices]) -> None:
        """One step of the optimizer on the gradients of some batches, averaged."""
        position, state, spec = self.position, self.state, self.spec
        factor = rate_factor(spec.schedule, position.step, self._progress, max(state.steps, 1))
        state.rate = spec.optimizer.learning_rate * factor
        set_rate(state.optimizer, state.rate)
        self.optimizer.zero_grad()
        total: Tensor | None = None
        for number, rows in enumerate(batches):
            loss = self._backward(rows, number, len(batches))
            total = loss if total is None else total + loss
        state.loss = total
        self.accelerator.unscale_gradients()
        state.gradient_norm = gradient_norm(self.parameters)
        self._call("on_backward")
        clip_gradients(self.parameters, spec.clip, state.gradient_norm)
        self.optimizer.step()
        position.step += 1
        position.index += 1
        position.rows, position.tokens = state.rows, state.tokens
        if self.average is not None:
            self.average.update(position.step)
        state.step, state.epoch = position.step, position.epoch + self._ends_epoch
        state.progress = self._progress
        self._call("on_step")

    def _backward(self, rows: Indices, number: int, count: int) -> Tensor:
        """Add one batch's share of the gradient; gives its share of the loss."""
        state = self.state
        batch = self.block.feed.batch(rows).to(self.device)
        state.batch = batch
        self._call("on_batch")
        rank = self.accelerator.process_index
        key = f"{self.position.step}/{number}/{rank}"
        torch.manual_seed(Stream(self.seed, key, "dropout").torch_seed)
        is_last = number == count - 1
        with nullcontext() if is_last else self.accelerator.no_sync(self.wrapped):
            state.losses = output_losses(self.wrapped(**batch.inputs), state.recipe, batch)
            loss = self._sum(state.losses) / count
            self.accelerator.backward(loss)
        state.rows += len(rows)
        state.tokens += sum(batch.inputs[name].numel() for name in state.recipe.token_inputs)
        return loss.detach()

    def _sum(self, losses: Mapping[str, Tensor]) -> Tensor:
        weights = self.spec.weights
        return torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()

    def _call(self, place: str) -> None:
        for callback in self.callbacks:
            getattr(callback, place)(self.state)

    # -- looking -------------------------------------------------------------------------------

    def _is_time_to_look(self) -> bool:
        if not len(self.validation):
            return False
        every = self.spec.evaluate_steps
        is_time = self._ends_epoch if every is None else self.position.step % every == 0
        return is_time or self._is_done

    def _goes_on(self) -> bool:
        """Look at the validation rows; False where they have stopped getting better."""
        with nullcontext() if self.average is None else self.average.applied():
            found = self.look(self.validation, "validation")
            stopping = self.spec.early_stopping
            if stopping is None:
                self.position.figures = dict(found)
                return True
            outputs = {name: spec.kind for name, spec in self.state.recipe.outputs.items()}
            sign = 1 if metrics_of(outputs)[stopping.metric] == "higher" else -1
            value, position = found.get(stopping.metric), self.position
            if value is not None and (position.best is None or sign * value > sign * position.best):
                position.best, position.kept, position.waited = value, position.step, 0
                position.figures = dict(found)
                self.best = {n: t.detach().clone() for n, t in self.model.state_dict().items()}
                return True
        position.waited += 1
        return position.waited < stopping.patience

    def _keep(self) -> None:
        """Leave the weights that are to be kept in the model: best, averaged, or the last."""
        if self.best is not None:
            _load(self.model, self.best)
            return
        self.position.kept = self.position.step
        if self.average is not None:
            self.average.swap()

    # -- saving --------------------------------------------------------------------------------

    def _is_time_to_save(self, minutes: float) -> bool:
        every = self.spec.checkpoints
        return minutes >= every.minutes or (
            every.steps is not None and self.position.step % every.steps == 0
        )

    def _save(self) -> None:
        if self.run_folder is None or not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        self.position.scaler = {} if scaler is None else scaler.state_dict()
        tensors = {} if self.best is None else {"best": self.best}
        if self.average is not None:
            tensors["average"] = self.average.state()
        state = self.model.state_dict(), self.state.optimizer.state_dict()
        self.run_folder.write(Checkpoint(self.position, *state, tensors))

    def take_up(self) -> int:
        """Go on from the last checkpoint, if there is one; gives its step."""
        optimizer = self.state.optimizer
        found = self.run_folder and self.run_folder.read(optimizer.state_dict())
        if not found:
            return 0
        settings = self.position.settings
        self.position = position = found.position
        if position.settings != settings:
            position.earlier.append({"until": position.step, "settings": position.settings})
            position.settings = settings
        _load(self.model, found.weights)
        optimizer.load_state_dict(found.optimizer)
        if self.average is not None:
            self.average.restore(found.tensors["average"])
        if "best" in found.tensors:
            self.best = {n: t.to(self.device) for n, t in found.tensors["best"].items()}
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(position.scaler)
        state = self.state
        state.step, state.epoch = position.step, position.epoch
        state.rows, state.tokens = position.rows, position.tokens
        return position.step

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C end the run after the step under way; the second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> Any:
            self._interrupted = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _load(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Take up a `state_dict`, or what was read of one: a tensor of several names has one there."""
    unexpected = model.load_state_dict(state, strict=False).unexpected_keys
    assert not unexpected, f"of another model: {unexpected}"
