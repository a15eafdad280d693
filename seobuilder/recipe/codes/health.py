"""H: what measuring a built model found."""

from __future__ import annotations

from seobuilder.recipe.codes.code import Code

HEALTH: dict[str, Code] = {
    "H001": Code(
        "NaN",
        "Elements of the parameter are not numbers.",
        "Choose a smaller standard deviation, or a wider dtype. If the model was changed after it "
        "was built, look there.",
    ),
    "H002": Code(
        "infinite",
        "Elements of the parameter are infinite: what was drawn is beyond the dtype's largest "
        "number, 65,504 for float16.",
        "Choose a smaller standard deviation or value, or bfloat16 or float32 as `dtype`.",
    ),
    "H003": Code(
        "unintended constant",
        "All elements are equal though the rule declares that they differ. Units with equal "
        "weights stay equal in training.",
        "Choose a larger standard deviation: below the dtype's smallest number it rounds to zero. "
        "If equal elements are meant, say so with `zeros`, `ones` or `constant`.",
    ),
    "H004": Code(
        "duplicate",
        "Two parameters of one shape hold the same values, which random draws do not.",
        "Use `ties` or `same_as` if they are meant to be one parameter. Otherwise one was copied "
        "over the other after the build.",
    ),
    "H005": Code(
        "other standard deviation than declared",
        "The measured standard deviation lies further from the declared one than sampling "
        "explains. The test knows the number of elements, and allows for the number of tests in "
        "the report; for orthogonal matrices, whose squares sum up exactly, the tolerance is "
        "fixed.",
        "For a model fresh from its recipe this is a bug of ours. Otherwise the tensor was trained "
        "or changed after it was drawn.",
    ),
    "H006": Code(
        "other mean than declared",
        "The measured mean lies further from the declared one than sampling explains.",
        "For a model fresh from its recipe this is a bug of ours. Otherwise the tensor was trained "
        "or changed after it was drawn.",
    ),
    "H007": Code(
        "other shape than declared",
        "The elements are not spread as the declared distribution says: one lies outside of its "
        "ends, or the shares of elements below each value differ from the declared ones by more "
        "than chance explains (Kolmogorov and Smirnov's distance, with Massart's bound).",
        "For a model fresh from its recipe this is a bug of ours. Otherwise the tensor was trained "
        "or changed after it was drawn: a normal where a truncated normal was declared looks so.",
    ),
    "H008": Code(
        "not orthogonal",
        "The matrix is declared orthogonal, but its product with itself is not the identity times "
        "the square of the gain: a singular value differs from the gain by more than rounding "
        "does. Gates, heads and groups that were drawn by themselves are looked at by themselves.",
        "For a model fresh from its recipe this is a bug of ours. Otherwise the tensor was trained "
        "or changed after it was drawn.",
    ),
    "H009": Code(
        "dead rows",
        "All weights of an output are zero though the rule does not declare zeros. The unit gives "
        "its bias whatever comes in.",
        "For `sparse`, `dead_rows: allow` says that they are meant. Otherwise choose a larger "
        "standard deviation or a wider dtype, or look for what zeroed them after the build.",
    ),
    "H010": Code(
        "loss before training",
        "Before training, the output's loss is not finite, or more than 1.5 times that of guessing "
        "and more than 0.5 above it. The first steps then go into unlearning what the head "
        "prefers by chance.",
        "Draw the output's head smaller: `{role: head, method: normal, std: 0.02}`, or `zeros`; of "
        "an embedding, choose a larger `temperature` or `width`. If the loss is not finite, look "
        "for a standard deviation that grows the signal with depth.",
    ),
    "H011": Code(
        "singular value beyond the edges",
        "The largest or the smallest singular value lies outside of what independent elements of "
        "the declared standard deviation have (Marchenko and Pastur's edges) by more than chance "
        "explains: rows or columns depend on each other.",
        "For a model fresh from its recipe this is a bug of ours. Otherwise the tensor was trained "
        "or changed after it was drawn: a block that was copied within it looks so.",
    ),
    "H012": Code(
        "other sparsity than declared",
        "The weight has more or fewer zeros than its rule declares. For `sparse`, every column has "
        "the same declared number of weights that are not zero.",
        "For a model fresh from its recipe this is a bug of ours. Otherwise the tensor was pruned, "
        "trained or changed after it was drawn.",
    ),
    "H013": Code(
        "stale spectral norm",
        "Spectral norm divides a weight by u' W v, with singular vectors u and v that are stored "
        "beside it. They are not those of the weight: the largest singular value of the quotient "
        "is off 1 by more than 1 %.",
        "Load the vectors together with the weight, or run forward passes in training mode, each "
        "of which improves them.",
    ),
}
