from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seobuilder.layers import (
    Attention,
    AttentionPool,
    Concat,
    FeatureScaler,
    FeedForward,
    Head,
    Input,
    Interaction,
    MLPBlock,
    PositionEmbedding,
    Rotary,
    SearchModel,
    Stack,
    Step,
    TokenEmbedding,
    Transformer,
    TransformerBlock,
)
from seobuilder.norm import BatchNorm, RMSNorm

INPUTS = (Input("query", "tokens", 0), Input("title", "tokens", 0), Input("page", "features"))
STEPS = (
    Step("words", "words", ("query",), "query"),
    Step("encoder", "encoder", ("words",), "query"),
    Step("summary", "summary", ("encoder",), "query"),
    Step("title_words", "words", ("title",), "title"),
    Step("title_encoder", "encoder", ("title_words",), "title"),
    Step("title_summary", "summary", ("title_encoder",), "title"),
    Step("facts", "facts", ("page",)),
    Step("match", "match", ("summary", "title_summary")),
    Step("joined", "joined", ("match", "facts")),
    Step("intent", "intent", ("joined",)),
    Step("clicks", "clicks", ("joined",)),
)


def build() -> SearchModel:
    def block() -> TransformerBlock:
        attention = Attention(
            nn.Linear(8, 8),
            nn.Linear(8, 4),
            nn.Linear(8, 4),
            nn.Linear(8, 8),
            heads=4,
            kv_heads=2,
            query_norm=RMSNorm(2),
            positions=Rotary(2, 12),
        )
        ffn = FeedForward(nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 16), "silu")
        return TransformerBlock(attention, ffn, RMSNorm(8), ffn_input_norm=BatchNorm(8))

    return SearchModel(
        INPUTS,
        STEPS,
        ("intent", "clicks"),
        page=FeatureScaler(3, "log1p", "error"),
        words=TokenEmbedding(nn.Embedding(20, 8, padding_idx=0), PositionEmbedding(12, 8)),
        encoder=Transformer(Stack([block()]), final_norm=RMSNorm(8)),
        summary=AttentionPool(nn.Linear(8, 1)),
        facts=Stack([MLPBlock(nn.Linear(3, 4), "relu", BatchNorm(4))]),
        match=Interaction("matching"),
        joined=Concat(),
        intent=Head(nn.Linear(36, 4)),
        clicks=Head(nn.Linear(36, 1), squeeze=True),
    )


@pytest.fixture
def model() -> SearchModel:
    torch.manual_seed(0)
    return build().eval()


