"""A change to the text of a recipe, as a diagnostic or a report suggests it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Strict


class Change(BaseModel):
    """One edit.

    `insert` makes `yaml` a new item of a list, before the index that `path` ends in; `set` gives
    the value at `path` another value, or adds it to its mapping; `delete` removes it. `path` counts
    items as they are written in `file`, with presets unexpanded and before any other edit, so that
    what is inserted before an item that another edit deletes stays; `file` is relative to the
    recipe's folder; `yaml` is one line in flow style. `line` is that of the value as it stands, of
    the item that an insertion comes before, or of what a new key or a last item is added to; a new
    section has none.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    action: Literal["insert", "set", "delete"]
    file: str
    path: Annotated[tuple[str | int, ...], Strict(False)]
    yaml: str = ""
    line: int | None = None
