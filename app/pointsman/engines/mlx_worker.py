"""The MLX worker: `python -m pointsman.engines.mlx_worker --model FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pointsman.engines.engine import Engine
from pointsman.engines.failures import LoadFailed
from pointsman.engines.interrupt import Interrupt
from pointsman.engines.mlx_files import check_folder
from pointsman.engines.worker import Wanted, run


def main(argv: Sequence[str]) -> int:
    """The exit status."""
    return run(argv, load)


def load(wanted: Wanted, _interrupt: Interrupt) -> Engine:
    """Raises `LoadFailed`. Steps of MLX cannot be interrupted; they are kept short instead."""
    check_folder(Path(wanted.path))  # before MLX is loaded, which takes seconds
    try:  # only now, as what MLX and its tokenizers print must not meet the protocol
        from pointsman.engines.mlx_engine import MlxEngine
        from pointsman.engines.mlx_model import MlxModel
    except ImportError:
        raise LoadFailed("MLX is not installed here; it comes with Pointsman on Apple silicon.") from None
    return MlxEngine(MlxModel(wanted.path, wanted.context), wanted.slots, wanted.tool_format)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
