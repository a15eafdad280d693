"""What the report says of data that ran through the model."""

from __future__ import annotations

from seobuilder.report.record import Items, Number, Record


class SignalRecord(Record):
    """The signal behind one module, in evaluation mode, on the rows of the report's batch.

    `depth` counts the modules of the report from 0 in the order of their evaluation, `width` the
    units of a position. `variance` is that of all elements at real positions, `expected` what the
    plan predicts, and `low` to `high` the band that finite width and the batch leave.
    `gradient` is the root mean square, over elements, of the gradient of the summed loss with
    respect to this signal, or where heads of zeros leave none, of a fixed random sum of what they
    read, with a band likewise. `similarity` is the mean cosine of two positions
    of an example, or of two examples where there are no positions. `dead` is the share of units
    that are zero on all rows, `dead_expected` what the similarity of what comes in makes of it.
    """

    name: str
    kind: str
    depth: int
    width: int
    mean: Number
    variance: Number
    expected: Number = None
    low: Number = None
    high: Number = None
    gradient: Number = None
    gradient_expected: Number = None
    gradient_low: Number = None
    gradient_high: Number = None
    similarity: Number = None
    dead: Number = None
    dead_expected: Number = None


class AttentionRecord(Record):
    """The scores of one attention before the softmax, and the entropy after it, in nats.

    `uniform` is the entropy of equal weights on the keys that are seen.
    """

    name: str
    heads: int
    logit_std: Number
    logit_max: Number
    entropy: Number
    uniform: Number


class StepRecord(Record):
    """One parameter in the first steps of training.

    `gradient` is the norm of the first gradient. `update` is the norm of AdamW's first step by that
    of the weight, None for a weight of zeros. `wakes` is the first step, from 0, whose gradient is
    not zero; None if it is zero in all of them.
    """

    name: str
    gradient: Number
    update: Number
    wakes: int | None


class RehearsalRecord(Record):
    """How a few rows are learned by heart: the loss of one output by step of AdamW.

    `losses` holds the loss before each step, and after the last, and `chance` that of guessing. It
    ends early where all rows are known, or the loss is no longer finite.
    """

    name: str
    rows: int
    chance: Number
    losses: Items[Number]

    @property
    def lowest(self) -> float | None:
        """The best loss; None where none was finite."""
        return min((loss for loss in self.losses if loss is not None), default=None)

    @property
    def left(self) -> float | None:
        """The share of the loss of guessing that is left at best; None where it is unknown."""
        return None if self.lowest is None or not self.chance else self.lowest / self.chance


class CoordinateRecord(Record):
    """How far a signal moved in some steps of training, in a model of other widths.

    `factor` multiplies the recipe's widths, and `change` is the root mean square of the signal
    after `step` steps less that before them.
    """

    name: str
    factor: float
    step: int
    change: Number


class Probes(Record):
    """What data that ran through the model showed.

    `learning_rate` and `steps` are those of the first steps of training with AdamW; `losses` holds
    the summed loss before each step, and after the last.
    """

    signals: Items[SignalRecord]
    attention: Items[AttentionRecord]
    parameters: Items[StepRecord]
    learning_rate: float
    steps: int
    losses: Items[Number]
    coordinates: Items[CoordinateRecord] = ()
    rehearsal: Items[RehearsalRecord] = ()
