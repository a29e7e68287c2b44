from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.catalog import Allowance, Source, read
from pointsman.core.errors import SetupError
from pointsman.core.pricing import Rates
from pointsman.store import own_models

MINE = """\
# what I want
[targets.mine]   # a server of ours
tier = "private"
provider = "ours"

[providers.ours]
base_url = "http://10.0.0.5/v1"   # the big one

[targets.other]
tier = "cloud"
provider = "ours"
price = "auto"   # for now
"""
RULE = Allowance(name="code may", agent="Claude Code", target="mine", cap="daily", over=700_000)


def test_a_rule_is_added_and_nothing_else_changes() -> None:
    """Comments, order and spelling stay; what is added is the very text that was shown."""
    text = own_models.with_allowances(MINE, [RULE])
    assert text == MINE + "\n" + own_models.as_text([RULE])
    assert read([Source("models.toml", text)]).allowances == (RULE,)


def test_a_rule_of_the_same_name_takes_the_old_ones_place() -> None:
    """Only its amount changes."""
    once = own_models.with_allowances(MINE, [RULE])
    larger = Allowance(name="code may", agent="Claude Code", target="mine", cap="daily", over=1_400_000)
    assert own_models.with_allowances(once, [larger]) == once.replace("over = 0.7", "over = 1.4")


def test_a_rule_is_taken_out_again() -> None:
    """Of several, only this one; the last one leaves nothing behind."""
    other = Allowance(name="other", agent="a", target="other", cap="monthly", over=1)
    both = own_models.with_allowances(MINE, [RULE, other])
    assert own_models.without_allowance(both, "other").rstrip() == own_models.with_allowances(MINE, [RULE]).rstrip()
    one = own_models.without_allowance(both, "code may")
    assert read([Source("models.toml", one)]).allowances == (other,)
    assert own_models.without_allowance(one, "other").rstrip() == MINE.rstrip()
    assert own_models.without_allowance(MINE, "none") == MINE


def test_a_price_is_the_targets_own_with_its_day() -> None:
    """For a target that stands there, and for one that does not."""
    text = own_models.with_price(MINE, "mine", (3_000_000, 15_000_000), "2026-11-21")
    text = own_models.with_price(text, "other", (1, 3_750_000), "2026-11-21")
    prices = {name: target.price for name, target in read([Source("models.toml", text)]).targets.items()}
    given_, tiny = prices["mine"], prices["other"]
    assert isinstance(given_, Rates) and isinstance(tiny, Rates)
    assert (given_.input, given_.output, given_.dated) == (3_000_000, 15_000_000, "2026-11-21")
    assert (tiny.input, tiny.output) == (1, 3_750_000)
    assert "# a server of ours" in text and "# given on 2026-11-21, when you were asked" in text


def test_a_price_for_a_target_of_another_file() -> None:
    """Only the price is written: the rest of the target stays where it stands."""
    text = own_models.with_price("", "openai/big:free", (2_000_000, 4_000_000), "2026-11-21")
    shipped = MINE + '[targets."openai/big:free"]\ntier = "cloud"\nprovider = "ours"\n'
    found = read([Source("models.toml", shipped), Source("own.toml", text)]).targets["openai/big:free"].price
    assert isinstance(found, Rates)
    assert found.output == 4_000_000


def test_limits_of_a_target_are_written_and_written_over() -> None:
    """For one that stands there and one that does not; what else is said of it stays."""
    text = MINE + "\n[limits]\nqueue = 9\n[limits.targets.mine]\ntokens_per_minute = 100  # ours\n"
    text = own_models.with_limits(text, "mine", 3, 12)
    text = own_models.with_limits(own_models.with_limits(text, "a/b:c", 1, 1), "a/b:c", 2, 7)
    shipped = '[targets."a/b:c"]\ntier = "local"\nengine = "llama_cpp"\nsource = "x.gguf"\ncontext = 512\n'
    limits = read([Source("models.toml", shipped), Source("own.toml", text)]).limits
    mine, other = limits.of_target("mine"), limits.of_target("a/b:c")
    assert (mine.slots, mine.queue, mine.tokens_per_minute) == (3, 12, 100)
    assert (other.slots, other.queue) == (2, 7)
    assert limits.of_target("nobody").queue == 9
    assert "# ours" in text


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


@given(name=names, agent=names, cap=names, over=st.integers(0, 10**12), price=st.tuples(*[st.integers(0, 10**12)] * 2))
def test_what_is_written_is_what_is_read(name: str, agent: str, cap: str, over: int, price: tuple[int, int]) -> None:
    """To the micro-dollar, whatever is in a name."""
    if not (name.strip() and agent.strip() and cap.strip()):
        return
    rule = Allowance(name=name, agent=agent, target="mine", cap=cap, over=over)
    text = own_models.with_price(own_models.with_allowances(MINE, [rule]), "mine", price, "2026-11-21")
    catalog = read([Source("models.toml", text)])
    found = catalog.targets["mine"].price
    assert isinstance(found, Rates)
    assert (catalog.allowances, (found.input, found.output)) == ((rule,), price)
    assert own_models.from_text(own_models.as_text([rule])) == [rule]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[targets", "is not TOML"),
        ("allowances = 3\n", "are no tables"),
        ('allowances = [{ name = "x" }]\n', "leaves no place"),
    ],
)
def test_a_file_that_cannot_take_it_is_refused_in_words(text: str, sentence: str) -> None:
    """What is wrong and what to do, in one sentence."""
    with pytest.raises(SetupError, match=sentence):
        own_models.with_allowances(text, [RULE])


def test_a_price_in_a_table_written_in_one_line_is_refused() -> None:
    """A table that cannot be added to is left to the person."""
    with pytest.raises(SetupError, match="leaves no place"):
        own_models.with_price("targets = {}\n", "big", (1, 1), "2026-11-21")


def test_the_file_is_replaced_whole_with_its_rights(tmp_path: Path) -> None:
    """No half file, no leftover, and nobody else may read what nobody else could."""
    path = tmp_path / "models.toml"
    own_models.write(path, "a = 1\n")
    path.chmod(0o600)
    own_models.write(path, "b = 2\n")
    assert own_models.read(path) == "b = 2\n"
    assert sys.platform == "win32" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["models.toml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Whoever keeps the file elsewhere finds the change there."""
    kept = tmp_path / "dotfiles.toml"
    kept.write_text("", "utf-8")
    (tmp_path / "models.toml").symlink_to(kept)
    own_models.write(tmp_path / "models.toml", "a = 1\n")
    assert (tmp_path / "models.toml").is_symlink()
    assert kept.read_text("utf-8") == "a = 1\n"


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    """No traceback, and nothing left behind."""
    with pytest.raises(SetupError, match="cannot be written"):
        own_models.write(tmp_path / "gone" / "models.toml", "")
    assert own_models.read(tmp_path / "gone" / "models.toml") == ""


def test_a_file_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    """It is left as it is."""
    (tmp_path / "models.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SetupError, match="cannot be read"):
        own_models.read(tmp_path / "models.toml")
