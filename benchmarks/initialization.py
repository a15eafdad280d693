"""How long drawing weights takes, against PyTorch's and others' own initializers.

    python benchmarks/initialization.py [--runs 7] [--peers FOLDER] [--write] [ROW ...]

One process, the same shapes, dtype and threads on both sides. Runs of the two are interleaved, so
that a busy moment of the machine hits both; each time is a median. The ratio says how many times
faster seobuilder is. `--peers` names a folder with packages to compare with, such as one made by
`pip install --target FOLDER --no-deps timm transformers`; a row without its peer is left out with a
note. `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from measure import DOCS, machine_and_runs, medians, shown, write_table
from torch import Tensor, nn

from seobuilder.building.compile import compile_plan
from seobuilder.init.draw import fill_, fill_jobs
from seobuilder.init.initialize import initialize
from seobuilder.init.threads import run
from seobuilder.planning.distributions import (
    Distribution,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.load import parse_recipe

PAGE = DOCS / "performance.md"

BERT_LAYER = [(768, 768)] * 4 + [(3072, 768), (768, 3072)]
BERT = b"""\
version: 1
name: bert_base
inputs:
  text: {kind: tokens, vocab_size: 30522, max_length: 512}
modules:
  words: {kind: token_embedding, from: text, width: 768, positions: learned}
  encoder:
    kind: transformer
    from: words
    depth: 12
    heads: 12
    ffn: {kind: mlp, width: 3072, activation: gelu}
  summary: {kind: pool, from: encoder, method: first}
outputs:
  label: {kind: classification, from: summary, labels: 2}
normalization:
  - {match: "encoder.**", method: layer_norm, placement: post}
initialization:
  - {preset: bert}
"""


@dataclass(frozen=True)
class Row:
    """A comparison: what is drawn, by whom, and the ratio that we want to reach."""

    name: str
    peer: str
    wanted: float
    prepare: Callable[[], tuple[Callable[[], object], Callable[[], object]]]
    """Makes the two things to time: seobuilder's, and the peer's."""


def one_weight(
    shape: tuple[int, ...], distribution: Distribution, peer: Callable[[Tensor], object]
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Both fill the same memory."""
    tensor = torch.zeros(shape)
    return partial(fill_, tensor, distribution, name="a.weight", seed=0), partial(peer, tensor)


def orthogonal_bert() -> tuple[Callable[[], object], Callable[[], object]]:
    """Every weight matrix of BERT-base's encoder."""
    weights = [torch.zeros(shape) for _ in range(12) for shape in BERT_LAYER]

    def ours() -> None:
        jobs = [fill_jobs(w, Orthogonal(), name=str(i), seed=0) for i, w in enumerate(weights)]
        run(job for some in jobs for job in some)

    def theirs() -> None:
        for weight in weights:
            nn.init.orthogonal_(weight)

    return ours, theirs


def bert_model() -> tuple[Callable[[], object], Callable[[], object]]:
    """A whole BERT-base, from its description to drawn weights."""
    transformers: Any = import_module("transformers")
    plan = make_plan(parse_recipe(BERT, "bert_base.yaml", Path()))
    config = transformers.BertConfig()

    def ours() -> nn.Module:
        model = compile_plan(plan)
        initialize(model, plan)
        return model

    return ours, partial(transformers.BertModel, config)


def truncated_against_timm() -> tuple[Callable[[], object], Callable[[], object]]:
    """The same as PyTorch's, in the package that many vision models take it from.

    Its module is loaded by itself: it needs torch alone, and the package needs torchvision too.
    """
    package = find_spec("timm")
    if package is None or package.origin is None:
        raise ImportError("No module named 'timm'")
    path = Path(package.origin).parent / "layers" / "weight_init.py"
    spec = spec_from_file_location("timm_weight_init", path)
    assert spec is not None and spec.loader is not None
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    peer = partial(module.trunc_normal_, std=0.02, a=-0.04, b=0.04)
    return one_weight((1 << 25,), TruncatedNormal(0, 0.02), peer)


def torch_truncated(tensor: Tensor) -> None:
    nn.init.trunc_normal_(tensor, std=0.02, a=-0.04, b=0.04)


LARGE, SPARSE = (1 << 26,), (3072, 768)
ROWS = [
    Row(
        "uniform, 2^26",
        "torch uniform_",
        1.6,
        partial(one_weight, LARGE, Uniform(-0.1, 0.1), partial(nn.init.uniform_, a=-0.1, b=0.1)),
    ),
    Row(
        "normal, 2^26",
        "torch normal_",
        2.2,
        partial(one_weight, LARGE, Normal(0, 0.02), partial(nn.init.normal_, std=0.02)),
    ),
    Row(
        "truncated normal, 2^25",
        "torch trunc_normal_",
        20,
        partial(one_weight, (1 << 25,), TruncatedNormal(0, 0.02), torch_truncated),
    ),
    # timm inverts the distribution too, where torch rejects; ahead of it is all that is asked.
    Row("truncated normal, 2^25 (timm)", "timm trunc_normal_", 1, truncated_against_timm),
    Row("orthogonal, BERT-base's 72 matrices", "torch orthogonal_", 1.6, orthogonal_bert),
    Row(
        "orthogonal, 4096 x 4096",
        "torch orthogonal_",
        1.0,
        partial(one_weight, (4096, 4096), Orthogonal(), nn.init.orthogonal_),
    ),
    Row(
        "sparse, 3072 x 768, a tenth non-zero",
        "torch sparse_",
        2.0,
        partial(one_weight, SPARSE, Sparse(0.1, 0.01), partial(nn.init.sparse_, sparsity=0.9)),
    ),
    Row("BERT-base, compiled and drawn", "transformers BertModel", 2.5, bert_model),
]


def measure(row: Row, runs: int) -> str:
    """The row of the table, or a note that its peer is missing."""
    try:
        ours, theirs = row.prepare()
    except ImportError as error:
        return f"| {row.name} | {row.peer} | | | | {row.wanted:g} | left out: {error} |"
    mine, reference = medians(ours, theirs, runs)
    ratio = reference / mine
    reached = "yes" if ratio >= row.wanted else "no"
    times = f"{mine * 1e3:,.0f} | {reference * 1e3:,.0f} | {ratio:.2f}"
    return f"| {row.name} | {row.peer} | {times} | {row.wanted:g} | {reached} |"


def table(rows: list[Row], runs: int) -> Iterator[str]:
    """The lines of the report, each as soon as it is measured."""
    yield machine_and_runs(runs)
    yield ""
    yield "| drawn | peer | seobuilder, ms | peer, ms | ratio | wanted | reached |"
    yield "|---|---|---:|---:|---:|---:|---|"
    for row in rows:
        yield measure(row, runs)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Time drawing against other initializers.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows whose name starts so")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", help="folder with packages to compare with")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    if arguments.peers:
        # Last, so that the packages of this environment win over copies of them in there.
        sys.path.append(arguments.peers)
    names = tuple(arguments.rows) or ("",)
    lines = shown(table([row for row in ROWS if row.name.startswith(names)], arguments.runs))
    if arguments.write:
        write_table(PAGE, Path(__file__).name, lines)


if __name__ == "__main__":
    main()
