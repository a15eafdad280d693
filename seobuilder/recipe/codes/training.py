"""T: training that went wrong, or looked odd."""

from __future__ import annotations

from seobuilder.recipe.codes.code import Code

TRAINING: dict[str, Code] = {
    "T000": Code(
        "a callback stopped the run",
        "A callback of one's own has ended the training; the message is its own.",
        "The message says why. `--resume` goes on from the last checkpoint.",
    ),
    "T001": Code(
        "loss is not finite",
        "The loss of a step is NaN or infinite. The run ends before the step is taken, so that its "
        "weights stay good. The place is the first that is not finite: a weight, an input, a "
        "module's output, or else a parameter's gradient. Steps that the scaler of float16 skips "
        "are no fault, unless 40 follow each other.",
        "Mend the row of the data that is named; or go on from the checkpoint with a tenth of the "
        "rate: `--resume --set training.optimizer.learning_rate=0.0001`.",
    ),
    "T002": Code(
        "gradient is not finite",
        "As T001, with a loss that is still finite.",
        "Clip the gradient: `--resume --set training.clip.norm=1`; or lower the rate.",
    ),
    "T003": Code(
        "gradient explodes",
        "For 10 steps in a row the norm of the whole gradient, before it is clipped, was more than "
        "1,000 times the median of the last 100 steps, and more than 10 times that of the first "
        "step. The parameter is the one with the largest gradient. While that goes on no "
        "checkpoint is written.",
        "Go on from the checkpoint with a lower rate, a longer warm-up or a smaller clip: "
        "`--resume --set training.optimizer.learning_rate=0.0001`.",
    ),
    "T004": Code(
        "loss diverges",
        "For 10 steps in a row the loss was more than 10 times that of the first step, which is "
        "that of the untrained model.",
        "As for T003.",
    ),
    "T005": Code(
        "all gradients have vanished",
        "For 10 steps in a row the norm of the whole gradient was less than 1e-9, although the "
        "loss was more than a twentieth of that of the first step: nothing is learned any more.",
        "Look for a layer that is dead or saturated, draw its weights smaller, or add norms.",
    ),
    "T006": Code(
        "gradient of a parameter has vanished",
        "In half of what was measured, the norm of a weight's gradient was less than a "
        "ten-millionth of the largest one: the layer hardly learns. The run goes on.",
        "Take an activation that does not saturate, an initialization that keeps the size of "
        "signals, or norms.",
    ),
    "T007": Code(
        "steps out of proportion",
        "Half of the steps that were measured were larger than 0.3 of the weight that they "
        "changed, by their norms; about 0.001 is usual.",
        "Lower the learning rate, or draw the weight with a larger standard deviation.",
    ),
    "T008": Code(
        "units died in training",
        "At the end more than 90 % of the units behind the ReLU of a block were zero on all rows "
        "of the batch.",
        "Lower the learning rate, or take leaky_relu or gelu.",
    ),
    "T009": Code(
        "attention froze in training",
        "At the end the entropy of the attention weights was less than 2 % of that of equal "
        "weights.",
        "Lower the learning rate, or set `qk_norm: true`.",
    ),
}