@pytest.fixture
def batch() -> dict[str, Tensor]:
    query = torch.tensor([[3, 4, 5, 0, 0], [7, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    title = torch.tensor([[0, 0, 3, 4], [5, 6, 7, 8], [1, 2, 0, 0]])
    page = torch.tensor([[1.0, 200.0, -3.0], [0.0, 5.0, 8.0], [4.0, 4.0, 4.0]])
    return {"query": query, "title": title, "page": page}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_outputs_by_name(model: SearchModel, batch: dict[str, Tensor]) -> None:
    out = model(**batch)
    assert {name: tuple(y.shape) for name, y in out.items()} == {"intent": (3, 4), "clicks": (3,)}
    assert all(y.isfinite().all() for y in out.values())


def test_each_row_gets_what_it_gets_alone(model: SearchModel, batch: dict[str, Tensor]) -> None:
    out = model(**batch)
    alone = model(
        query=torch.tensor([[3, 4, 5]]), title=torch.tensor([[3, 4]]), page=batch["page"][:1]
    )
    assert_same(alone, {name: y[:1] for name, y in out.items()})


def test_a_shared_module_gives_the_same_for_both_inputs(
    model: SearchModel, batch: dict[str, Tensor]
) -> None:
    seen: list[Tensor] = []
    model.summary.register_forward_hook(lambda module, given, out: seen.append(out))
    model(query=batch["title"], title=batch["title"], page=batch["page"])
    torch.testing.assert_close(seen[0], seen[1])


def test_a_passed_mask_takes_the_place_of_the_padding_id(
    model: SearchModel, batch: dict[str, Tensor]
) -> None:
    mask = batch["query"] != 0
    assert_same(model(**batch, query_mask=mask), model(**batch))
    shorter = mask.clone()
    shorter[0, 2] = False
    cut = dict(batch, query=batch["query"].masked_fill(~shorter, 0))
    assert_same(model(**batch, query_mask=shorter), model(**cut))


def test_the_scaler_is_applied_to_its_input(model: SearchModel, batch: dict[str, Tensor]) -> None:
    before = model(**batch)
    model.page.fit(batch["page"])
    after = model(**batch)
    assert not torch.allclose(before["clicks"], after["clicks"])


@pytest.mark.parametrize(
    ("drop", "add", "problem"),
    [
        ("page", None, "missing page"),
        (None, "page_mask", "unknown page_mask"),
        ("title", "titel", "missing title, unknown titel"),
    ],
)
def test_wrong_names_are_type_errors(
    model: SearchModel, batch: dict[str, Tensor], drop, add, problem: str
) -> None:
    if drop:
        del batch[drop]
    if add:
        batch[add] = torch.ones(3)
    with pytest.raises(TypeError) as caught:
        model(**batch)
    assert str(caught.value) == (
        f"{problem}; the inputs are query, title, page, "
        "query_mask (optional), title_mask (optional)"
    )


def test_texts_are_type_errors_that_name_the_encoder(
    model: SearchModel, batch: dict[str, Tensor]
) -> None:
    with pytest.raises(TypeError, match=r"^query is of type list, not a tensor; .*encoder"):
        model(**batch | {"query": ["red shoes"]})


def test_positional_inputs_are_refused(model: SearchModel, batch: dict[str, Tensor]) -> None:
    with pytest.raises(TypeError):
        model(batch["query"])


class FromDict(nn.Module):
    """`torch.export` cannot name the free axes of a `**inputs`; of a dictionary it can."""

    def __init__(self, model: SearchModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.model(**inputs)


def test_it_exports(model: SearchModel, batch: dict[str, Tensor]) -> None:
    exported = torch.export.export(model, (), batch)
    assert_same(exported.module()(**batch), model(**batch))


def test_it_exports_with_free_batch_size_and_lengths(
    model: SearchModel, batch: dict[str, Tensor]
) -> None:
    rows = torch.export.Dim("rows", min=1, max=64)
    query, title = (torch.export.Dim(name, min=2, max=12) for name in ("query", "title"))
    free = {"query": {0: rows, 1: query}, "title": {0: rows, 1: title}, "page": {0: rows}}
    exported = torch.export.export(FromDict(model), (batch,), dynamic_shapes={"inputs": free})
    other = {
        "query": batch["query"][:2, :3],
        "title": batch["title"][:2],
        "page": batch["page"][:2],
    }
    assert_same(exported.module()(other), model(**other))


@pytest.mark.parametrize("training", [False, True])
def test_it_compiles_to_one_graph(
    model: SearchModel, batch: dict[str, Tensor], training: bool
) -> None:
    state = {name: value.clone() for name, value in model.state_dict().items()}
    expected = model.train(training)(**batch)
    observed = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert_same(compiled(**batch), expected)
    assert_same(model.state_dict(), observed)


def test_it_is_built_on_meta_and_filled_from_a_state_dict(
    model: SearchModel, batch: dict[str, Tensor]
) -> None:
    model.page.fit(batch["page"])
    with torch.device("meta"):
        other = build().eval()
    shapes = other(**{name: value.to("meta") for name, value in batch.items()})
    assert shapes["intent"].shape == (3, 4)
    other.to_empty(device="cpu")
    for buffer in other.buffers():
        buffer.fill_(torch.nan)
    for module in other.modules():
        if hasattr(module, "reset_buffers"):
            module.reset_buffers()
    assert all(buffer.isfinite().all() for buffer in other.buffers())
    other.load_state_dict(model.state_dict())
    assert_same(other(**batch), model(**batch))


def test_it_trains_on_a_batch_with_a_row_of_padding(
    model: SearchModel, batch: dict[str, Tensor]
) -> None:
    model.train()
    out = model(**batch)
    sum(y.square().sum() for y in out.values()).backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_half_precision(model: SearchModel, batch: dict[str, Tensor]) -> None:
    out = model.to(torch.bfloat16)(**batch)
    assert all(y.dtype == torch.bfloat16 and y.isfinite().all() for y in out.values())


def test_tokens_without_a_padding_id_have_no_mask(model: SearchModel) -> None:
    words = TokenEmbedding(nn.Embedding(4, 3))
    step = Step("words", "words", ("query",), "query")
    whole = SearchModel((Input("query", "tokens"),), (step,), ("words",), words=words)
    assert whole(query=torch.zeros(1, 2, dtype=torch.long))["words"].shape == (1, 2, 3)
