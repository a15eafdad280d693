"""The random streams are frozen, and independent of how they are read."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.init.streams import SCHEME, KeyStream, Stream

# (seed, name, start, stop): SHA-256 of the words and of the uniforms in float32 and float64,
# all little-endian.
GOLDEN: dict[tuple[int, str, int, int], tuple[str, str, str]] = {
    (7, "words.tokens.weight", 0, 4096): (
        "34fd09f34c5ac3c518e5d7c5d0147d321aae1d2f1a5210912d5833d1bbc6f453",
        "0eff3e82f03e7cc71e8cf15f8f7be7cfdb8d7f3e533a70ad39c2337bc34c7d19",
        "8c14a1855618942f117454f6ba92bc688fee595c0f8c796e2ff64c72ec4cfc26",
    ),
    (7, "words.tokens.weight", (1 << 40) + 1, (1 << 40) + 1000): (
        "e07634f7d727dcc1a4b42385a0ae94dec49a55f70af6977adf2240198d359a25",
        "e8bbb9dd95631b3c6c695feaf53aea67b2421db631aacdcb92718b31870af718",
        "94c99244724ad55cc0a5f1460594ebda17c52bf77dfcbdae44ebf7571b27606d",
    ),
    (-1, "encoder.blocks.0.attention.query.weight", 123, 124): (
        "892a06a15dcf6f956475bbeaf6bc666153a37c26527fcfd3662fb2ee1f7ae4e1",
        "e711dcfb2ece74d962249d921dfd2e8c3cbb7a77d603c94b528c4a7fc48fb829",
        "3cd59d60adf6280cd95b3a3d7da4e58f8bbdcb20471301e2169f611e7cb2cac4",
    ),
}


def uniforms(stream: Stream, start: int, stop: int, dtype: torch.dtype) -> torch.Tensor:
    return stream.uniforms(start).read_(torch.empty(stop - start, dtype=dtype))


@pytest.mark.parametrize("where", GOLDEN)
def test_scheme_1_is_frozen(where: tuple[int, str, int, int]) -> None:
    assert SCHEME == 1
    seed, name, start, stop = where
    stream = Stream(seed, name)
    data = (
        stream.words(start, stop).astype("<u4"),
        uniforms(stream, start, stop, torch.float32).numpy().astype("<f4"),
        uniforms(stream, start, stop, torch.float64).numpy().astype("<f8"),
    )
    assert tuple(hashlib.sha256(a.tobytes()).hexdigest() for a in data) == GOLDEN[where]


def key_stream_bytes(key: str, counter: str, blocks: int) -> bytes:
    out = np.empty(4 * blocks, dtype=np.uint32)
    KeyStream(bytes.fromhex(key), int(counter, 16)).read(out)
    return out.astype("<u4").tobytes()


def test_a_block_is_aes_128_of_the_counter() -> None:
    # FIPS 197, appendix C.1.
    block = key_stream_bytes(
        "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", 1
    )
    assert block.hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"


def test_blocks_are_in_counter_mode() -> None:
    # NIST SP 800-38A, section F.5.1: plaintext xor ciphertext is the key stream.
    plain = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    cipher = bytes.fromhex(
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
        "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"
    )
    stream = key_stream_bytes(
        "2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", 4
    )
    assert stream == bytes(a ^ b for a, b in zip(plain, cipher, strict=True))


def test_the_counter_wraps_around() -> None:
    key = "000102030405060708090a0b0c0d0e0f"
    stream = key_stream_bytes(key, "f" * 32, 2)
    assert stream[16:] == key_stream_bytes(key, "0", 1)
    last = np.empty(4, dtype=np.uint32)
    KeyStream(bytes.fromhex(key), (1 << 128) - 1, start=4).read(last)
    assert last.astype("<u4").tobytes() == stream[16:]


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_any_range_equals_the_range_of_the_whole(start: int, length: int) -> None:
    stream = Stream(3, "a.weight")
    whole = stream.words(0, 40_000)
    assert np.array_equal(stream.words(start, start + length), whole[start : start + length])


@given(st.integers(0, 500), st.lists(st.integers(0, 50)), st.sampled_from(["float32", "float64"]))
def test_uniforms_go_on_where_the_last_reading_ended(
    start: int, lengths: list[int], dtype: str
) -> None:
    stream, kind = Stream(3, "a.weight"), getattr(torch, dtype)
    reader = stream.uniforms(start)
    parts = [reader.read_(torch.empty(length, dtype=kind)) for length in lengths]
    whole = uniforms(stream, start, start + sum(lengths), kind)
    assert torch.equal(torch.cat([torch.empty(0, dtype=kind), *parts]), whole)


def test_seed_name_and_purpose_each_change_the_stream() -> None:
    streams = [
        Stream(3, "a.weight"),
        Stream(4, "a.weight"),
        Stream(3, "b.weight"),
        Stream(3, "a.weight", "other"),
    ]
    assert len({stream.words(0, 1).item() for stream in streams}) == 4
    assert len({stream.torch_seed for stream in streams}) == 4


def test_no_two_keys_share_a_text() -> None:
    with pytest.raises(AssertionError):
        _ = Stream(3, "a\0values", "").key


def test_uniforms_are_open_at_both_ends_and_symmetric(monkeypatch: pytest.MonkeyPatch) -> None:
    high = [2**31, 2**32 - 1, 0, 2**31 - 1]
    low = [0, 2**32 - 1, 0, 2**32 - 1]
    reads = iter([high, high, low])
    monkeypatch.setattr(
        KeyStream, "read", lambda self, out: np.copyto(out, next(reads), casting="unsafe")
    )
    stream = Stream(0, "a")
    narrow, wide = (uniforms(stream, 0, 4, d).tolist() for d in (torch.float32, torch.float64))
    assert narrow == [2.0**-24 - 1, -(2.0**-24), 2.0**-24, 1 - 2.0**-24]
    assert wide == [2.0**-53 - 1, -(2.0**-53), 2.0**-53, 1 - 2.0**-53]


def test_a_float64_uniform_lies_in_the_cell_of_the_float32_one() -> None:
    narrow, wide = (uniforms(Stream(1, "a"), 0, 10_000, d) for d in (torch.float32, torch.float64))
    offsets = (wide - narrow.double()) * 2.0**23
    assert offsets.abs().max() < 0.5
    assert abs(offsets.mean()) < 5 / (12 * 10_000) ** 0.5
    assert offsets.std() == pytest.approx(12**-0.5, rel=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniforms_are_uniform_and_independent(dtype: torch.dtype) -> None:
    values = uniforms(Stream(5, "a.weight"), 0, 200_000, dtype).double()
    counts = torch.histc(values, bins=100, min=-1, max=1)
    chi_square = ((counts - 2000.0) ** 2 / 2000).sum().item()
    assert abs(chi_square - 99) < 5 * np.sqrt(2 * 99)
    for lag in (1, 2, 3, 4):
        correlation = 3 * (values[lag:] * values[:-lag]).mean().item()
        assert abs(correlation) < 5 / np.sqrt(200_000)
