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
    "H010": Code(
        "loss before training",
        "Before training, the output's loss is not finite, or more than 1.5 times that of guessing "
        "and more than 0.5 above it. The first steps then go into unlearning what the head "
        "prefers by chance.",
        "Draw the output's head smaller: `{role: head, method: normal, std: 0.02}`, or `zeros`. If "
        "the loss is not finite, look for a standard deviation that grows the signal with depth.",
    ),
}
