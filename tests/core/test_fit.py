"""How a model is loaded into what is free, and how fast it will be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pointsman.core import fit
from pointsman.core.fit import MIB, Room, Setting
from pointsman.core.model_shape import Layer, Shape

GB = 10**9


def shape(
    *, layers: int = 32, window: int = 0, experts: float = 0.0, tied: bool = False, squeezes: bool = True
) -> Shape:
    """Like a model of eight billion weights."""
    each = 130 * MIB
    return Shape(
        architecture="llama",
        layers=tuple(
            Layer(
                weights=each, experts=int(each * experts), keys=1024, values=1024, window=bool(window) and at % 2 == 0
            )
            for at in range(layers)
        ),
        embedding=300 * MIB,
        output=400 * MIB,
        tied=tied,
        context=131_072,
        vocabulary=128_000,
        step=60_000,
        window=window,
        active=0.125 if experts else 1.0,
        squeezes=squeezes,
    )


def test_what_is_kept_of_a_token() -> None:
    """Keys and values of every layer, in sixteen bits or in eight and a half."""
    whole = fit.memory(shape(), Setting(context=8192))
    assert whole.kept == 8192 * 32 * 2048 * 2
    assert fit.memory(shape(), Setting(context=8192, kv="q8_0")).kept == 8192 * 32 * 2048 * 34 // 32
    assert fit.memory(shape(), Setting(context=8000)).kept == whole.kept * 8192 // 8192, "contexts are rounded up"


def test_layers_with_a_window_keep_little() -> None:
    """The window for each slot and one step, where they may forget."""
    wide = fit.memory(shape(window=1024), Setting(context=65_536))
    narrow = fit.memory(shape(window=1024), Setting(context=65_536, whole=False))
    assert wide.kept - narrow.kept == 16 * 4096 * (65_536 - (1024 * 4 + 512))


def test_the_order_of_settings() -> None:
    """The whole context first; a window that forgets before rounding, and rounding before a shorter context."""
    found = [(one.context, one.whole, one.kv) for one in fit.options(shape(window=1024), 8192)]
    assert found == [
        *((8192, True, "f16"), (8192, False, "f16"), (8192, False, "q8_0")),
        *((4096, True, "f16"), (4096, False, "f16"), (4096, False, "q8_0")),
    ]
    assert [one.context for one in fit.options(shape(squeezes=False), 10_000)] == [10_000, 5000, 4096]
    assert [one.context for one in fit.options(shape(), 1000)] == [1000, 1000], "a short one is not made shorter"


def test_no_more_context_than_it_was_trained_for() -> None:
    """It would answer nonsense."""
    assert next(fit.options(shape(), 1 << 20)).context == 131_072


def test_without_a_graphics_device() -> None:
    """All in main memory, the best setting that fits."""
    found = fit.choose(shape(), 32_768, Room(main=40 * GB))
    assert found and found.setting == Setting(context=32_768) and found.gpu == 0
    tight = fit.choose(shape(), 32_768, Room(main=8 * GB))
    assert tight and (tight.setting.context, tight.setting.kv) == (32_768, "q8_0")
    tighter = fit.choose(shape(), 32_768, Room(main=6 * GB))
    assert tighter and tighter.setting.context < 32_768
    assert fit.choose(shape(), 32_768, Room(main=4 * GB)) is None


def test_all_of_it_on_the_graphics_device() -> None:
    """Where it fits, even with a shorter context; main memory keeps the embedding and the program."""
    found = fit.choose(shape(), 32_768, Room(main=40 * GB, gpu=12 * GB, gpus=1))
    assert found and found.setting == Setting(context=32_768, gpu_layers=33)
    assert found.main < GB < found.gpu <= 12 * GB


def test_part_of_it_on_the_graphics_device() -> None:
    """As many layers as there is room for."""
    found = fit.choose(shape(), 8192, Room(main=40 * GB, gpu=3 * GB, gpus=1))
    assert found and 0 < found.setting.gpu_layers < 33
    more = fit.split(shape(), Setting(context=8192, gpu_layers=found.setting.gpu_layers + 1))
    assert more[1] > 3 * GB


def test_shared_memory_is_counted_once_in_all() -> None:
    """A Mac's graphics device takes from main memory."""
    room = Room(main=12 * GB, gpu=12 * GB, gpus=1, shared=True)
    found = fit.choose(shape(), 8192, room)
    assert found and found.setting.gpu_layers == 33 and found.main > found.gpu


