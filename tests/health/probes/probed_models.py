"""Recipes to probe."""

from __future__ import annotations

from pathlib import Path

from seobuilder.recipe.load import parse_recipe
from seobuilder.report.model import Report
from seobuilder.stages import Building

MLP = """\
version: 1
name: deep
seed: {seed}
inputs:
  page: {{kind: features, size: {width}}}
modules:
  body: {{kind: mlp, from: page, widths: [{widths}], activation: {activation}}}
outputs:
  label: {{kind: classification, from: body, labels: 4}}
initialization:
  - {{match: "**.bias", method: zeros}}
  - {{role: head, method: normal, std: 0.02}}
{rules}
"""

KAIMING = '  - {match: "**.weight", method: kaiming_normal, nonlinearity: auto}'
XAVIER = '  - {match: "**.weight", method: xavier_normal}'

TRANSFORMER = """\
version: 1
name: reader
seed: {seed}
inputs:
  query: {{kind: tokens, vocab_size: 100, max_length: 12}}
modules:
  words: {{kind: token_embedding, from: query, width: 64, positions: learned}}
  encoder:
    kind: transformer
    from: words
    depth: {depth}
    heads: 4
    residual: {residual}
    ffn: {{kind: mlp, width: 128, activation: gelu}}
  summary: {{kind: pool, from: encoder, method: mean}}
outputs:
  label: {{kind: classification, from: summary, labels: 4}}
normalization:
  - {{match: "encoder.blocks.*", method: layer_norm, placement: {placement}}}
initialization:
{rules}
  - {{match: "**.bias", method: zeros}}
  - {{role: norm_scale, method: ones}}
  - {{role: [embedding, position], method: normal, std: 0.7}}
  - {{role: head, method: normal, std: 0.02}}
  - {{match: "**.weight", method: xavier_normal}}
"""


def mlp(
    depth: int = 8,
    width: int = 128,
    activation: str = "relu",
    rules: str = KAIMING,
    seed: int = 0,
) -> Building:
    widths = ", ".join([str(width)] * depth)
    return built(
        MLP.format(seed=seed, width=width, widths=widths, activation=activation, rules=rules)
    )


def transformer(
    depth: int = 3,
    placement: str = "pre",
    rules: str = "",
    residual: str = "plain",
    seed: int = 0,
) -> Building:
    return built(
        TRANSFORMER.format(
            seed=seed, depth=depth, placement=placement, rules=rules, residual=residual
        )
    )


def built(text: str) -> Building:
    return Building(parse_recipe(text.encode(), "deep.yaml", Path()))


def found(report: Report) -> list[tuple[str, str, str]]:
    """Code, severity and place of what the probes found."""
    return [(f.code, f.severity, f.place) for f in report.findings if "H020" <= f.code <= "H027"]
