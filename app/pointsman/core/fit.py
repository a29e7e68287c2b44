"""How much memory a model takes before it is loaded, how it is best loaded into what is free, and how fast it will be.

Weights and what is kept of each token are exact for the architectures that are known; what a step computes with is
never less than llama.cpp asks for.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, structs

from pointsman.core.model_shape import Layer, Shape

MIB = 1 << 20
LEAST_CONTEXT = 4096
SLOTS = 4  # requests at once, if nothing else is said
MOST_SLOTS = 64
_LEAST_TEXT = 512  # tokens of a text that is read whole: its memory grows with it
TEXTS = 32  # that a model of vectors reads in one step
_KEPT = {"f16": (2, 1), "q8_0": (34, 32)}  # bytes for so many numbers
_CELLS = 256  # contexts are rounded up to a multiple of this
_PROCESS = 96 * MIB  # Python, numpy and llama.cpp itself
_DRIVER = 384 * MIB  # what a graphics driver keeps for a process
_USED_BANDWIDTH = 0.6  # of what the memory could give
_USUAL_FILL = 4  # a context is a quarter full


class Setting(Struct, frozen=True, kw_only=True):
    """How a model is loaded. `whole`: layers with a window keep all tokens, so that an earlier prefix can be reused.

    `gpu_layers` counts from the end as llama.cpp does: the output is the first of them, then the last layer.
    """

    context: int
    kv: str = "f16"
    whole: bool = True
    gpu_layers: int = 0
    slots: int = SLOTS
    step: int = 512


class Memory(Struct, frozen=True, kw_only=True):
    """Bytes in one place."""

    weights: int = 0
    kept: int = 0
    state: int = 0
    compute: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        """All together."""
        return self.weights + self.kept + self.state + self.compute + self.other


class Room(Struct, frozen=True, kw_only=True):
    """What may be taken, in bytes: main memory, and that of `gpus` graphics devices; `shared` when they are one."""

    main: int
    gpu: int = 0
    gpus: int = 0
    shared: bool = False


class Fit(Struct, frozen=True, kw_only=True):
    """A setting that fits, with what it takes."""

    setting: Setting
    main: int
    gpu: int = 0

    def takes(self) -> dict[str, int]:
        """By pool."""
        return {"main": self.main, "gpu": self.gpu} if self.gpu else {"main": self.main}


def slots(wanted: int | None) -> int:
    """How many requests a worker answers at once."""
    return min(wanted or SLOTS, MOST_SLOTS)


def memory(shape: Shape, setting: Setting) -> Memory:
    """What it takes where all of it lies in one place."""
    rows = max(setting.slots, setting.step) if shape.vectors else setting.slots
    return Memory(
        weights=shape.weights,
        kept=sum(_kept(layer, shape, setting) for layer in shape.layers),
        state=setting.slots * sum(layer.state for layer in shape.layers),
        compute=_compute(shape, setting),
        other=_PROCESS + 4 * rows * shape.vocabulary + (rows * shape.step if shape.vectors else 0),
    )


def split(shape: Shape, setting: Setting, *, gpus: int = 1) -> tuple[int, int]:
    """Bytes of main memory and of graphics memory."""
    whole = memory(shape, setting)
    if not setting.gpu_layers:
        return whole.total, 0
    moved = shape.layers[len(shape.layers) - _on_gpu(shape, setting) :]
    weights = shape.output + sum(layer.weights for layer in moved)
    kept = sum(_kept(layer, shape, setting) + setting.slots * layer.state for layer in moved)
    again = shape.embedding if shape.tied else 0  # in both places
    gpu = weights + again + kept + gpus * (whole.compute + _DRIVER)
    return whole.total - weights - kept, gpu


def _on_gpu(shape: Shape, setting: Setting) -> int:
    """How many whole layers lie there."""
    return min(max(0, setting.gpu_layers - 1), len(shape.layers))


def options(shape: Shape, context: int, slots: int = SLOTS) -> Iterator[Setting]:
    """Settings, the best first: the whole context before rounding, rounding before a shorter context."""
    wanted = min(context, shape.context) if shape.context else context
    least = min(wanted, _LEAST_TEXT if shape.vectors == "whole" else LEAST_CONTEXT)
    windowed = not shape.vectors and any(layer.window for layer in shape.layers)
    while True:
        usual = _usual(shape, wanted, slots)
        yield usual
        if windowed:
            yield structs.replace(usual, whole=False)
        if shape.squeezes:
            yield structs.replace(usual, kv="q8_0", whole=not windowed)
        if wanted == least:
            return
        wanted = max(least, wanted // 2)


def _usual(shape: Shape, context: int, slots: int) -> Setting:
    """As a worker loads it: one that makes vectors takes many texts at once, and some take each in one step."""
    usual = Setting(context=context, slots=slots)
    if not shape.vectors:
        return usual
    return structs.replace(usual, slots=TEXTS, step=context if shape.vectors == "whole" else min(usual.step, context))


def choose(shape: Shape, context: int, room: Room, slots: int = SLOTS) -> Fit | None:
    """The best setting that fits, None where none does."""
    candidates = list(options(shape, context, slots))
    if room.gpus:
        everything = len(shape.layers) + 1
        for one in candidates:
            if found := _fitting(shape, structs.replace(one, gpu_layers=everything), room):
                return found
        if not shape.divides:
            return None
    for one in candidates:
        for layers in range(len(shape.layers) if room.gpus else 0, -1, -1):
            if found := _fitting(shape, structs.replace(one, gpu_layers=layers), room):
                return found
    return None


def least(shape: Shape, context: int, slots: int = SLOTS) -> int:
    """The bytes below which nothing of `choose` fits."""
    return min(memory(shape, one).total for one in options(shape, context, slots))


def _fitting(shape: Shape, setting: Setting, room: Room) -> Fit | None:
    main, gpu = split(shape, setting, gpus=room.gpus)
    main += gpu if room.shared else 0
    return Fit(setting=setting, main=main, gpu=gpu) if main <= room.main and gpu <= room.gpu else None


def cells(setting: Setting) -> int:
    """For so many tokens there is a place."""
    return _rounded(setting.context)


def _rounded(count: int) -> int:
    return -(-count // _CELLS) * _CELLS


def _window_cells(shape: Shape, setting: Setting) -> int:
    whole = cells(setting)
    return whole if setting.whole else _rounded(min(whole, shape.window * setting.slots + setting.step))


def _kept(layer: Layer, shape: Shape, setting: Setting) -> int:
    places = _window_cells(shape, setting) if layer.window else cells(setting)
    size, count = _KEPT[setting.kv]
    return places * (layer.keys * size // count + layer.values * size // count)


def _compute(shape: Shape, setting: Setting) -> int:
    seen = cells(setting)
    if any(layer.window for layer in shape.layers):
        seen += _window_cells(shape, setting)
    states = 2 * setting.slots * max((layer.state for layer in shape.layers), default=0)
    rows = setting.step if shape.vectors else setting.slots  # of which it weighs the next token
    scores = 4 * rows * shape.vocabulary if shape.scores else 0
    return setting.step * ((4 if shape.vectors else 2) * seen + 4 * shape.step) + scores + states


def speed(shape: Shape, setting: Setting, main: float, gpu: float | None) -> float | None:
    """Tokens a second of one answer, from the bandwidth of both memories in bytes a second; None: not known."""
    if setting.gpu_layers and not gpu:
        return None
    read = [_read(layer, shape, setting) for layer in shape.layers]
    head, on = shape.embedding if shape.tied else shape.output, _on_gpu(shape, setting)
    slow, quick = sum(read[: len(read) - on]), sum(read[len(read) - on :])
    slow, quick = (slow, quick + head) if setting.gpu_layers else (slow + head, quick)
    seconds = slow / (main * _USED_BANDWIDTH) + (quick / (gpu * _USED_BANDWIDTH) if gpu else 0.0)
    return 1 / seconds if seconds else None


def _read(layer: Layer, shape: Shape, setting: Setting) -> float:
    """Bytes that one token reads of a layer."""
    idle = layer.experts * (1 - shape.active)
    return layer.weights - idle + _kept(layer, shape, setting) / _USUAL_FILL + layer.state


def sketch(*, size: int, layers: int, kept: int, active: int, whole: bool = False) -> Shape:
    """The shape of a model of which only its size, its layers and the bytes kept of a token (f16) are known.

    `active` are the bytes of weights that one token reads; a `whole` one is neither rounded nor divided (MLX).
    """
    each = Layer(
        weights=size // layers,
        experts=size // layers,
        keys=-(-kept // layers // 4),
        values=-(-kept // layers // 4),
    )
    # A step of a model of this size: its widths grow as the root of the weights that a token uses of a layer.
    step = int(12 * (max(active, 1) / layers) ** 0.5)
    return Shape(
        architecture="",
        layers=(each,) * layers,
        embedding=0,
        output=0,
        tied=False,
        context=0,
        vocabulary=152_064,
        step=step,
        active=min(1.0, active / size),
        squeezes=not whole,
        divides=not whole,
    )
