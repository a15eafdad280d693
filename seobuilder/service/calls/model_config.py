"""A model by a few words of configuration, and the recipe that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from seobuilder.errors import InvalidArgument
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.spec.base import Activation
from seobuilder.service.calls.config import Config
from seobuilder.service.calls.initialization import InitializationConfig
from seobuilder.service.calls.normalization import GROUPS

Architecture = Literal["transformer", "cnn", "rnn", "mlp"]
Norm = Literal["layer_norm", "rms_norm", "batch_norm", "instance_norm", "group_norm", "none"]

_KINDS: dict[Architecture, str] = {
    "transformer": "a transformer",
    "cnn": "convolutions",
    "rnn": "recurrent layers",
    "mlp": "an mlp over the mean of the tokens",
}

INPUT, OUTPUT = "text", "label"
"""Names of the recipe's input, token ids, and of its output, the class."""


class CustomModelConfig(Config):
    """A classifier of texts: architecture, sizes, and how its weights are drawn.

    Token ids [B, T] become vectors of `hidden_size`, `num_layers` layers of the architecture change
    them, the mean (of a cnn the maximum) over the tokens gives one vector, and a linear layer the
    logits [B, num_classes]. Id 0 is padding.

    `use_layer_norm` puts a layer norm into every layer; without it a cnn has batch norm, as the
    guide says, and the others have none. `normalization` names another kind. With
    `use_residual_connections` every layer adds to what it gets.
    """

    model_name: str = Field(
        "seo_model", pattern=r"^[a-z][a-z0-9_]*$", max_length=64, description="the recipe's name"
    )
    architecture: Architecture = Field("transformer", description="kind of the layers")
    num_classes: int = Field(2, ge=2, description="labels to choose from")
    vocab_size: int = Field(8192, ge=2, description="token ids that exist, 0 for padding included")
    max_length: int = Field(128, ge=1, description="tokens of the longest text")
    hidden_size: int = Field(256, ge=1, description="numbers in a token's vector")
    num_layers: int = Field(4, ge=1, description="layers")
    num_heads: int = Field(8, ge=1, description="attention heads of a transformer")
    intermediate_size: int | None = Field(
        None, ge=1, description="of a transformer's feed-forward layer, 4 hidden_size if not given"
    )
    kernel_size: int = Field(3, ge=1, description="tokens that a cnn's layer sees at once")
    cell: Literal["rnn", "lstm", "gru"] = Field("lstm", description="of an rnn")
    bidirectional: bool = Field(False, description="an rnn reads backwards too")
    activation: Activation | None = Field(None, description="gelu for a transformer, relu else")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of values set to zero in training")
    initialization_method: str = Field(
        "xavier_uniform", description="as InitializationConfig's method, with its defaults"
    )
    initialization: InitializationConfig | None = Field(
        None, description="in the place of initialization_method, where it needs arguments"
    )
    use_layer_norm: bool = Field(True, description="a layer norm in every layer")
    normalization: Norm | None = Field(None, description="another norm in every layer, or none")
    use_residual_connections: bool = Field(True, description="layers add to what they get")
    seed: int = Field(0, ge=0, lt=2**63, description="of every draw")

    @model_validator(mode="after")
    def _fits_together(self) -> CustomModelConfig:
        _ = self.drawn_by
        if self.architecture == "transformer" and self.hidden_size % self.num_heads:
            raise InvalidArgument(
                f"{self.num_heads} heads do not divide a hidden_size of {self.hidden_size}"
            )
        if self.architecture == "rnn" and self.bidirectional and self.hidden_size % 2:
            raise InvalidArgument(
                f"a bidirectional rnn halves its hidden_size, and {self.hidden_size} is odd"
            )
        if self.architecture == "mlp" and self.norm == "instance_norm":
            raise InvalidArgument("an mlp sees vectors, and instance_norm needs positions")
        return self

    @property
    def drawn_by(self) -> InitializationConfig:
        """How weights are drawn, with this configuration's seed."""
        if self.initialization is None:
            return InitializationConfig(method=self.initialization_method, seed=self.seed)
        return self.initialization.model_copy(update={"seed": self.seed})

    @property
    def norm(self) -> Norm:
        """The norm in every layer."""
        if self.normalization is not None:
            return self.normalization
        if self.use_layer_norm:
            return "layer_norm"
        return "batch_norm" if self.architecture == "cnn" else "none"

    def to_recipe(self) -> str:
        """The same model as YAML, which `seobuild` checks, explains and builds to the same bits."""
        return self.load().source.decode()

    def load(self, training: Mapping[str, Any] | None = None) -> LoadedRecipe:
        """The recipe, checked; `training` is its section of that name.

        Raises:
            RecipeError: the method can't draw one of the weights, in the recipe's own lines.
        """
        rules = [draw.written() for draw in self.drawn_by.draws]
        # Rules for what the architecture lacks are found by a plan in which none must decide.
        tried = self._parsed([{**rule, "optional": True} for rule in rules], training)
        used = {assignment.rule.index for assignment in make_plan(tried).assignments}
        return self._parsed([r for index, r in enumerate(rules) if index in used], training)

    def _parsed(
        self, rules: list[dict[str, Any]], training: Mapping[str, Any] | None
    ) -> LoadedRecipe:
        norms = [] if self.norm == "none" else [self._normalization()]
        modules = self._modules()
        source = next(reversed(modules))
        recipe = {
            "version": 1,
            "name": self.model_name,
            "description": f"Texts to {self.num_classes} labels, by {_KINDS[self.architecture]}.",
            "seed": self.seed,
            "inputs": {
                INPUT: {
                    "kind": "tokens",
                    "vocab_size": self.vocab_size,
                    "max_length": self.max_length,
                }
            },
            "modules": modules,
            "outputs": {
                OUTPUT: {"kind": "classification", "from": source, "labels": self.num_classes}
            },
            **({"normalization": norms} if norms else {}),
            "initialization": rules,
            **({"training": dict(training)} if training else {}),
        }
        return parse_recipe(dump(recipe).encode(), f"{self.model_name}.yaml", Path())

    def _modules(self) -> dict[str, dict[str, Any]]:
        """The graph; its last module gives the vector that is read."""
        words = {"kind": "token_embedding", "from": INPUT, "width": self.hidden_size}
        words["dropout"] = self.dropout
        if self.architecture == "transformer":
            words["positions"] = "learned"
            pool = {"kind": "pool", "from": "encoder", "method": "mean"}
            return {"words": words, "encoder": self._transformer(), "summary": pool}
        modules: dict[str, dict[str, Any]] = {"words": words}
        if self.architecture == "mlp":
            modules["mean"] = {"kind": "pool", "from": "words", "method": "mean"}
        source = next(reversed(modules))
        for number in range(1, self.num_layers + 1):
            layer = f"layer_{number}"
            modules[layer] = self._layer(source)
            if self.use_residual_connections:
                modules[f"sum_{number}"] = {"kind": "add", "from": [source, layer]}
            source = next(reversed(modules))
        if self.architecture != "mlp":
            method = "max" if self.architecture == "cnn" else "mean"
            modules["summary"] = {"kind": "pool", "from": source, "method": method}
        return modules

    def _transformer(self) -> dict[str, Any]:
        width = self.intermediate_size or 4 * self.hidden_size
        return {
            "kind": "transformer",
            "from": "words",
            "depth": self.num_layers,
            "heads": self.num_heads,
            "ffn": {"kind": "mlp", "width": width, "activation": self.activation or "gelu"},
            "dropout": self.dropout,
            **({} if self.use_residual_connections else {"residual": "none"}),
        }

    def _layer(self, source: str) -> dict[str, Any]:
        """One layer of an architecture that is a stack of them."""
        width, activation = self.hidden_size, self.activation or "relu"
        match self.architecture:
            case "cnn":
                own: dict[str, Any] = {
                    "kind": "conv",
                    "from": source,
                    "channels": [width],
                    "kernel": self.kernel_size,
                    "activation": activation,
                }
            case "rnn":
                own = {"kind": "recurrent", "from": source, "cell": self.cell, "width": width}
                if self.bidirectional:
                    own |= {"width": width // 2, "bidirectional": True}
            case _:
                own = {"kind": "mlp", "from": source, "widths": [width], "activation": activation}
        return {**own, "dropout": self.dropout}

    def _normalization(self) -> dict[str, Any]:
        placements = {"transformer": "pre", "rnn": "after_activation"}
        rule: dict[str, Any] = {"match": "**", "method": self.norm}
        rule["placement"] = placements.get(self.architecture, "before_activation")
        if self.norm == "group_norm":
            rule["num_groups"] = gcd(GROUPS, self.hidden_size)
        return rule
