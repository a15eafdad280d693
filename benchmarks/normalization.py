"""How long a transformer encoder takes, against `torch.nn.TransformerEncoder` with the same norms.

    python benchmarks/normalization.py [--runs 7] [--write]

One process, the same sizes, weights, dtype and threads on both sides; outputs are compared before
anything is timed. Runs of the two are interleaved; each time is a median. The ratio says how many
times faster seobuilder is. `--write` puts the table into docs/normalization.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from measure import DOCS, machine_and_runs, medians, shown, write_table
from torch import Tensor, nn

from seobuilder import build
from seobuilder.recipe.load import parse_recipe

PAGE = DOCS / "normalization.md"
DEPTH, WIDTH, HEADS, FFN = 6, 256, 4, 1024
BATCH, LENGTH = 16, 64

RECIPE = f"""\
version: 1
name: encoder
inputs:
  query: {{{{kind: tokens, vocab_size: 100, max_length: {LENGTH}}}}}
modules:
  words: {{{{kind: token_embedding, from: query, width: {WIDTH}}}}}
  encoder:
    kind: transformer
    from: words
    depth: {DEPTH}
    heads: {HEADS}
    ffn: {{{{kind: mlp, width: {FFN}, activation: gelu}}}}
  meaning: {{{{kind: pool, from: encoder, method: mean}}}}
outputs:
  label: {{{{kind: classification, from: meaning, labels: 2}}}}
normalization:
  - {{{{match: "encoder.**", method: layer_norm, placement: {{placement}}}}}}
initialization:
  - {{{{preset: bert}}}}
"""
SITES = {"pre": "input", "post": "residual"}


def ours(placement: str) -> nn.Module:
    """The encoder of a recipe."""
    text = RECIPE.format(placement=placement)
    return build(parse_recipe(text.encode(), "encoder.yaml", Path())).get_submodule("encoder")


def theirs(placement: str, encoder: nn.Module) -> nn.Module:
    """PyTorch's encoder with the weights of `encoder`."""
    pre = placement == "pre"
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, FFN, 0.0, "gelu", batch_first=True, norm_first=pre
    )
    final = nn.LayerNorm(WIDTH) if pre else None
    peer = nn.TransformerEncoder(layer, DEPTH, final, enable_nested_tensor=False)
    tensors = dict(encoder.named_parameters())
    state = {}
    for index in range(DEPTH):
        block, at = f"blocks.{index}", f"layers.{index}"
        for kind in ("weight", "bias"):
            parts = [tensors[f"{block}.attention.{p}.{kind}"] for p in ("query", "key", "value")]
            state[f"{at}.self_attn.in_proj_{kind}"] = torch.cat(parts)
            for peer_name, name in {
                "self_attn.out_proj": "attention.output",
                "linear1": "ffn.up",
                "linear2": "ffn.down",
                "norm1": f"attention_{SITES[placement]}_norm",
                "norm2": f"ffn_{SITES[placement]}_norm",
            }.items():
                state[f"{at}.{peer_name}.{kind}"] = tensors[f"{block}.{name}.{kind}"]
    if pre:
        state |= {f"norm.{kind}": tensors[f"final_norm.{kind}"] for kind in ("weight", "bias")}
    peer.load_state_dict(state)
    return peer


@torch.no_grad()
def evaluate(encoder: nn.Module, x: Tensor) -> Tensor:
    y: Tensor = encoder.eval()(x)
    return y


def training_step(optimizer: torch.optim.Optimizer, encoder: nn.Module, x: Tensor) -> None:
    optimizer.zero_grad()
    encoder.train()(x).square().mean().backward()
    optimizer.step()


def sides(placement: str, what: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """Both encoders, each ready to run, after their outputs were found the same."""
    x = torch.randn(BATCH, LENGTH, WIDTH, generator=torch.Generator().manual_seed(0))
    mine = ours(placement)
    peer = theirs(placement, mine)
    torch.testing.assert_close(evaluate(mine, x), evaluate(peer, x), atol=1e-4, rtol=1e-4)
    if what == "evaluation":
        return partial(evaluate, mine, x), partial(evaluate, peer, x)
    steps = [
        partial(training_step, torch.optim.SGD(side.parameters(), lr=1e-6), side, x)
        for side in (mine, peer)
    ]
    return steps[0], steps[1]


def table(runs: int) -> Iterator[str]:
    """The lines of the report, each as soon as it is measured."""
    yield machine_and_runs(runs)
    yield ""
    yield "| placement | what | seobuilder, ms | torch, ms | ratio |"
    yield "|---|---|---:|---:|---:|"
    for placement in SITES:
        for what in ("evaluation", "training step"):
            mine, reference = medians(*sides(placement, what), runs)
            times = f"{mine * 1e3:,.1f} | {reference * 1e3:,.1f} | {reference / mine:.2f}"
            yield f"| {placement} | {what} | {times} |"


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Time an encoder against PyTorch's.")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    lines = shown(table(arguments.runs))
    if arguments.write:
        write_table(PAGE, Path(__file__).name, lines)


if __name__ == "__main__":
    main()
