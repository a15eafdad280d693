"""H020 and up: what data showed that ran through a built model."""

from __future__ import annotations

from seobuilder.recipe.codes.code import Code

PROBES: dict[str, Code] = {
    "H020": Code(
        "signal vanishes or explodes",
        "The variance of the signal behind the last block of a stack is more than 100 times that "
        "behind the first, or less than a hundredth (an error from 10,000 on), or a signal is not "
        "finite. The report shows it block by block, with the band that the plan predicts; where "
        "the plan predicts as much, the recipe alone makes it so, and the message says that. Where "
        "one block changes it more than all others together, that block is named. Of a module that "
        "no recipe made, at least four modules of one class are compared, from the second on, and "
        "only what is not finite is an error.",
        "Take a method that keeps the size of the signal: kaiming for relu, xavier for tanh and "
        "sigmoid, lecun_normal for selu, autoinit for any activation; or norms.",
    ),
    "H021": Code(
        "gradient vanishes or explodes",
        "The root mean square of the loss's gradient behind the first block of a stack is more "
        "than 10 times that behind the last, or less than a tenth (an error from 100 on), though "
        "the signal keeps its size. Of a module that no recipe made it is a warning, and the last "
        "module of a row is left out.",
        "As for H020. In a deep plain stack, orthogonal weights; in a transformer, `placement: "
        "pre`.",
    ),
    "H022": Code(
        "dead units",
        "Units of a ReLU are zero on all rows of the batch, a quarter of them more than the "
        "likeness of the rows explains. Depth makes rows alike, and a share of units dead on all "
        "of them: for width 512 and 256 rows 0, 10, 25 and 29 % at depths of 1, 10, 20 and 30. "
        "That is no finding.",
        'Draw the biases as zeros: `{match: "**.bias", method: zeros}`; or take leaky_relu or '
        "gelu.",
    ),
    "H023": Code(
        "attention is saturated",
        "The entropy of the attention weights is less than a quarter of that of equal weights (an "
        "error below 2 %). A softmax that has decided passes hardly any gradient to its scores.",
        'Draw queries and keys smaller: `{match: "**.{query,key}.weight", method: '
        "xavier_uniform}`; or set `qk_norm`.",
    ),
    "H024": Code(
        "tokens are alike",
        "Behind the last block, the mean cosine of two tokens of a text is above 0.95 (an error "
        "from 0.995 on), though the tokens that came in were told apart: rank collapse. Of a "
        "module that no recipe made, the rows behind the first and the last module of one class "
        "are compared, and it is a warning from 0.995 on.",
        "Let the skip path count for more: `residual: plain`, `placement: pre`, smaller "
        "`residual_out` weights, or `placement: deepnorm` with its preset.",
    ),
    "H025": Code(
        "no gradient",
        "A parameter that leads to a loss gets a gradient of exactly zero in each of the first "
        "steps of training. A head of zeros, Fixup and ReZero wake up after a step; this does not. "
        "Where weights among these are drawn as zeros, their place is named. Of a recurrent layer, "
        "the map of states is idle where a pool reads only the end at which a direction begins: "
        "`last` of what reads backwards, `first` of what reads forwards.",
        "Look behind it for a layer of zeros, or a layer whose units are all dead. Behind a "
        "recurrent layer let the pool read all positions: `method: mean`.",
    ),
    "H026": Code(
        "first step out of proportion",
        "AdamW's first step, at a rate of 0.0001, is larger than the weight that it changes, or "
        "less than a millionth of it.",
        "Draw the weight with a standard deviation between 0.0001 and 10, or as zeros.",
    ),
    "H027": Code(
        "signals move with width",
        "The recipe takes the preset mup, but in the first steps of training a signal moves more "
        "than three times as far at one width than at another, between half and twice the recipe's "
        "widths. `seobuild RECIPE --probe coordinates` looks for it.",
        "Look for a rule above the preset that draws a hidden weight or a head by another variance "
        "than 1 / fan_in, and for `attention_scale`.",
    ),
    "H028": Code(
        "weights of another size than keeps the signal",
        "A rule draws weights of a stack more than 4 times as large as lets a signal keep its size "
        "(xavier's std, or that of the activation's gain), or less than a fiftieth; where nothing "
        "but activations stands between the layers, less than a fifth. The ends of branches that "
        "are added to a skip path without a norm must be smaller with the depth; a head may be 2.5 "
        "times 1 / sqrt(fan_in). It is told from "
        "the recipe alone, for each rule, and also where norms hide it from the signal: the "
        "gradient of a weight behind a norm shrinks as the weight grows. Zeros are told where they "
        "fill some blocks of a stack and not the others.",
        "Take a method that follows fan_in, with the gain of the activation; in a transformer "
        'without norms, `{role: residual_out, method: xavier_normal, gain: "1 / sqrt(2 * '
        'depth)"}`.',
    ),
    "H029": Code(
        "a few rows can't be learned by heart",
        "20 steps of AdamW on 16 rows of the recipe's data leave more than half of the loss of "
        "guessing, at the best of them; an error where 95 % are left. A sound model of any size "
        "knows so few rows by heart by then; one that does not is too deep for want of skip paths, "
        "or its signal or its gradient is lost on the way. No two of the rows have the same "
        "inputs. Told of classifications whose head has no spectral norm, in models of up to some "
        "hundred million operations for an example. The learning rate is 0.008 for "
        "matrices of up to 32 inputs, and falls with more (Yang et al. 2022, arXiv:2203.03466); "
        "the model stays as it was.",
        "Mend what else is found in front of the output. In a stack of many blocks say `residual: "
        "plain`, with norms; look at the weights of whatever comes before the output.",
    ),
}
