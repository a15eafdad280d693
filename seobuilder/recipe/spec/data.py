"""The data section: files, their split, and which column feeds which input or output."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from seobuilder.recipe.spec.base import OneOrMany, Reference, RelativePath, Spec

Column = Annotated[str, Field(min_length=1, max_length=500)]


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


class DataSpec(Spec):
    """CSV or JSON lines, read relative to the recipe."""

    files: OneOrMany[RelativePath] | None = Field(
        None, description="one file or several, read in this order"
    )
    split: Split | None = Field(None, description="which rows are held out; without it, none")
    columns: dict[Reference, OneOrMany[Column]] = Field(
        description="input or output: the column, or columns, that feed it"
    )
    group: Column | None = Field(
        None, description="rows with the same value here are ranked together, and split together"
    )

    @model_validator(mode="after")
    def _files_are_named_once(self) -> DataSpec:
        if isinstance(self.split, FileSplit) == (self.files is not None):
            raise PydanticCustomError(
                "combination", "name the files in `files`, or in `split`", {"key": "split"}
            )
        return self

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
