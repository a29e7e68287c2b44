"""The models on offer for this machine: how coarsely they are rounded, and figures that fit one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.core import fit
from pointsman.core.catalog import Source, Target, read
from pointsman.core.fit import Setting
from pointsman.core.offers import offered

TEXT = (Path(__file__).parents[2] / "models.toml").read_text(encoding="utf-8")
OFFERS = [one for one in read([Source("models.toml", TEXT)]).by_tier("local") if one.about is not None]
FILES = [one for one in OFFERS if one.engine == "llama_cpp"]
FINE = {"Q5_K_M", "Q6_K", "Q8_0", "MXFP4"}  # the last as its makers trained it


def rounding(target: Target) -> str:
    """What a source says of it."""
    return (target.source or "").rpartition(":")[2]


@pytest.mark.parametrize("target", FILES, ids=lambda one: one.name)
def test_what_reasons_codes_or_calls_is_rounded_finely(target: Target) -> None:
    """Four bits are for what classifies and extracts; two and three for nothing."""
    assert rounding(target) in FINE | {"Q4_K_M"}
    if {"tools", "reasoning"} & target.can or (target.about and target.about.use in ("code", "tools", "reasoning")):
        assert rounding(target) in FINE


@pytest.mark.parametrize("target", OFFERS, ids=lambda one: one.name)
def test_its_figures_fit_one_another(target: Target) -> None:
    """No token reads more than there is; what is kept of one is whole in each layer, of keys and values alike."""
    about = target.about
    assert about is not None and about.licence
    assert 0 < about.active <= about.size
    assert about.kept % (about.layers * 2 * 2 * 32) == 0
    assert (2_048 if "embeddings" in target.can else 8_192) <= target.context <= 131_072


@pytest.mark.parametrize("target", OFFERS, ids=lambda one: one.name)
def test_it_takes_what_it_weighs_and_some(target: Target) -> None:
    """The sketch that is offered before a download is of the size that is downloaded."""
    shape = offered(target)
    assert shape is not None and target.about is not None
    taken = fit.memory(shape, Setting(context=target.context)).total
    assert target.about.size <= shape.weights * 1.01 < taken < 2.5 * target.about.size + (4 << 30)
    assert (shape.squeezes, shape.divides) == (target.engine != "mlx", target.engine != "mlx")
