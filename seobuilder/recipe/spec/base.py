"""What every spec shares: strictness, names, numbers that may be formulas, paths."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Strict,
    Tag,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from seobuilder.recipe.files import may_leave
from seobuilder.recipe.formulas import Formula, FormulaError, parse
from seobuilder.recipe.patterns import PatternError, compile_pattern

T = TypeVar("T")


class Spec(BaseModel):
    """A frozen, strict mapping that refuses keys it doesn't know."""

    # Deferred, only the recipe's own validator is compiled, which holds all others.
    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_by_name=False,
        validate_by_alias=True,
    )


# YAML gives lists; specs hold tuples, so that a recipe can't be changed after it was checked.
Items = Annotated[tuple[T, ...], Strict(False)]
Pair = Annotated[tuple[T, T], Strict(False)]

Text = Annotated[str, Field(min_length=1, max_length=2000)]


def _one_or_many(value: Any) -> str:
    return "many" if isinstance(value, list | tuple) else "one"


# One value, or a list of them: told apart by what was written, so that an error names one choice.
OneOrMany = Annotated[
    Annotated[T, Tag("one")]
    | Annotated[tuple[T, ...], Strict(False), Field(min_length=1, max_length=1000), Tag("many")],
    Discriminator(_one_or_many),
]

# What a child or an input of that name would clash with: attributes of torch.nn.Module, arguments
# of SearchModel. A test holds this list against the installed torch.
RESERVED_NAMES = frozenset(
    {
        "add_module",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "check_inputs",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "input_names",
        "inputs",
        "ipu",
        "is_trained",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "outputs",
        "parameters",
        "plan",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "self",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "steps",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "xpu",
        "zero_grad",
    }
)


def _not_reserved(name: str) -> str:
    if name in RESERVED_NAMES:
        raise PydanticCustomError(
            "reserved_name", "`{name}` is a name that torch modules use themselves", {"name": name}
        )
    return name


def _exact(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """A choice of the very type that was written: to Python, 1 is the choice True."""
    choice = handler(value)
    return choice if type(choice) is type(value) else handler(repr(value))


# For choices that are not text.
Exact = WrapValidator(_exact)


def _distinct(texts: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for index, text in enumerate(texts):
        if text in seen:
            raise PydanticCustomError("duplicate", "listed twice", {"index": index})
        seen.add(text)
    return texts


# For lists whose places mean something: class indices, or rows of a table.
Distinct = AfterValidator(_distinct)


Name = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64),
    AfterValidator(_not_reserved),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[a-z][a-z0-9_]*$",
            "maxLength": 64,
            "not": {"enum": sorted(RESERVED_NAMES)},
        }
    ),
]
# The name of another entry: whether it exists is checked once the whole recipe is read.
Reference = Annotated[str, Field(min_length=1, max_length=64)]


def _check_path(path: str) -> str:
    if may_leave(path):
        raise PydanticCustomError(
            "path", "a path must be relative and stay in the recipe's folder", {}
        )
    return path


RelativePath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_check_path)]


def _check_pattern(text: str) -> str:
    try:
        compile_pattern(text)
    except PatternError as error:
        raise PydanticCustomError(
            "located",
            "{reason}",
            {"reason": error.message, "offset": error.offset, "code": error.code},
        ) from None
    return text


PatternText = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_pattern)]


def _quantity(minimum: float | None, *, exclusive: bool = False) -> Any:
    """A number, or a formula over the names that the plan knows.

    A number is held against `minimum` here, a formula's value in the plan.
    """

    def validate(value: Any) -> float | Formula:
        if isinstance(value, str):
            try:
                return parse(value)
            except FormulaError as error:
                raise PydanticCustomError(
                    "located",
                    "{reason}",
                    {"reason": error.message, "offset": error.offset, "code": error.code},
                ) from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PydanticCustomError("quantity", "expected a number or a formula", {})
        if minimum is not None and (value < minimum or (exclusive and value == minimum)):
            bound = "greater than" if exclusive else "at least"
            raise PydanticCustomError(
                "quantity_range",
                "must be {bound} {minimum}",
                {"bound": bound, "minimum": f"{minimum:g}"},
            )
        return float(value)

    number: dict[str, Any] = {"type": "number"}
    if minimum is not None:
        number["exclusiveMinimum" if exclusive else "minimum"] = minimum
    formula = {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "a formula such as 0.02 / sqrt(2 * depth)",
    }
    return Annotated[
        float | Formula, PlainValidator(validate), WithJsonSchema({"anyOf": [number, formula]})
    ]


Quantity = _quantity(None)
NonNegative = _quantity(0.0)
Positive = _quantity(0.0, exclusive=True)

Probability = Annotated[
    float, Field(ge=0.0, lt=1.0, description="share of the values that training sets to zero")
]
Width = Annotated[int, Field(ge=1, le=2**24)]
Activation = Literal[
    "relu", "leaky_relu", "tanh", "sigmoid", "selu", "gelu", "silu", "mish", "identity"
]
