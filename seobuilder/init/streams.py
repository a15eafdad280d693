"""Keyed random streams: a word for every element, found from seed, name and index alone.

Scheme 1. SHA-256 over scheme, seed, logical name and purpose gives 32 bytes: the key of AES-128,
and the value of its 128-bit counter for block 0, big-endian. Block b is the encryption of that
counter plus b; it holds the words 4b to 4b + 3, 32 bits each, little-endian. Element i uses word i.
Nothing depends on what was drawn before, so any slice of a parameter equals the slice of the whole,
on any thread or process. Words and uniforms are the same bits on every machine; golden hashes in
the tests freeze them. A change to this file that moves a bit needs a new scheme number.

Salmon, Moraes, Dror and Shaw 2011, Parallel random numbers: as easy as 1, 2, 3 (SC11,
doi 10.1145/2063384.2063405): a block cipher in counter mode as a random generator.
AES: FIPS 197. Counter mode: NIST SP 800-38A, section 6.5.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray
from torch import Tensor

SCHEME = 1
WORDS_PER_BLOCK = 4

# Encrypting zeros in counter mode gives the key stream itself. There are as many as a block of
# weights takes: between two calls another thread may have to wait for Python.
_ZEROS = memoryview(bytes(1 << 21))
_HALF_CELL = torch.tensor(2.0**-24)


class KeyStream:
    """AES-128 in counter mode as a source of words, read from one place on.

    Args:
        key: 16 bytes.
        counter: the counter of block 0, modulo 2^128.
        start: index of the first word to read.
    """

    def __init__(self, key: bytes, counter: int, start: int = 0) -> None:
        block, skipped = divmod(start, WORDS_PER_BLOCK)
        first = ((counter + block) % (1 << 128)).to_bytes(16, "big")
        self._encryptor = Cipher(algorithms.AES(key), modes.CTR(first)).encryptor()
        self._encryptor.update(_ZEROS[: 4 * skipped])

    def read(self, out: NDArray[np.uint32]) -> None:
        """Fill `out`, contiguous, with the next words."""
        target = out.view(np.uint8).data
        for start in range(0, len(target), len(_ZEROS)):
            piece = target[start : start + len(_ZEROS)]
            self._encryptor.update_into(_ZEROS[: len(piece)], piece)
        if sys.byteorder == "big":
            out.byteswap(inplace=True)


@dataclass(frozen=True)
class Stream:
    """The random words of one purpose of one named thing.

    Args:
        seed: the recipe's seed, any integer.
        name: logical name of the parameter or module.
        purpose: keeps apart several streams of one name.
    """

    seed: int
    name: str
    purpose: str = "values"

    @cached_property
    def key(self) -> bytes:
        """The 32 bytes that set the generator, and nothing else does."""
        fields = (str(SCHEME), str(self.seed), self.name, self.purpose)
        # The separator cannot stand in a field, so that no two keys share a text.
        assert not any("\0" in field for field in fields), f"NUL in {fields}"
        return sha256("\0".join(("seobuilder", *fields)).encode()).digest()

    def for_purpose(self, purpose: str) -> Stream:
        """The stream of another purpose of the same name."""
        return Stream(self.seed, self.name, purpose)

    @property
    def torch_seed(self) -> int:
        """A seed of 64 bits for a generator of torch's own."""
        return int.from_bytes(self.key[:8], "little")

    def words(self, start: int, stop: int) -> NDArray[np.uint32]:
        """Words [start, stop), as uint32 [stop - start]."""
        assert 0 <= start <= stop, f"no such range: {start} to {stop}"
        words = np.empty(stop - start, dtype=np.uint32)
        self.key_stream(start).read(words)
        return words

    def key_stream(self, start: int) -> KeyStream:
        """The words from `start` on."""
        return KeyStream(self.key[:16], int.from_bytes(self.key[16:], "big"), start)

    def uniforms(self, start: int) -> Uniforms:
        """The uniforms from `start` on."""
        return Uniforms(self, start)


class Uniforms:
    """The uniforms in (-1, 1) of a stream's elements, read from one place on.

    The upper 24 bits of a word, as a signed integer k from -2^23 to 2^23 - 1, name a cell of width
    2^-23, and the float32 uniform is the middle of the cell: (k + 1/2) 2^-23. In float64, 29 bits
    of a second stream name a part of that cell, and the uniform is the middle of the part, so that
    it refines the float32 one. Both are exact: they are the odd multiples of 2^-24 and of 2^-53.

    Args:
        stream: the source.
        start: index of the first element to read.
    """

    def __init__(self, stream: Stream, start: int) -> None:
        self._stream = stream
        self._next = start

    @cached_property
    def _words(self) -> KeyStream:
        return self._stream.key_stream(self._next)

    def read_(self, out: Tensor) -> Tensor:
        """Fill `out`, contiguous float32 or float64 [n], with the next uniforms."""
        start, words = self._next, self._words
        self._next += len(out)
        if out.dtype == torch.float32:
            # The words are written into the memory of the uniforms, which stays in the cache.
            cells = out.view(torch.int32)
            _read(words, cells, shift=8)
            return torch.add(_HALF_CELL, out.copy_(cells), alpha=2.0**-23, out=out)
        assert out.dtype == torch.float64, f"no uniforms in {out.dtype}"
        cells = torch.empty(len(out), dtype=torch.int32)
        _read(words, cells, shift=8)
        out.copy_(cells)
        low = self._stream.for_purpose(f"{self._stream.purpose}, low bits").key_stream(start)
        _read(low, cells, shift=3)
        # The shift filled with the sign, which the mask takes away.
        parts = cells.bitwise_and_(2**29 - 1).to(torch.float64)
        return out.add_(parts.add_(0.5).mul_(2.0**-29)).mul_(2.0**-23)


def _read(source: KeyStream, out: Tensor, *, shift: int) -> None:
    """Fill `out`, contiguous int32, with the next words, read as signed and shifted right."""
    array = out.numpy()
    source.read(array.view(np.uint32))
    np.right_shift(array, shift, out=array)
