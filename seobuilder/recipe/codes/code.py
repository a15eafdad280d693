"""What the table holds for each code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """The explanation of one code: a title, what it means, and how to mend it."""

    title: str
    meaning: str
    mend: str
