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
from torch import Tensor

from seobuilder.building.losses import output_losses, trained_outputs
from seobuilder.data.split import Indices
from seobuilder.errors import RecipeError, SeobuilderError
from seobuilder.init.streams import Stream
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.document import format_path
from seobuilder.stages import Building
from seobuilder.training.accelerators import start_accelerator
from seobuilder.training.batching import Order
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.checkpoints import Position, RunFolder
from seobuilder.training.evaluation import evaluate
from seobuilder.training.feed import Block, Blocks, Feed
from seobuilder.training.keeping import Keeper
from seobuilder.training.optimizers import clip_gradients, gradient_norm, make_optimizer, set_rate
from seobuilder.training.schedule import rate_factor


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
        self._loaded = building.loaded
        recipe = building.loaded.recipe
        self.spec = recipe.training
        self.seed = recipe.seed if self.spec.seed is None else self.spec.seed
        self.feed = feed
        self.validation = validation
        self.callbacks = list(callbacks)
        trained = trained_outputs(recipe, feed.batch(train[:1]))
        self.accelerator = start_accelerator(
            self.spec.precision, finds_unused=len(trained) < len(recipe.outputs)
        )
        self.device = self.accelerator.device
        self.model = building.model
        optimizer = make_optimizer(self.model.to(self.device), building.plan, building.loaded)
        self.wrapped, self.optimizer = self.accelerator.prepare(self.model, optimizer)
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._keeper = Keeper(recipe, self.model, optimizer, self.accelerator, run)
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
            RecipeError: early stopping has waited for a figure that the validation rows don't have.
            KeyboardInterrupt: Ctrl-C; a checkpoint of the last step was written.
        """
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(enabled=True))
            stack.enter_context(self._interruptible())
            self._call("on_start")
            self.model.train()
            self._steps()
            self._keeper.finish()
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
                    self._keeper.save()
                raise
            position.seconds = before + time.monotonic() - began
            if self._is_time_to_look() and not self._goes_on():
                self.ended_early = not self._is_done
                break
            minutes = (time.monotonic() - written) / 60
            is_time = self._keeper.is_time(minutes) and not self._in_doubt
            is_interrupted = self._hears_of_interruption()
            if is_interrupted or is_time:
                self._keeper.save()
                written = time.monotonic()
            if is_interrupted:
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
    def position(self) -> Position:
        """Where the run stands."""
        return self._keeper.position

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
        # All processes judge the step by the same numbers: where one ends, none waits for it.
        state.loss, state.losses = self.accelerator.reduce((total, state.losses), "mean")
        self.accelerator.unscale_gradients()
        state.gradient_norm = gradient_norm(self.parameters)
        self._call("on_backward")
        clip_gradients(self.parameters, spec.clip, state.gradient_norm)
        self.optimizer.step()
        position.step += 1
        position.index += 1
        position.rows, position.tokens = state.rows, state.tokens
        self._keeper.after_step()
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
            losses = output_losses(self.wrapped(**batch.inputs), state.recipe, batch)
            loss = self._sum(losses) / count
            self.accelerator.backward(loss)
        state.losses = {name: each.detach() for name, each in losses.items()}
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
        with self._keeper.candidate():
            goes_on = self._keeper.judge(self.look(self.validation, "validation"))
        if not goes_on and self.position.best is None:
            raise self._nothing_to_stop_by()
        return goes_on

    def _nothing_to_stop_by(self) -> RecipeError:
        loaded, stopping = self._loaded, self.spec.early_stopping
        assert stopping is not None
        path = ("training", "early_stopping", "metric")
        looks = f"{self.position.waited} looks at {len(self.validation):,} validation rows"
        message = f"`{stopping.metric}` had no value in {looks}: there is nothing to stop by"
        help = "hold out more rows by `training.validation`, or stop by a loss"
        mark = loaded.mark(*path)
        return loaded.fail([Diagnostic("R214", message, mark, format_path(path), help=help)])

    def take_up(self) -> int:
        """Go on from the last checkpoint, if there is one; gives its step."""
        step, state = self._keeper.take_up(), self.state
        state.step, state.epoch = step, self.position.epoch
        state.rows, state.tokens = self.position.rows, self.position.tokens
        return step

    def _hears_of_interruption(self) -> bool:
        """Whether Ctrl-C has reached this process, or any: all of them end after the same step."""
        if self.accelerator.num_processes == 1:
            return self._interrupted
        if self._interrupted:
            self.accelerator.set_trigger()
        return bool(self.accelerator.check_trigger())

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
