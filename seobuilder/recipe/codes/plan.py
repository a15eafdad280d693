"""P: the plan, where shapes are worked out and rules meet parameters."""

from __future__ import annotations

from seobuilder.recipe.codes.code import Code

PLAN: dict[str, Code] = {
    "P101": Code(
        "does not fit",
        "What flows into a module or an output is not what it takes: a value of another kind or "
        "width, or of a size that its settings do not divide. A module that is shared by `same_as` "
        "takes what its owner takes.",
        "Put the module between that the message names, or change the size or the setting.",
    ),
    "P103": Code(
        "padding id beyond the vocabulary",
        "The id that fills short rows is not below `vocab_size`, so that the embedding table has "
        "no row for it.",
        "Raise `vocab_size`, or correct `padding_id`. If `tokenizer.json` states the id, "
        "`vocab_size` is smaller than the tokenizer needs.",
    ),
    "P201": Code(
        "undecided parameter",
        "No rule under `initialization` matches the parameter. There is no default: every weight "
        "is drawn by a rule that the recipe states.",
        "Add a rule, such as the one that the message suggests, or let a last rule decide the "
        'rest: `{match: "**.weight", method: xavier_uniform}`. `{match: "**", method: keep}` '
        "keeps what PyTorch's layers set themselves.",
    ),
    "P202": Code(
        "rule without effect",
        "The rule matches nothing that the model has. Often the pattern is misspelt, or lacks a "
        "part: a pattern matches a whole name, from its first segment to its last.",
        "Correct the pattern; `seobuild plan RECIPE --all` lists all names. Write `**.bias` for "
        "every bias. If the rule may decide nothing, say `optional: true`.",
    ),
    "P203": Code(
        "rule comes too late",
        "The rule matches something, but earlier rules decide all of it: the first match counts. "
        "A preset may have rules that decide nothing, but not nothing else.",
        "Move the rule above the ones that the message names, narrow those, or delete it.",
    ),
    "P204": Code(
        "rule stated twice",
        "An earlier rule has exactly the same conditions, so that this one can decide nothing.",
        "Delete one of the two.",
    ),
    "P205": Code(
        "other count than expected",
        "The rule says with `expect` how many parameters or blocks it decides, and decides "
        "another number. Those that earlier rules decide do not count.",
        "Correct the pattern or the order of the rules, or the number.",
    ),
    "P206": Code(
        "rule for a tied name",
        "The rule matches only names on the left of `ties`. Such a parameter is drawn under its "
        "owner's name, and no rule sees the other.",
        "Let the rule match the owner, on the right of `ties`.",
    ),
    "P207": Code(
        "method does not suit",
        "The method can't draw a parameter of this shape or layer, or not with these arguments: an "
        "orthogonal matrix needs two axes, `dirac` a convolution, `per: head` the heads of an "
        "attention.",
        "Draw this parameter by a rule of its own, above this one, or narrow this one with `type`, "
        "`role` or `exclude`.",
    ),
    "P208": Code(
        "number that can't be drawn with",
        "For a parameter that the rule decides, a formula for a standard deviation, a gain, a "
        "scale or a bound gives zero or less, or the numbers of the rule are so large that "
        "weights would overflow. Only the standard deviation of `normal` may be zero.",
        "Change the formula; `max(1e-6, ...)` keeps it above zero. `method: zeros` says that "
        "weights are zero.",
    ),
    "P209": Code(
        "unusable tie",
        "A side of the tie names no parameter, the two have different shapes, or the owner is tied "
        "to a third itself.",
        "Write `alias: owner` with two full names of parameters of one shape, as `seobuild plan "
        "RECIPE --all` lists them; tie all aliases to the same owner.",
    ),
    "P211": Code(
        "preset for another model",
        "The preset holds for a certain architecture, and this model has another: deepnorm goes "
        "with its placement, rezero with its residual gates, t_fixup with blocks that have no "
        "norm, mup with `base_width`.",
        "Change the module or the norms as the message says, or use another preset.",
    ),
    "P212": Code(
        "no signal to preserve",
        "`autoinit` sets a weight by the signal that its layer gets. Here that is zero, because an "
        "earlier layer gives zeros; or too large for a number; or unknown, because an earlier "
        "weight is loaded from a file and no norm stands between.",
        "Draw this weight by another method, or put a norm before its layer.",
    ),
    "P301": Code(
        "placement does not exist here",
        "Transformer blocks have the placements `pre`, `post`, `sandwich`, `peri`, `output` and "
        "`deepnorm`. The blocks of an mlp or conv have `before_activation` and "
        "`after_activation`, recurrent layers only the latter. `embedding` and `final` are for "
        "transformers.",
        "Take a placement that the message lists, or exclude these blocks from the rule.",
    ),
    "P302": Code(
        "nothing to take statistics over",
        "The norm takes its statistics over a single value, so that what it gives would no longer "
        "depend on what comes in: `instance_norm` over the positions of one example, of which a "
        "vector has one, and an image that was halved down to a single pixel; `group_norm` over a "
        "group of one channel; `layer_norm` and `rms_norm` over a single channel.",
        "Use `layer_norm`, `rms_norm` or `batch_norm` for blocks of vectors, fewer groups, or more "
        "channels.",
    ),
    "P303": Code(
        "groups do not divide",
        "`group_norm` needs a number of groups that divides the number of channels.",
        "Change `num_groups` or the width.",
    ),
    "P304": Code(
        "vector under weight or spectral norm",
        "Weight norm and spectral norm split a matrix into its size and its direction; the "
        "pattern also matches a bias or the scale of a norm.",
        "Let the pattern end in `.weight`, and exclude norms.",
    ),
    "P305": Code(
        "tied parameter under weight or spectral norm",
        "The parameter is tied to another. A reparametrization replaces the tensor, which would "
        "tear the tie.",
        "Exclude it from the rule, or delete the tie.",
    ),
    "P401": Code(
        "too many parameters",
        "The model would have more than a million million parameters, which no machine holds. "
        "Mostly a number has a few digits too many.",
        "Correct the size of the module that the message names.",
    ),
    "P402": Code(
        "too many blocks",
        "The model would have more than 20,000 blocks, each use of a shared module counted. Mostly "
        "a number has a few digits too many.",
        "Correct `depth`, or shorten the list of `widths` or `channels`.",
    ),
    "P501": Code(
        "gain of another activation",
        "The rule multiplies weights by the gain of the `nonlinearity` that it names, but another "
        "activation follows the layer in this model. A warning: the weights are drawn as stated.",
        "Say `nonlinearity: auto`, which takes the activation that follows each layer, or narrow "
        "the rule to layers that its nonlinearity follows.",
    ),
    "P502": Code(
        "variance that ReLUs do not keep",
        "Four or more ReLUs follow each other with no norm between, and the weights before them "
        "let the variance of the signal shrink or grow tenfold or more over the stack. A ReLU "
        "halves the second moment, which Kaiming's variance of 2 / fan_in makes good; Xavier's, "
        "meant for tanh and sigmoid, does not (He et al. 2015, arXiv:1502.01852, section 2.2). A "
        "warning: the weights are drawn as stated.",
        "Draw them by `kaiming_normal` or `kaiming_uniform` with `nonlinearity: auto`, by "
        "`autoinit`, or put norms between.",
    ),
    "P503": Code(
        "deep stack of independent weights",
        "Eight or more layers follow each other with no norm and no skip path between, and their "
        "weights are drawn one by one. The logarithm of the gradient's size then varies from draw "
        "to draw with the sum of the inverse widths, here 0.2 or more (Hanin 2018, "
        "arXiv:1801.03744), and with more layers the singular values of their product lie further "
        "apart (Saxe et al. 2014, arXiv:1312.6120). A warning: the weights are drawn as stated.",
        'Draw them by `orthogonal`, with `gain: "sqrt(2)"` before ReLUs, put norms between, or '
        "make the layers wider.",
    ),
    "P504": Code(
        "recurrence by independent weights",
        "The state of a recurrent layer without gates (`cell: rnn`) is multiplied by the same "
        "matrix at each step. Of independent weights, all but a few directions of the state "
        "vanish or explode within some steps (Saxe et al. 2014, arXiv:1312.6120; Vorontsov et al. "
        "2017, arXiv:1702.00071). A warning: the weights are drawn as stated.",
        "Put `{role: recurrent_hidden, method: orthogonal}` above the rule, or take `gru` or "
        "`lstm`.",
    ),
    "P505": Code(
        "deep stack without skip paths",
        "Nine or more blocks, or seven recurrent layers, follow each other, and none adds what it "
        "gets to what it makes. Even with norms, and with weights that keep the signal's size, "
        "such a stack makes different inputs alike with each block, and learns more slowly the "
        "deeper it is (He et al. 2016, arXiv:1512.03385, section 4.1; Schoenholz et al. 2017, "
        "arXiv:1611.01232; of recurrent layers Wu et al. 2016, arXiv:1609.08144, section 3.1). "
        "[evidence.md](evidence.md) shows how such recipes train. A warning: the model is built as "
        "stated.",
        "Say `residual: plain`, with norms in the blocks, or take fewer blocks.",
    ),
    "P506": Code(
        "pool that reads one token",
        "A pool reads the first or the last position alone, and what it pools has seen no other "
        "token there: at the first, a transformer with `causal: true`, or recurrent layers that "
        "read forwards; of layers that read both ways, half. A warning: the model is built as "
        "stated.",
        "Say `method: last` where the text is read forwards, or `mean`, `max` or `attention`, "
        "which read all positions.",
    ),
    "P510": Code(
        "skip path that is not there",
        "DeepNorm multiplies the skip path of each block by alpha, (2 * depth) ** 0.25. With "
        "`residual: none` there is no skip path, so that the placement can't be meant.",
        "Say `residual: plain`, or take another placement, such as `post`.",
    ),
    "P511": Code(
        "stack without its final norm",
        "With the norms of this placement only the inputs or outputs of the branches are "
        "normalized. The sum of the branches grows with every block, and what reads the stack gets "
        "it as it is. A warning: the model is built as stated.",
        "Delete `final: false`, for `auto` adds the norm; or let the next module begin with one.",
    ),
    "P512": Code(
        "two norms in a row",
        "A norm gets what another norm gives, with nothing between that could change mean or "
        "variance but a learned scale and shift, which add nothing to those of the second. A "
        "warning: the model is built as stated.",
        "Leave one of the two out: `final: false` for the stack before, `embedding: false` for the "
        "one after, or `method: none` for a block.",
    ),
    "P513": Code(
        "branch from zero beside a norm",
        "Fixup (Zhang et al. 2019) and ReZero (Bachlechner et al. 2020) let every residual branch "
        "begin at zero, so that signals keep their size without a norm. The block has both. After "
        "the sum a norm undoes the identity that they want, and on a branch of zeros it divides by "
        "the root of its eps. Before a branch it is not needed beside Fixup's scale by depth or "
        "ReZero's factors; zeros for the last layer alone, under `pre`, are a choice of their own "
        "(Goyal et al. 2017) and are not told. A warning: the model is built as stated.",
        "Take the norms away with `method: none`, or draw the last layer or the factor of each "
        "branch by another method.",
    ),
    "P514": Code(
        "deepnorm without its beta",
        "DeepNorm (Wang et al. 2022) has two halves: alpha on the skip path, which comes with the "
        "placement, and weights of values, attention outputs and feed-forward layers that are "
        "(8 * depth) ** -0.25 times Xavier's. These weights have another standard deviation, by "
        "more than a quarter, so that the bound on each step of training does not hold. A "
        "warning: the weights are drawn as stated.",
        "Write `- {preset: deepnorm}` under `initialization`, above the rules that draw these "
        "weights now.",
    ),
    "P515": Code(
        "depth scaling undone by a norm",
        "Weights that write to the residual stream are scaled by the depth, so that the sum of all "
        "branches keeps its size. A norm on the output of a branch divides this factor out again, "
        "and a norm on the sum keeps the size by itself, whatever the depth. A warning: the "
        "weights are drawn as stated.",
        "Draw `residual_out` without `depth`, or take placement `pre`, for which the factor is "
        "meant.",
    ),
    "P516": Code(
        "batch norm on tokens",
        "Batch norm is the first norm after a `token_embedding`. Its statistics are those of the "
        "words that a batch happens to hold, a few frequent ones above all, and differ from batch "
        "to batch and from training to use. A warning: the model is built as stated.",
        "Take `layer_norm` or `rms_norm`, which see each position by itself, or none.",
    ),
    "P517": Code(
        "dropout before batch norm",
        "Dropout makes values vary more in training than in evaluation. A batch norm behind it "
        "keeps the variance that it saw in training, and divides by the wrong one afterwards (Li "
        "et al. 2018, arXiv:1801.05134). A warning: the model is built as stated.",
        "Leave out the dropout before the last batch norm, or take `layer_norm`.",
    ),
    "P518": Code(
        "gain under spectral norm",
        "Spectral norm divides a weight by its largest singular value. A gain of an orthogonal "
        "weight, or a scale by the depth, is divided away with it. A warning: the weight that the "
        "model uses has a largest singular value of 1.",
        "Delete the factor, or exclude the weight from spectral norm.",
    ),
    "P519": Code(
        "zeros under weight or spectral norm",
        "Weight norm and spectral norm divide a weight by its norm, and the rule that decides the "
        "weight draws zeros.",
        "Draw the weight by another method, or exclude it from the norm.",
    ),
    "P520": Code(
        "batch norm with a batch of one",
        "Batch norm takes its statistics over the rows of a batch. Of a vector, or of an image "
        "that was halved down to a single pixel, a batch of one row has a single value for each "
        "channel, which is its own mean and has no variance, so that training can't begin.",
        "Take `layer_norm` or `rms_norm`, which see each row by itself, or give two training rows "
        "or more.",
    ),
    "P601": Code(
        "file is not there",
        "Weights or a tokenizer that the recipe names are neither in its folder nor given by the "
        "caller. To check or plan a recipe this is a warning, for all names and shapes are decided "
        "without them; a build needs them. A file of the recipe's folder may not be a link that "
        "leads out of it.",
        "Give the file: `--file NAME=PATH`, with the recipe's own name for it; in Python "
        "`seobuilder.build(recipe, files={NAME: PATH})`.",
    ),
    "P602": Code(
        "no safetensors file",
        "The file is not a whole safetensors file: its header is no JSON or too long, a tensor has "
        "an unknown dtype or other bytes than its shape needs, tensors overlap or leave gaps, or "
        "the file ends too early. Nothing but the header was read.",
        "Fetch the file again, or convert it with `safetensors.torch.save_file`.",
    ),
    "P603": Code(
        "no such tensor",
        "The file has no tensor of the name that the rule's `map` gives for a parameter, or, "
        "without a map, of the parameter's own name.",
        "Correct the entry of the map; `seobuild plan RECIPE --all` lists what each parameter is "
        "loaded from.",
    ),
    "P604": Code(
        "tensor of another shape",
        "The tensor in the file has another shape than the parameter, or a dtype that is none for "
        "weights. Tensors are copied as they are, never cut, turned or stretched.",
        "Correct the size in the recipe, the `map`, or take another file.",
    ),
    "P605": Code(
        "parameter outside of the map",
        "The rule decides the parameter, and no entry of its `map` matches the parameter's name.",
        "Add an entry, or narrow the rule and draw the parameter by a rule below it.",
    ),
    "P606": Code(
        "entry without effect",
        "An entry of `map` covers no parameter that the rule decides, or an entry of `unused` "
        "matches no tensor that is left over.",
        "Correct the entry, move it above the one that takes its names, or delete it.",
    ),
    "P607": Code(
        "tensors left over",
        "The file holds tensors that no rule takes. Often that is right, as for a head that the "
        "model does not have; it may also be a part of the model that the recipe forgot.",
        "Name them under `unused` if they are left out on purpose, or map them.",
    ),
    "P901": Code(
        "division by zero",
        "Weight norm or spectral norm divides a weight by its norm, and the rule draws a weight "
        "whose norm is zero, such as a row without connections, or infinite. This shows once it "
        "is drawn.",
        "Draw this weight by another method than zeros and with numbers of a usual size, or "
        "exclude it from the norm.",
    ),
}
