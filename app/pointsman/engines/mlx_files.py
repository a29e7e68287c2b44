"""The folder of an MLX model, looked at before anything heavy is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pointsman.engines.failures import LoadFailed


def check_folder(folder: Path) -> None:
    """The failures that a person can mend. Raises `LoadFailed`."""
    if not folder.exists():
        raise LoadFailed(f"The model folder {folder.name} is not there.")
    if not (folder / "config.json").is_file():
        raise LoadFailed(f"{folder.name} is not the folder of an MLX model: it has no config.json.")
    if not any(folder.glob("model*.safetensors")):
        raise LoadFailed(f"{folder.name} is not the folder of an MLX model: it has no weights (model*.safetensors).")
    if not (folder / "tokenizer.json").is_file():
        raise LoadFailed(f"{folder.name} has no tokenizer.json, which this engine needs.")
    if "model_file" in read_json(folder / "config.json"):
        raise LoadFailed(f"{folder.name} brings a program of its own to run it, and programs of models are never run.")


def read_json(path: Path) -> dict[str, Any]:
    """Empty when the file is not there. Raises `LoadFailed` on one that is no JSON object."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        read = None
    if not isinstance(read, dict):
        raise LoadFailed(f"{path.name} of {path.parent.name} cannot be read.")
    return read
