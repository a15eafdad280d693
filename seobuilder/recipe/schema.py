"""The JSON Schema of recipes, from the spec."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from seobuilder.recipe.shipped import preset_names
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.base import Activation, Name, Positive, Quantity
from seobuilder.recipe.spec.initialization import PresetRule
from seobuilder.recipe.spec.normalization import ActivationNorm, NormalizationSelector
from seobuilder.recipe.spec.selector import Selector

Json = dict[str, Any]

_NAMED = {"Name": Name, "Activation": Activation, "Positive": Positive, "Quantity": Quantity}
_BASES: tuple[type[BaseModel], ...] = (Selector, NormalizationSelector, ActivationNorm)


class _Generator(GenerateJsonSchema):
    """Pydantic's, without what says nothing, and with keys that are held to their pattern."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # it would repeat the key

    def dict_schema(self, schema: Any) -> Json:
        keys = self.generate_inner(schema["keys_schema"])
        values = self.generate_inner(schema["values_schema"])
        result: Json = {"type": "object", "propertyNames": keys, "additionalProperties": values}
        self.update_with_validations(result, schema, self.ValidationsMapping.object)
        return result

    def tagged_union_schema(self, schema: Any) -> Json:
        result = super().tagged_union_schema(schema)
        result.pop("discriminator", None)  # of OpenAPI
        return result


def recipe_schema() -> Json:
    """Draft 2020-12. A recipe that extends another may leave everything else to it."""
    schema = Recipe.model_json_schema(schema_generator=_Generator)
    preset = schema["$defs"][PresetRule.__name__]["properties"]["preset"]
    preset["enum"] = list(preset_names())
    shared = _shared()
    names = {_text(part): name for name, part in shared.items()}
    properties = _with_references(schema["properties"], names)
    own = {name: {"description": part["description"]} for name, part in properties.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:seobuilder:schema:recipe:1",
        "title": "seobuilder recipe",
        "description": "A search model: architecture, initialization and normalization.",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"properties": own, "additionalProperties": False},
        "else": {
            "properties": properties,
            "required": schema["required"],
            "additionalProperties": False,
        },
        "$defs": {**shared, **_with_references(schema["$defs"], names)},
    }


def _shared() -> Json:
    """What many definitions have in common, and is stated once: types, and keys of base classes."""
    shared: Json = {}
    for name, part in _NAMED.items():
        shared[name] = TypeAdapter(part).json_schema(schema_generator=_Generator)
    for base in _BASES:
        described = base.model_json_schema(schema_generator=_Generator)
        for key, part in described["properties"].items():
            if part not in shared.values():
                shared[f"{base.__name__}.{key}"] = part
    return shared


def _with_references(part: Any, names: dict[str, str]) -> Any:
    """A schema in which what is shared stands as a reference, beside its own default and note."""
    if isinstance(part, list):
        return [_with_references(item, names) for item in part]
    if not isinstance(part, dict):
        return part
    notes = {word: part[word] for word in ("default", "description") if word in part}
    bare = {word: item for word, item in part.items() if word not in notes}
    if (text := _text(part)) in names:
        return {"$ref": f"#/$defs/{names[text]}"}
    if (text := _text(bare)) in names:
        return {"$ref": f"#/$defs/{names[text]}", **notes}
    return {word: _with_references(item, names) for word, item in part.items()}


def _text(part: Json) -> str:
    return json.dumps(part, sort_keys=True)
