"""Large tables on disk, memory-mapped through `datasets`.

A table is written once, under a name that is the hash of what it was made from, into the folder
that `HF_DATASETS_CACHE` names. It is complete or absent, so that several processes may read and
write at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from seobuilder.errors import EnvironmentProblem


def memory_mapped(key: str, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """The table of the `batches`, on disk; they are not asked for where `key` is there already.

    Whatever the batches raise leaves nothing behind.

    Raises:
        EnvironmentProblem: the disk refuses.
    """
    # It takes a second to import, and most files are small.
    from datasets import Dataset, config

    folder = Path(config.HF_DATASETS_CACHE) / "seobuilder"
    file = folder / f"{key}.arrow"
    try:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _write(file, key, batches)
        return Dataset.from_file(str(file)).data.table
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder}: {error.strerror or error}; HF_DATASETS_CACHE may name another folder"
        ) from None


def _write(file: Path, key: str, batches: Iterable[pa.RecordBatch]) -> None:
    from datasets.arrow_writer import ArrowWriter

    with TemporaryDirectory(dir=file.parent) as folder:
        draft = Path(folder) / file.name
        with draft.open("wb") as stream:
            writer = ArrowWriter(stream=stream, fingerprint=key)
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch]), batch.num_rows)
            writer.finalize(close_stream=False)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, file)
