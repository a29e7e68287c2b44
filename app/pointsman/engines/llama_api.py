"""llama.cpp's C interface, loaded as it has to be. Only modules named llama* import it."""

from __future__ import annotations

import os

# Spinning threads of libgomp make a busy machine hundreds of times slower; it reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import llama_cpp.llama_cpp as C

__all__ = ["C"]
