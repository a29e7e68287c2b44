"""A byte-level BPE tokenizer that cuts text exactly as llama.cpp's "qwen2" tokenizer does.

It has to: text that is cut differently in training and in use is text the model never saw.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKS = (
    "<tools>",
    "</tools>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
)

_MARKED = re.compile("(" + "|".join(map(re.escape, CONTROL + MARKS)) + ")")
# The qwen2 rule, with \p{L} and \p{N} spelled in the terms of Python's own `re`.
_WORD = re.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|(?:[^\w\r\n]|_)?[^\W\d_]+|\d"
    r"| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

Pair = tuple[str, str]


def _byte_letters() -> dict[int, str]:
    """The printable letter that GPT-2 and its heirs write for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + place) for place, byte in enumerate(others)}


LETTERS = _byte_letters()


def _spell(word: str) -> tuple[str, ...]:
    return tuple(LETTERS[byte] for byte in word.encode())


def _words(text: str) -> Iterator[str]:
    """The words of a text without its control tokens and marks."""
    for piece in _MARKED.split(text):
        if piece not in CONTROL and piece not in MARKS:
            yield from _WORD.findall(piece)


def _merge(parts: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    """Join every place where the pair stands."""
    joined: list[str] = []
    for part in parts:
        # A part that was joined just now cannot equal the left half, so no place is joined twice.
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def learn_merges(texts: Iterable[str], count: int) -> list[Pair]:
    """The most common pair, again and again; a tie goes to the last in the alphabet."""
    counted = Counter(word for text in texts for word in _words(text))
    spelled = [(_spell(word), times) for word, times in counted.items()]
    merges: list[Pair] = []
    for _ in range(count):
        pairs: Counter[Pair] = Counter()
        for parts, times in spelled:
            for pair in pairwise(parts):
                pairs[pair] += times
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        spelled = [(_merge(parts, best), times) for parts, times in spelled]
    return merges


class Tokenizer:
    """Turns text into token ids; the ids are bytes first, then merges, marks and control tokens."""

    def __init__(self, merges: list[Pair]) -> None:
        self.merges = merges
        self.tokens = [*LETTERS.values(), *(a + b for a, b in merges), *MARKS, *CONTROL]
        self._known: dict[str, list[int]] = {}

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each token."""
        return {token: place for place, token in enumerate(self.tokens)}

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        return {pair: place for place, pair in enumerate(self.merges)}

    def _word(self, word: str) -> list[int]:
        """Merge a word's bytes, the pair that was learned first going first."""
        parts = _spell(word)
        while known := [pair for pair in pairwise(parts) if pair in self._ranks]:
            parts = _merge(parts, min(known, key=self._ranks.__getitem__))
        return [self.ids[part] for part in parts]

    def _piece(self, piece: str) -> Iterator[int]:
        if piece in CONTROL or piece in MARKS:
            yield self.ids[piece]
            return
        for word in _WORD.findall(piece):
            if word not in self._known:
                self._known[word] = self._word(word)
            yield from self._known[word]

    def encode(self, text: str) -> list[int]:
        """The token ids of a text; control tokens and marks are read as what they are."""
        return [token for piece in _MARKED.split(text) for token in self._piece(piece)]


def make_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of just that many tokens, learned from the texts."""
    fixed = len(LETTERS) + len(MARKS) + len(CONTROL)
    return Tokenizer(learn_merges(texts, size - fixed))
