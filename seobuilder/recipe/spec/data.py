"""The data section: files, their split, and which column feeds which input or output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from seobuilder.recipe.spec.base import OneOrMany, Reference, RelativePath, Spec

RANGE = re.compile(r"<([0-9]{1,5})-([0-9]{1,5})>")


def _check_range(text: str) -> str:
    found = RANGE.search(text)
    if found and int(found[1]) > int(found[2]):
        raise PydanticCustomError(
            "located",
            "the range {range} is empty",
            {"range": f"`{found[0]}`", "offset": found.start(), "code": "R030"},
        )
    return text


Column = Annotated[str, Field(min_length=1, max_length=500)]
Columns = Annotated[Column, AfterValidator(_check_range)]


def _written_out(text: str) -> Iterator[str]:
    """The columns that one text names; a range that begins with 0 keeps its number of digits."""
    found = RANGE.search(text)
    if found is None:
        yield text
        return
    width = len(found[1]) if found[1].startswith("0") else 0
    for number in range(int(found[1]), int(found[2]) + 1):
        yield f"{text[: found.start()]}{number:0{width}}{text[found.end() :]}"


class ShareSplit(Spec):
    """A share of the rows is held out for testing."""

    test: float = Field(gt=0.0, lt=1.0, description="share of the rows that is held out")


class FileSplit(Spec):
    """Training and test rows stand in files of their own."""

    train: RelativePath = Field(description="file of the training rows")
    test: RelativePath = Field(description="file of the test rows")


def _split_tag(value: Any) -> str:
    files = "train" in value if isinstance(value, dict) else isinstance(value, FileSplit)
    return "files" if files else "share"


Split = Annotated[
    Annotated[ShareSplit, Tag("share")] | Annotated[FileSplit, Tag("files")],
    Discriminator(_split_tag),
]


class Streaming(Spec):
    """Training rows are read as they come, a block at a time."""

    rows: Annotated[int, Field(ge=2, le=10**9)] = Field(
        16_384, description="of a block; rows are mixed within it"
    )


def _switch(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else None
    return value


class DataSpec(Spec):
    """CSV, JSON lines or Parquet, read relative to the recipe."""

    files: OneOrMany[RelativePath] | None = Field(
        None, description="one file or several, read in this order"
    )
    split: Split | None = Field(None, description="which rows are held out; without it, none")
    columns: dict[Reference, OneOrMany[Columns]] = Field(
        description="input or output: the column, or columns, that feed it; "
        "`feature_<1-300>` is `feature_1` to `feature_300`"
    )
    group: Column | None = Field(
        None, description="rows with the same value here are ranked together, and split together"
    )
    streaming: Annotated[
        Streaming | None,
        BeforeValidator(_switch, json_schema_input_type=Streaming | bool | None),
    ] = Field(
        None,
        description="read the training rows as they come, so that memory does not grow with the "
        "files; true: in blocks of the usual size",
    )

    @model_validator(mode="after")
    def _files_are_named_once(self) -> DataSpec:
        if isinstance(self.split, FileSplit) == (self.files is not None):
            raise PydanticCustomError(
                "combination", "name the files in `files`, or in `split`", {"key": "split"}
            )
        return self

    @model_validator(mode="after")
    def _no_share_of_a_stream(self) -> DataSpec:
        if self.streaming is not None and isinstance(self.split, ShareSplit):
            message = (
                "no share of a stream can be held out, for it is never there as a whole: name two "
                "files, `split: {train: FILE, test: FILE}`, or hold nothing out"
            )
            raise PydanticCustomError("combination", message, {"key": "streaming"})
        return self

    def columns_of(self, name: str) -> tuple[str, ...]:
        """Columns that feed an input or output, none if none is named; ranges are written out."""
        named = self.columns.get(name, ())
        named = (named,) if isinstance(named, str) else named
        return tuple(column for text in named for column in _written_out(text))

    @property
    def all_files(self) -> tuple[str, ...]:
        """Every file, those with test rows last."""
        test = (self.split.test,) if isinstance(self.split, FileSplit) else ()
        return (*self.train_files, *test)

    @property
    def train_files(self) -> tuple[str, ...]:
        """Files with training rows."""
        if isinstance(self.split, FileSplit):
            return (self.split.train,)
        return (self.files,) if isinstance(self.files, str) else self.files or ()
