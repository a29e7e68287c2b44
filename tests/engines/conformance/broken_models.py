"""What only looks like a model."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path


def broken_files(folder: Path, starter: Path) -> None:
    """Files that only look like models."""
    whole = starter.read_bytes()
    (folder / "garbage").write_bytes(b"not a model" * 1000)
    (folder / "header").write_bytes(b"GGUF" + b"\xff" * 4000)
    (folder / "truncated").write_bytes(whole[: len(whole) // 2])
    (folder / "beginning").write_bytes(whole[:2000])
    (folder / "empty").write_bytes(b"")
    (folder / "claims").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 63, 1 << 63))
    # llama.cpp itself ends its process over this one.
    key = b"qwen3.block_count"
    at = whole.index(key) + len(key) + 4
    (folder / "layers").write_bytes(whole[:at] + struct.pack("<I", 1 << 30) + whole[at + 4 :])
    (folder / "folder").mkdir()


def broken_folders(folder: Path, starter: Path) -> None:
    """Folders, each with one thing that is wrong."""
    (folder / "file").write_bytes(b"not a folder")
    (folder / "empty").mkdir()
    for name in ("weightless", "garbage", "truncated", "partial", "unheard", "settings", "tokenless", "foreign"):
        shutil.copytree(starter, folder / name)
    weights, config = "model.safetensors", json.loads((starter / "config.json").read_bytes())
    whole = (starter / weights).read_bytes()
    (folder / "weightless" / weights).unlink()
    (folder / "garbage" / weights).write_bytes(b"not a model" * 1000)
    (folder / "truncated" / weights).write_bytes(whole[: len(whole) // 2])
    (folder / "partial" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 9}))
    (folder / "unheard" / "config.json").write_text(json.dumps(config | {"model_type": "unheard_of"}))
    (folder / "settings" / "config.json").write_text("not json")
    (folder / "tokenless" / "tokenizer.json").unlink()
    (folder / "foreign" / "config.json").write_text(json.dumps(config | {"model_file": "code.py"}))
    (folder / "foreign" / "code.py").write_text("open('was_here', 'w')")
