"""Tokens of models in folders: their bytes, what ends an answer, and where the chat template is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from pointsman.engines.failures import LoadFailed
from pointsman.engines.mlx_tokens import Tokens


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer in the manner of SentencePiece: words with a mark before them, single bytes, control tokens."""
    words = ["<unk>", "<s>", "</s>", "<0xE2>", "<0x82>", "<0xAC>", "\u2581", "a", "b", "\u2581a", "ab"]
    made = Tokenizer(
        models.BPE(
            vocab={word: at for at, word in enumerate(words)},
            merges=[("\u2581", "a"), ("a", "b")],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    made.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.add_tokens([AddedToken(one, special=True) for one in ("<unk>", "<s>", "</s>", "<|eot_id|>")])
    made.add_tokens([AddedToken("<tool>", special=False), AddedToken("[CALL]", special=True)])
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def tokens(folder: Path, config: dict[str, Any] | None = None, **told: Any) -> Tokens:
    """With these words in tokenizer_config.json."""
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return Tokens(folder, config or {}, 20)


def test_bytes(folder: Path) -> None:
    """A mark of a space is a space, a byte is a byte, and control tokens are silent until they are shown."""
    made = tokens(folder)
    ids = made.encode("ab a\u20ac<s><tool>[CALL]")
    assert [made.piece(one) for one in ids] == [b"ab", b" a", b"\xe2", b"\x82", b"\xac", b"", b"<tool>", b""]
    made.show(["[CALL]", "<tool>", "no token of its own"])
    assert made.piece(ids[-1]) == b"[CALL]" and made.piece(ids[-3]) == b""


def test_more_tokens_than_texts(folder: Path) -> None:
    """A network may know more tokens than the tokenizer: they have no bytes."""
    assert tokens(folder).piece(19) == b""


def test_half_a_surrogate(folder: Path) -> None:
    """Text that is no text is read as far as it goes."""
    assert tokens(folder).encode("a\ud800b")


@pytest.mark.parametrize(
    ("config", "told", "ending"),
    [
        ({}, {}, {"<|eot_id|>"}),
        ({"eos_token_id": 2}, {}, {"</s>", "<|eot_id|>"}),
        ({"eos_token_id": [1, 2]}, {}, {"<s>", "</s>", "<|eot_id|>"}),
        ({}, {"eos_token": "</s>"}, {"</s>", "<|eot_id|>"}),
        ({}, {"eos_token": {"content": "</s>"}}, {"</s>", "<|eot_id|>"}),
        ({"eos_token_id": 999}, {"eos_token": "ab"}, {"<|eot_id|>"}),
    ],
)
def test_what_ends_an_answer(folder: Path, config: dict[str, Any], told: dict[str, Any], ending: set[str]) -> None:
    """What the files name, and the marks that end a turn in every family; only control tokens do."""
    made = tokens(folder, config, **told)
    assert made.ending == {made.single(one) for one in ending}


def test_chat_template(folder: Path) -> None:
    """In a file of its own, in the settings, or among several there."""
    assert tokens(folder).template is None
    assert tokens(folder, chat_template="one").template == "one"
    several = [{"name": "tool_use", "template": "two"}, {"name": "default", "template": "three"}]
    assert tokens(folder, chat_template=several).template == "three"
    (folder / "chat_template.jinja").write_text("four")
    assert tokens(folder, chat_template="one").template == "four"


def test_files_that_cannot_be_read(folder: Path) -> None:
    """They are told by their names."""
    (folder / "tokenizer_config.json").write_text("[]")
    with pytest.raises(LoadFailed, match=r"^tokenizer_config\.json of .* cannot be read\.$"):
        Tokens(folder, {}, 20)
    (folder / "tokenizer_config.json").unlink()
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(LoadFailed, match=r"^tokenizer\.json of .* cannot be read\.$"):
        Tokens(folder, {}, 20)
