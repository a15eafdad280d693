"""A map of names: patterns over a model's names, and what each match reads in another file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from seobuilder.recipe.patterns import PatternError
from seobuilder.recipe.renaming import compile_renaming
from seobuilder.recipe.spec.base import PatternText


def _wildcards_agree(names: dict[str, str]) -> dict[str, str]:
    errors = []
    for pattern, target in names.items():
        try:
            compile_renaming(pattern, target)
        except PatternError as error:
            reason = PydanticCustomError(
                "located",
                "{reason}",
                {"reason": error.message, "offset": error.offset, "code": error.code},
            )
            errors.append(InitErrorDetails(type=reason, loc=(pattern,), input=target))
    if errors:
        raise ValidationError.from_exception_data("map", errors)
    return names


NameMap = Annotated[
    dict[PatternText, PatternText],
    Field(min_length=1, max_length=1000),
    AfterValidator(_wildcards_agree),
]
