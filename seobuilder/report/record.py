"""The base of every document that is written as JSON."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    Strict,
    model_validator,
)

T = TypeVar("T")


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


# JSON has no NaN and no infinity: a number that is neither known nor finite is null.
Number = Annotated[float | None, BeforeValidator(_finite_or_none)]

# JSON gives lists; records hold tuples, so that they can't change after they were made.
Items = Annotated[tuple[T, ...], Strict(False)]
Pair = Annotated[tuple[T, T], Strict(False)]


class Record(BaseModel):
    """A frozen, strict mapping that refuses keys it doesn't know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Document(Record):
    """A record that is read back from JSON.

    Values that follow from the others (computed fields) are written for the readers of the JSON.
    On reading they are computed again, and a document whose own value disagrees is refused.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _derived_values_agree(cls, data: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        if not isinstance(data, dict):
            return handler(data)
        derived = cls.model_computed_fields.keys() & data.keys()
        document = handler({key: value for key, value in data.items() if key not in derived})
        for name in sorted(derived):
            if data[name] != getattr(document, name):
                raise ValueError(f"`{name}` does not agree with the rest of the document")
        return document
