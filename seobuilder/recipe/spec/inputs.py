"""Kinds of input: what a model is given."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from seobuilder.recipe.spec.base import Distinct, Items, RelativePath, Spec, Text, Width

TEXT_FORMS = ("unicode", "lowercase", "strip_accents", "collapse_spaces", "leading_space")
"""Keys of a tokens input that say how text is brought into one form."""


class TokensInput(Spec):
    """Text, cut into subword ids. Read as a sequence of at most `max_length` tokens."""

    kind: Literal["tokens"]
    vocab_size: int = Field(
        ge=2,
        le=2**24,
        description="rows of the embedding table, and the most the tokenizer learns, which stops "
        "where no pair of tokens occurs twice in the training rows",
    )
    max_length: int = Field(ge=1, le=2**20, description="longer texts are cut to this many tokens")
    tokenizer: RelativePath | None = Field(
        None, description="a tokenizer.json; without it one is trained on the recipe's data"
    )
    unicode: Literal["NFC", "NFKC"] = Field(
        "NFC",
        description="form of Unicode; NFKC also makes full-width letters, ligatures, ² and ½ plain",
    )
    lowercase: bool = Field(False, description="fold the text to lower case before it is cut")
    strip_accents: bool = Field(
        False,
        description="é becomes e, ü becomes u; it also takes vowel signs from scripts such as "
        "Devanagari and Thai",
    )
    collapse_spaces: bool = Field(
        False,
        description="runs of spaces and line breaks become one space, those at the ends none",
    )
    leading_space: bool = Field(
        False,
        description="a space is put before the text, so that its first word is the same token as "
        "it is elsewhere, which short texts gain by",
    )
    padding_id: int = Field(0, ge=0, description="the id that fills short rows and is masked out")

    @model_validator(mode="after")
    def _a_given_tokenizer_brings_its_own(self) -> TokensInput:
        for key in TEXT_FORMS if self.tokenizer is not None else ():
            if getattr(self, key) != type(self).model_fields[key].default:
                raise PydanticCustomError(
                    "combination",
                    "a given tokenizer brings its own; `{key}` is for one that is trained here",
                    {"key": key},
                )
        return self


class FeaturesInput(Spec):
    """A row of numbers."""

    kind: Literal["features"]
    size: Width = Field(description="how many numbers a row has")
    scale: Literal["standard", "log1p", "none"] = Field(
        "none",
        description="standard: subtract the mean and divide by the standard deviation of the "
        "training split; log1p: the same after sign(x) * log(1 + |x|)",
    )
    missing: Literal["error", "mean", "zero"] = Field(
        "error", description="what stands in for an empty cell"
    )


class CategoryInput(Spec):
    """One of a few known values, such as a device or a country. Id 0 is any other value."""

    kind: Literal["category"]
    values: Annotated[Items[Text], Distinct] = Field(
        min_length=1, max_length=100_000, description="their order gives ids from 1"
    )


class ImageInput(Spec):
    """A picture of a fixed size, as numbers from 0 to 1."""

    kind: Literal["image"]
    channels: int = Field(ge=1, le=1024, description="1 for grey, 3 for RGB, 4 for RGBA")
    height: int = Field(ge=1, le=16384, description="pixels")
    width: int = Field(ge=1, le=16384, description="pixels")


class EmbeddingInput(Spec):
    """A vector that was computed elsewhere."""

    kind: Literal["embedding"]
    size: Width = Field(description="how many numbers it has")


InputSpec = Annotated[
    TokensInput | FeaturesInput | CategoryInput | ImageInput | EmbeddingInput,
    Field(discriminator="kind"),
]
