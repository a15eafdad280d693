"""Recipes at random, sound, odd or with a planted fault: benchmarks/verdict.py trains them.

A recipe is a pure function of a seed and a number. The numbers go round the bodies and sizes, so
that every group of recipes that are compared with each other is as large as the others; every third
round has faults. `half` of a round says whether weights may be tuned on it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

BODIES = ("transformer", "conv", "recurrent", "mlp")
SIZES: dict[str, tuple[int, int]] = {"shallow": (2, 8), "deep": (9, 32)}
ROUND = len(BODIES) * len(SIZES)
FAULTY = 3
"""Every so many rounds there is one of faults."""

Half = Literal["tuned", "held out"]
Kind = Literal[
    "wrong gain", "zeroed layer", "copied layer", "lost scale", "lost norm", "large head"
]
FAULTS: tuple[Kind, ...] = (
    "wrong gain",
    "zeroed layer",
    "copied layer",
    "lost norm",
    "large head",
    "lost scale",
)
"""The last is for transformers alone, whose branches end in weights of their own."""

GAIN = 6.0
HEAD = 30.0

MATRICES = "[weight, residual_out, gate, recurrent_input, recurrent_hidden]"
BLOCKS = {"transformer": "body.blocks", "recurrent": "body.layers", "conv": "body", "mlp": "body"}


@dataclass(frozen=True)
class Fault:
    """What is planted, the place at which it must be named, and the line of its rule, if any."""

    kind: Kind
    place: str
    line: int | None = None

    @property
    def is_planted(self) -> bool:
        """Whether it is in the weights, and not in the recipe."""
        return self.kind == "copied layer"

    def plant(self, model: nn.Module) -> None:
        """Copy the layer before over the place; other faults are in the recipe."""
        if not self.is_planted:
            return
        stack, _, index = self.place.rpartition(".")
        before, copied = f"{stack}.{int(index) - 1}", self.place
        with torch.no_grad():
            source = model.get_submodule(before).state_dict()
            model.get_submodule(copied).load_state_dict(source)


@dataclass(frozen=True)
class Drawn:
    """A recipe, what it is compared with, and the fault in it; `sound` is its text without it."""

    number: int
    half: Half
    body: str
    size: str
    depth: int
    text: str
    fault: Fault | None = None
    sound: str | None = None


@dataclass(frozen=True)
class Choices:
    """What a recipe is written from.

    `weights` are those of the body: a family and how many times as large as it has them. `ends` of
    a branch and `hidden` matrices of a recurrence are drawn by rules of their own, unless empty;
    `first` is a rule before all others.
    """

    body: str
    depth: int
    width: int
    activation: str
    weights: tuple[str, float]
    head: str = "method: normal, std: 0.02"
    embedding: float = 0.1
    norm: tuple[str, str] | None = None
    ffn: str = "mlp"
    residual: str = "plain"
    scale: float | None = None
    ends: str = ""
    hidden: str = ""
    first: str = ""


def drawn(seed: int, number: int) -> Drawn:
    """The recipe of a seed and a number."""
    dice = random.Random(f"{seed}/{number}")
    turn, place = divmod(number, ROUND)
    body, size = BODIES[place % len(BODIES)], list(SIZES)[place // len(BODIES)]
    low, high = SIZES[size]
    depth = round(low * (high / low) ** dice.random())
    half: Half = "held out" if turn % 2 else "tuned"
    title = f"drawn_{seed}_{number}"
    if turn % FAULTY != FAULTY - 1:
        return Drawn(number, half, body, size, depth, written(title, any_of(dice, body, depth)))
    kind = _kind(body, place, turn // FAULTY)
    sound = sound_one(dice, body, depth, kind)
    faulty, where = faulted(dice, sound, kind)
    text, before = written(title, faulty), written(title, sound)
    fault = Fault(kind, where, _changed_line(before, text))
    return Drawn(number, half, body, size, depth, text, fault, before)


def _kind(body: str, place: int, turn: int) -> Kind:
    """Kinds in turn, so that both halves have all of them, and each body has."""
    if body == "transformer":
        return FAULTS[(turn + 3 * (place // len(BODIES)) - 1) % len(FAULTS)]
    return FAULTS[(turn + place) % (len(FAULTS) - 1)]


def _changed_line(before: str, after: str) -> int | None:
    """The first line, counted from 1, that only one of two texts has."""
    lines = before.splitlines()
    pairs = zip(after.splitlines(), [*lines, ""], strict=False)
    return next((n for n, (new, old) in enumerate(pairs, 1) if new != old), None)


# -- what may be drawn ---------------------------------------------------------------------------

ACTIVATIONS = {
    "transformer": ("gelu", "relu", "silu"),
    "conv": ("relu", "gelu", "leaky_relu", "tanh", "silu"),
    "mlp": ("relu", "gelu", "leaky_relu", "tanh", "silu", "sigmoid"),
    "recurrent": ("gru", "lstm", "rnn"),
}
RESIDUALS = ("plain", "plain", "plain", "scaled", "rezero", "layerscale", "none")
RECTIFIERS = ("relu", "gelu", "leaky_relu", "silu")
FAMILIES = {
    "xavier_uniform": "method: xavier_uniform, gain: {gain:.3g}",
    "orthogonal": "method: orthogonal, gain: {gain:.3g}",
    "normal": 'method: normal, std: "{gain:.3g} / sqrt(fan_in)"',
    "uniform": 'method: uniform, bound: "{gain:.3g} / sqrt(fan_in)"',
    "small": "method: truncated_normal, std: {small:.3g}",
}
SCALED_ENDS = 'method: normal, std: "1 / sqrt(2 * depth * fan_in)"'


def any_of(dice: random.Random, body: str, depth: int) -> Choices:
    """Anything that a recipe may say, sensible or not."""
    norm = None
    activation = dice.choice(ACTIVATIONS[body])
    methods = ["layer_norm", "rms_norm"]
    residual = dice.choice(RESIDUALS if body == "transformer" else (*RESIDUALS, "none", "none"))
    scale = round(dice.choice((1.0, (2 * depth) ** -0.5)), 4) if residual == "scaled" else None
    if body == "transformer":
        placements = ["none", "pre", "pre", "post", "sandwich", "peri", "output"]
    elif body == "recurrent":
        placements = ["none", "after_activation"]
    else:
        placements, methods = (
            ["none", "before_activation", "after_activation"],
            [*methods, "batch_norm"],
        )
    if (placement := dice.choice(placements)) != "none":
        norm = dice.choice(methods), placement
    gain = _gain(activation) if dice.random() < 0.6 else 2.5 ** dice.uniform(-1, 1)
    return Choices(
        body=body,
        depth=depth,
        width=dice.choice((24, 32, 48)),
        activation=activation,
        weights=(dice.choice(list(FAMILIES)), gain),
        head=dice.choice(("method: normal, std: 0.02", "method: xavier_normal", "method: zeros")),
        embedding=dice.choice((0.02, 0.1, 1.0)),
        norm=norm,
        ffn=dice.choice(("mlp", "mlp", "swiglu")),
        residual=residual,
        scale=scale,
        ends=SCALED_ENDS if body == "transformer" and dice.random() < 0.6 else "",
        hidden="method: orthogonal" if body == "recurrent" and dice.random() < 0.6 else "",
    )


def sound_one(dice: random.Random, body: str, depth: int, kind: Kind) -> Choices:
    """A recipe without a fault, in which a fault of this kind would be one."""
    activation = dice.choice([name for name in ACTIVATIONS[body] if name != "sigmoid"])
    weights, ends = ("orthogonal", _gain(activation)), ""
    norm: tuple[str, str] | None = dice.choice(("layer_norm", "rms_norm")), _PLACES[body]
    residual, scale = "plain" if body == "transformer" or depth > PLAIN else "none", None
    if body == "transformer":
        weights = ("xavier_uniform", 1.0)
        ends = "" if kind == "lost norm" else SCALED_ENDS
    elif kind == "lost norm" and residual == "none":
        weights = ("small", 1.0)  # which a norm makes good
    if kind == "lost scale" or (kind == "wrong gain" and body != "transformer"):
        norm = None  # with norms between, the size of a weight is a choice
        if body != "transformer" and residual == "plain":
            residual, scale = "scaled", round((2 * depth) ** -0.5, 4)
    return Choices(
        body=body,
        depth=depth,
        width=dice.choice((24, 32, 48)),
        activation=activation,
        weights=weights,
        norm=norm,
        residual=residual,
        scale=scale,
        ends=ends,
        hidden="method: orthogonal" if body == "recurrent" else "",
    )


PLAIN = 8
"""Layers up to which a stack is sound without skip paths."""

_PLACES = {
    "transformer": "pre",
    "conv": "before_activation",
    "mlp": "before_activation",
    "recurrent": "after_activation",
}


def _gain(activation: str) -> float:
    return 1.41 if activation in RECTIFIERS else 1.0


def faulted(dice: random.Random, sound: Choices, kind: Kind) -> tuple[Choices, str]:
    """A sound recipe with a fault, and the place at which it must be named."""
    block = f"{BLOCKS[sound.body]}.{dice.randrange(1, sound.depth)}"
    rule = f'match: "{block}.**", role: {MATRICES}'
    family, gain = sound.weights
    match kind:
        case "wrong gain":
            multiplies = sound.norm is None and sound.residual == "none"
            less = multiplies and dice.random() < 0.5
            wrong = family, gain / GAIN if less else gain * GAIN
            if dice.random() < 0.5:
                return replace(sound, weights=wrong), "body"
            return replace(sound, first=f"{rule}, {_draw(wrong)}"), block
        case "zeroed layer":
            return replace(sound, first=f"{rule}, method: zeros"), block
        case "copied layer":
            return sound, block
        case "lost scale":
            return replace(sound, ends=""), "body"
        case "lost norm":
            return replace(sound, norm=None), "body"
        case "large head":
            return replace(sound, head=f"method: normal, std: {0.02 * HEAD}"), "intent"


# -- the text ------------------------------------------------------------------------------------


def written(title: str, choices: Choices) -> str:
    """The text of a recipe."""
    reads = "body" if choices.body == "mlp" else "summary"
    lines = [
        "version: 1",
        f"name: {title}",
        f"seed: {title.rpartition('_')[2]}",
        "inputs:",
        "  query: {kind: tokens, vocab_size: 1000, max_length: 8, lowercase: true}",
        "modules:",
        *_modules(choices),
        "outputs:",
        f"  intent: {{kind: classification, from: {reads}, labels: labels.txt}}",
        "data:",
        "  split: {train: train.csv, test: test.csv}",
        "  columns: {query: text, intent: category}",
        "normalization:",
        f'  - {{match: "{BLOCKS[choices.body]}.*", {_norm(choices.norm)}}}',
        "initialization:",
        *(f"  - {{{rule}}}" for rule in _rules(choices)),
    ]
    return "\n".join(lines) + "\n"


def _modules(choices: Choices) -> list[str]:
    is_mlp = choices.body == "mlp"
    positions = "learned" if choices.body == "transformer" else "none"
    words = f"kind: token_embedding, from: query, width: {choices.width}, positions: {positions}"
    pool = f"  summary: {{kind: pool, from: {'words' if is_mlp else 'body'}, method: mean}}"
    body = f"  body: {{kind: {choices.body}, from: {'summary' if is_mlp else 'words'}, "
    body += f"{_settings(choices)}}}"
    return [f"  words: {{{words}}}", *((pool, body) if is_mlp else (body, pool))]


def _settings(choices: Choices) -> str:
    depth, width, activation = choices.depth, choices.width, choices.activation
    widths = [width] * depth
    scale = "" if choices.scale is None else f", residual_scale: {choices.scale}"
    match choices.body:
        case "transformer":
            how = f", activation: {activation}" if choices.ffn == "mlp" else ""
            own = f"depth: {depth}, heads: 4, ffn: {{kind: {choices.ffn}, width: {2 * width}{how}}}"
        case "conv":
            own = f"channels: {widths}, kernel: 3, activation: {activation}"
        case "mlp":
            own = f"widths: {widths}, activation: {activation}"
        case _:
            own = f"cell: {activation}, width: {width}, depth: {depth}"
    return f"{own}, residual: {choices.residual}{scale}"


def _norm(norm: tuple[str, str] | None) -> str:
    return "method: none" if norm is None else f"method: {norm[0]}, placement: {norm[1]}"


def _draw(weights: tuple[str, float]) -> str:
    family, gain = weights
    return FAMILIES[family].format(gain=gain, small=0.02 * gain)


def _rules(choices: Choices) -> Iterator[str]:
    if choices.first:
        yield choices.first
    yield 'match: "**.bias", method: zeros'
    if choices.norm is not None:
        yield "role: norm_scale, method: ones"
    if choices.residual == "rezero":
        yield "role: residual_scale, method: zeros"
    if choices.residual == "layerscale":
        yield "role: residual_scale, method: constant, value: 0.1"
    yield f"role: [embedding, position], method: normal, std: {choices.embedding}"
    yield f"role: head, {choices.head}"
    if choices.ends:
        yield f"role: residual_out, {choices.ends}"
    if choices.hidden:
        yield f"role: recurrent_hidden, {choices.hidden}"
    yield f'match: "body.**.weight", {_draw(choices.weights)}'
