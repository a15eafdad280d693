from __future__ import annotations

MISTAKES = "names.txt"


def test_each_mistake_is_told_with_its_place_and_a_way_out(told, mistake):
    assert told(mistake) == mistake.rendered


def test_an_owner_that_only_its_sharer_refers_to_is_used(complaint, change):
    text = change(
        ("[summary, facts, device_vector]", "[summary, other_facts, device_vector]"),
        ("  joined:", "  other_facts: {same_as: facts, from: page}\n  joined:"),
    )
    assert complaint(text) == ""


def test_two_embeddings_may_be_compared_with_each_other(complaint, change):
    text = change(
        (
            "  vector: {kind: embedding, from: joined}",
            "  vector: {kind: embedding, from: joined, contrast: other}\n"
            "  other: {kind: embedding, from: facts, contrast: vector}",
        )
    )
    assert complaint(text) == ""


def test_a_mask_of_what_is_not_text_is_an_ordinary_name(complaint, change):
    text = change(
        ("  device: {", "  page_mask: {"),
        ("from: device", "from: page_mask"),
        ("device: device", "page_mask: device"),
    )
    assert complaint(text) == ""


def test_a_recipe_without_data_needs_no_columns(complaint, change):
    text = change(
        ("data:\n  files: rows.csv\n  split: {test: 0.2}\n", ""),
        ("  columns: {query: query, page: [a, b, c], device: device, intent: intent}\n", ""),
    )
    assert complaint(text) == ""
