"""GBNF as Lark: what is a word, what is a sentence, and how each part is written."""

from __future__ import annotations

import pytest

from pointsman.engines.lark import lark_of
from pointsman.engines.schema_grammar import Until


@pytest.mark.parametrize(
    ("gbnf", "lark"),
    [
        ('"a" | "b"', '"a" | "b"'),
        ('"a\\n\\"\\\\é"', '"a\\n\\"\\\\é"'),
        ('| " " | "x"', '"" | " " | "x"'),
        ('"a" ( | "b")', '"a" ( "" | "b" )'),
        ('"a" ("b" | )', '"a" ( "b" | "" )'),
        ("[^a-z/]{0,3} [0-9]+", r"/[^a-z\/]/ {0,3} /[0-9]/ +"),
    ],
)
def test_parts(gbnf: str, lark: str) -> None:
    """Texts, sets of characters, repeats and empty ways keep what they mean."""
    assert lark_of({"root": gbnf}) == f"start: {lark}\n"


def test_words_and_sentences() -> None:
    """A rule that leads back to itself is a sentence, written small; others are words; what is not used is left out."""
    rules = {"root": "list", "list": '"[" (item ("," item)*)? "]"', "item": "list | n", "n": "[0-9]+", "more": '"x"'}
    names = [line.split(":")[0] for line in lark_of(rules).splitlines()]
    assert names == ["start", "list", "item", "N"]


def test_text_up_to_a_mark() -> None:
    """Text is a word up to its mark or to its end, whatever its rules for single characters say."""
    until = Until("[a] r0", "</", 'r1 "!"', True, "{")
    written = lark_of({"root": "r0", "r0": until, "r1": '"x" r1 | "y"'})
    assert 'r0: R0U r1 "!" | R0T\n' in written
    assert "R0U: /(.|\\n)*\\x{3C}\\x{2F}/ & ~/(.|\\n)*\\x{3C}\\x{2F}(.|\\n)+/ & ~/[\\x{7B}](.|\\n)*/\n" in written
    assert "R0T: /(.|\\n)*/ & ~/(.|\\n)*\\x{3C}\\x{2F}(.|\\n)*/ & ~/[\\x{7B}](.|\\n)*/\n" in written


def test_text_without_a_mark() -> None:
    """Where the mark never comes, there is but the text without it."""
    assert "R0: R0T\n" in lark_of({"root": "r0", "r0": Until("[a] r0", "<|", None, True, "")})
