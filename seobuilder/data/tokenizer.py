"""Tokenizers: trained on the training split, or loaded from a `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

from tokenizers import (
    Encoding,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from seobuilder.data.encode import Examples
from seobuilder.data.files import read_text
from seobuilder.data.sources import inside_or_diagnostic
from seobuilder.errors import DataError
from seobuilder.recipe.diagnostics import Diagnostic, Mark
from seobuilder.recipe.files import NO_FILES, Files
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.inputs import TEXT_FORMS, TokensInput

PADDING = "<pad>"
SMALLEST_VOCABULARY = 257
"""Every byte and the padding token: with fewer entries, some texts would lose characters."""


def train_tokenizer(texts: Iterable[str], spec: TokensInput, path: str = "") -> Tokenizer:
    """Byte-level byte-pair encoding of at most `vocab_size` entries; `<pad>` has the id 0.

    The same texts give the same tokenizer, byte for byte. Texts are first brought into the form
    that the input states, which the tokenizer keeps: whatever it encodes later passes through the
    same steps. A pair of tokens is merged if it occurs twice. `path` names the input in
    diagnostics. Source: Sennrich, Haddow and Birch 2016, "Neural machine translation of
    rare words with subword units", arXiv:1508.07909; bytes as in Radford et al. 2019.

    Raises:
        DataError: `vocab_size` has no room for all bytes, or another id than 0 is to pad.
    """
    if problems := list(_training_problems(spec, path)):
        raise DataError(problems)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(list(_text_forms(spec)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocab_size,
        min_frequency=2,
        special_tokens=[PADDING],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.enable_padding(pad_id=0, pad_token=PADDING)
    return _ready(tokenizer)


def _training_problems(spec: TokensInput, path: str) -> Iterator[Diagnostic]:
    """Why no tokenizer can be trained for an input; `path` names it."""
    if spec.vocab_size < SMALLEST_VOCABULARY:
        message = f"a trained tokenizer needs at least {SMALLEST_VOCABULARY} entries: "
        message += f"256 bytes and {PADDING}; found {spec.vocab_size}"
        yield Diagnostic("D303", message, path=path and f"{path}.vocab_size")
    if spec.padding_id != 0:
        message = f"a trained tokenizer pads with 0, found {spec.padding_id}"
        yield Diagnostic("D304", message, path=path and f"{path}.padding_id")


def _text_forms(spec: TokensInput) -> Iterator[Any]:
    """The steps that bring a text into the form that the input states."""
    if spec.strip_accents:
        yield normalizers.NFKD() if spec.unicode == "NFKC" else normalizers.NFD()
        yield normalizers.StripAccents()
    yield normalizers.NFKC() if spec.unicode == "NFKC" else normalizers.NFC()
    if spec.lowercase:
        yield normalizers.Lowercase()
    if spec.collapse_spaces:
        yield normalizers.Replace(Regex(r"\s+"), " ")
        yield normalizers.Strip()
    if spec.leading_space:
        yield normalizers.Prepend(" ")


def load_tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`, whose ids must all be below `vocab_size`.

    How it truncates is dropped: a recipe's `max_length` decides that.

    Raises:
        DataError: the file is missing, is no tokenizer, or has too many ids.
        EnvironmentProblem: the file is there but can't be read.
    """
    content = read_text(path)
    try:
        tokenizer = Tokenizer.from_str(content)
    except Exception as error:  # the library raises no narrower type
        raise _problem(path, "D301", f"not a tokenizer: {error}") from None
    size = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    if size > vocab_size:
        message = f"the tokenizer has ids up to {size - 1}, vocab_size {vocab_size} ends before"
        raise _problem(path, "D302", message)
    tokenizer.no_truncation()
    return _ready(tokenizer)


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Ids of each text, cut to `max_length`, without padding. An empty text has no ids.

    What the tokenizer puts after a text, such as BERT's `[SEP]`, stays when the text is cut.
    """
    encodings = tokenizer.encode_batch(list(texts))
    return [
        _cut(encoding, max_length) if text else []
        for text, encoding in zip(texts, encodings, strict=True)
    ]


def _cut(encoding: Encoding, max_length: int) -> list[int]:
    real = [index for index, is_real in enumerate(encoding.attention_mask) if is_real]
    ids = [encoding.ids[index] for index in real]
    if len(ids) <= max_length:
        return ids
    added = takewhile(lambda index: encoding.special_tokens_mask[index], reversed(real))
    end = len(ids) - sum(1 for _ in added)
    tail = ids[end:][:max_length]
    return ids[: max_length - len(tail)] + tail


def tokenizer_groups(recipe: Recipe) -> dict[str, str]:
    """File of each token input's tokenizer in the build folder.

    Inputs with equal `vocab_size` and `tokenizer`, and one form of text, share one.
    """
    first: dict[tuple[object, ...], str] = {}
    owner: dict[str, str] = {}
    for name, spec in recipe.inputs.items():
        if spec.kind == "tokens":
            forms = (getattr(spec, key) for key in TEXT_FORMS)
            key = (spec.vocab_size, spec.tokenizer, *forms)
            owner[name] = first.setdefault(key, name)
    if len(first) == 1:
        return dict.fromkeys(owner, "tokenizer.json")
    return {name: f"tokenizer.{shared}.json" for name, shared in owner.items()}


def prepare_tokenizers(
    recipe: Recipe, folder: Path, examples: Examples | None, given: Files = NO_FILES
) -> dict[str, Tokenizer]:
    """The tokenizer of each token input: loaded where the recipe names a file, else trained.

    One that several inputs share is one object, trained on the training rows of all of them.
    Without data an input whose recipe names no file has none. `given` says where the caller has
    files that the recipe names.

    Raises:
        DataError: a file can't be used, or `vocab_size` is too small to train on.
    """
    groups = tokenizer_groups(recipe)
    ready: dict[str, Tokenizer] = {}
    for name, file in groups.items():
        if examples is None and recipe.token_inputs[name].tokenizer is None:
            continue
        if file not in ready:
            members = [member for member in groups if groups[member] == file]
            ready[file] = _prepare(recipe.inputs, folder, given, examples, name, members)
    return {name: ready[file] for name, file in groups.items() if file in ready}


def tokenizer_problems(recipe: Recipe, folder: Path, given: Files) -> Iterator[Diagnostic]:
    """Files of tokenizers that can't be used, and inputs that none can be trained for.

    Raises:
        EnvironmentProblem: a file is there but can't be read.
    """
    for name, spec in recipe.token_inputs.items():
        path = f"inputs.{name}"
        if spec.tokenizer is None:
            yield from _training_problems(spec, path)
            continue
        try:
            _load_named(spec.tokenizer, spec, folder, given, f"{path}.tokenizer")
        except DataError as error:
            yield from error.diagnostics


def _prepare(
    inputs: Mapping[str, Any],
    folder: Path,
    given: Files,
    examples: Examples | None,
    name: str,
    members: list[str],
) -> Tokenizer:
    spec: TokensInput = inputs[name]
    if spec.tokenizer is not None:
        return _load_named(spec.tokenizer, spec, folder, given, f"inputs.{name}.tokenizer")
    assert examples is not None, "there is nothing to train on"
    problems = (_training_problems(inputs[member], f"inputs.{member}") for member in members)
    if found := list(chain.from_iterable(problems)):
        raise DataError(found)
    texts = (examples.texts[member][row] for member in members for row in examples.train.tolist())
    return train_tokenizer(texts, spec, f"inputs.{name}")


def _load_named(file: str, spec: TokensInput, folder: Path, given: Files, place: str) -> Tokenizer:
    path = given[file] if file in given else inside_or_diagnostic(folder, file, place)
    return load_tokenizer(Path(path), spec.vocab_size)


def _ready(tokenizer: Tokenizer) -> Tokenizer:
    # A text that spells out a special token, such as <pad>, is text: it must not be masked out.
    # The library doesn't keep this in the file.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _problem(path: Path, code: str, message: str) -> DataError:
    return DataError([Diagnostic(code, message, Mark(str(path), 1, 1))])
