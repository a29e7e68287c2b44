"""The tokens of a model in a folder: text to tokens, each token's bytes, and the chat template beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from pointsman.engines.failures import LoadFailed
from pointsman.engines.mlx_files import read_json

# Control tokens that end a turn whatever the model's files say, as llama.cpp knows them.
_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|return|>", "<|call|>", "<end_of_turn>")
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Tokens:
    """`size` is how many the network knows, which may be more than have a text."""

    def __init__(self, folder: Path, config: Mapping[str, Any], size: int) -> None:
        self._tokenizer = _tokenizer(folder)
        told = read_json(folder / "tokenizer_config.json")
        self.bos, self.eos = _text(told.get("bos_token")), _text(told.get("eos_token"))
        self.template = _template(folder, told)
        self._added = self._tokenizer.get_added_tokens_decoder()
        self._control = frozenset(token for token, one in self._added.items() if one.special)
        self._pieces = list(self._decoded(size))
        self.ending = frozenset(self._endings(config)) & frozenset(range(size))
        self.shown: frozenset[int] = frozenset()

    def encode(self, text: str) -> list[int]:
        """Marks in the text become their tokens; nothing is added to it."""
        # Half a surrogate is no character, and the tokenizer takes none.
        whole = text.encode("utf-8", "replace").decode()
        return list(self._tokenizer.encode(whole, add_special_tokens=False).ids)

    def single(self, text: str) -> int | None:
        """The token that is just this text, if there is one."""
        tokens = self.encode(text)
        return tokens[0] if len(tokens) == 1 else None

    def show(self, marks: Sequence[str]) -> None:
        """Let these be read even where they are control tokens."""
        self.shown = frozenset(token for mark in marks if (token := self.single(mark)) is not None)

    def piece(self, token: int) -> bytes:
        """The bytes of a token; control tokens are empty but for those that are shown."""
        return b"" if token in self._control and token not in self.shown else self._pieces[token]

    def _decoded(self, size: int) -> Iterator[bytes]:
        decode = _decoder(json.dumps(json.loads(self._tokenizer.to_str()).get("decoder")))
        for token in range(size):
            text = self._tokenizer.id_to_token(token)
            if token in self._added:
                yield self._added[token].content.encode()
            else:
                yield decode(text) if text is not None else b""

    def _endings(self, config: Mapping[str, Any]) -> Iterator[int]:
        told = config.get("eos_token_id")
        yield from told if isinstance(told, list) else [] if told is None else [told]
        for text in (self.eos, *_ENDS):
            if (token := self._tokenizer.token_to_id(text)) in self._control:
                yield token


def _tokenizer(folder: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # noqa: BLE001 - the library raises plain exceptions
        raise LoadFailed(f"tokenizer.json of {folder.name} cannot be read.") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _text(token: Any) -> str:
    """Some files hold a token as an object."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else ""


def _template(folder: Path, told: Mapping[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8", errors="replace")
    given = told.get("chat_template")
    if isinstance(given, list):
        named = {one.get("name"): one.get("template") for one in given if isinstance(one, dict)}
        given = named.get("default")
    return given if isinstance(given, str) else None


def _decoder(kind: str) -> Any:
    """How the text of a token in the file becomes bytes; `kind` is what the file says of its decoder."""
    if '"ByteLevel"' in kind:
        byte_of = {char: byte for byte, char in enumerate(_byte_level())}
        return lambda text: bytes(byte_of[char] for char in text) if all(map(byte_of.__contains__, text)) else b""
    return _spaced


def _spaced(text: str) -> bytes:
    if byte := _BYTE.fullmatch(text):
        return bytes([int(byte[1], 16)])
    return text.replace("\u2581", " ").encode()


def _byte_level() -> str:
    """The character that stands for each byte, as GPT-2 began it."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return "".join(chr(byte if byte in plain else next(others)) for byte in range(0x100))