@given(
    context=st.integers(256, 200_000),
    main=st.integers(0, 60).map(lambda size: size * GB),
    gpu=st.integers(0, 30).map(lambda size: size * GB),
    gpus=st.integers(0, 2),
    shared=st.booleans(),
    window=st.sampled_from([0, 512]),
)
def test_what_is_chosen_fits(context: int, main: int, gpu: int, gpus: int, *, shared: bool, window: int) -> None:
    """Whatever the machine; and where nothing is chosen, nothing would have fitted."""
    given_ = shape(window=window)
    room = Room(main=main, gpu=gpu if gpus else 0, gpus=gpus, shared=shared)
    found = fit.choose(given_, context, room)
    if found is None:
        assert fit.least(given_, context) > room.main
        return
    need = fit.split(given_, found.setting, gpus=room.gpus)
    assert (found.main, found.gpu) == (need[0] + (need[1] if shared else 0), need[1])
    assert found.main <= room.main and found.gpu <= room.gpu
    assert min(context, fit.LEAST_CONTEXT) <= found.setting.context <= context


@given(layers=st.integers(0, 33), tied=st.booleans())
def test_nothing_is_lost_between_both_memories(layers: int, *, tied: bool) -> None:
    """Together they take at least as much as one would."""
    given_, setting = shape(tied=tied), Setting(context=8192, gpu_layers=layers)
    assert sum(fit.split(given_, setting)) >= fit.memory(given_, setting).total
    assert fit.split(given_, Setting(context=8192, gpu_layers=34)) == fit.split(
        given_, Setting(context=8192, gpu_layers=33)
    )


def test_speed() -> None:
    """What a token reads, at six tenths of the memory's bandwidth."""
    one = fit.speed(shape(), Setting(context=8192), 60e9, None)
    assert one == pytest.approx(60e9 * 0.6 / (32 * 130 * MIB + 400 * MIB + 8192 * 32 * 4096 / 4), rel=0.01)
    moe = fit.speed(shape(experts=0.9), Setting(context=8192), 60e9, None)
    assert moe and one and moe > 3 * one, "a token uses an eighth of the experts"
    assert fit.speed(shape(), Setting(context=8192, gpu_layers=33), 60e9, None) is None, "nobody knows"
    both = fit.speed(shape(), Setting(context=8192, gpu_layers=17), 60e9, 600e9)
    all_ = fit.speed(shape(), Setting(context=8192, gpu_layers=33), 60e9, 600e9)
    assert both and all_ and one < both < all_ == pytest.approx(10 * one)


def test_a_model_that_reads_texts_whole() -> None:
    """Its memory grows with the longest text, so that may become shorter than a conversation may; fits as it is loaded."""
    reads = structs.replace(shape(), vectors="whole", scores=False)
    settings = list(fit.options(reads, 8192))
    assert all((one.step, one.slots) == (one.context, fit.TEXTS) for one in settings)
    assert settings[-1].context == 512 < fit.LEAST_CONTEXT
    sizes = [fit.memory(reads, one).total for one in settings if one.kv == "f16"]
    assert sizes == sorted(sizes, reverse=True)
    # A row of numbers for each token of its vocabulary comes with each token of the text.
    assert fit.memory(reads, settings[0]).other > 4 * 8192 * reads.vocabulary


def test_a_model_that_reads_texts_in_pieces() -> None:
    """As many tokens of a step as of a conversation's; windows are not used."""
    reads = structs.replace(shape(window=512), vectors="pieces")
    assert {(one.step, one.whole) for one in fit.options(reads, 8192)} == {(512, True)}
    assert fit.memory(reads, Setting(context=8192)).compute > fit.memory(shape(), Setting(context=8192)).compute


def test_a_sketch_is_near_what_it_stands_for() -> None:
    """Of a model that is not here: Qwen 3 8B in Q5_K_M takes 5.8 GB and 144 KiB for each token."""
    found = fit.memory(
        fit.sketch(size=5_850_000_000, layers=36, kept=147_456, active=5_850_000_000), Setting(context=32_768)
    )
    assert 5.85e9 + 32_768 * 147_456 < found.total < 1.06 * (5.85e9 + 32_768 * 147_456) + 100 * MIB
