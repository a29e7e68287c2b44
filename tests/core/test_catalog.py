"""models.toml: what it becomes, and one sentence for each kind of mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.core.catalog import Catalog, CatalogError, Source, Then, When, read
from pointsman.core.pricing import Rates
from pointsman.core.toml_lines import index

SHIPPED = (Path(__file__).parents[2] / "models.toml").read_text(encoding="utf-8")
BASE = """\
[providers.acme]
base_url = "https://api.acme.example/v1/"

[targets.big]
tier = "cloud"
provider = "acme"

[targets.small]
tier = "local"
engine = "llama_cpp"
source = "org/model:Q4_K_M"
context = 8192
can = ["tools"]

[aliases]
smart = ["big"]
"""


def catalog(*texts: str) -> Catalog:
    """The catalog of BASE and of these texts over it, named one.toml, two.toml."""
    names = ("one.toml", "two.toml")
    sources = [Source(name, text) for name, text in zip(names, texts, strict=False)]
    return read([Source("base.toml", BASE), *sources])


def sentence(*texts: str) -> str:
    """The sentence with which these texts over BASE are refused."""
    with pytest.raises(CatalogError) as caught:
        catalog(*texts)
    return caught.value.sentence


def test_the_shipped_file_is_right() -> None:
    """What ships can be read, and its starter runs here."""
    shipped = read([Source("models.toml", SHIPPED)])
    assert shipped.preset == "local-first"
    assert [target.name for target in shipped.by_tier("local") if target.about is None] == ["starter"]
    assert shipped.by_tier("local")[-1].name == "starter", "whoever got a model wants it used before the starter"
    assert all(target.provider in shipped.providers for target in shipped.by_tier("cloud"))


def test_every_table_of_the_schema_is_read() -> None:
    """All tables of the plan are accepted and typed, with times in seconds and money in micro-dollars."""
    read_ = catalog(
        """
        preset = "balanced"
        [tiers.private]
        health_interval = "2m"
        [providers.acme]
        dialect = "messages"
        key = "env"
        key_env = "ACME_KEY"
        region = "eu"
        retention_days = 0
        trains_on_data = false
        terms = "https://acme.example/terms"
        rate_buffer = 0.8
        limit_field = "max_completion_tokens"
        [routing]
        order = "weighted"
        escalation_threshold = 0.7
        [sensitivity]
        secret = "personal"
        default = "internal"
        personal = ["local", "mask"]
        [fallback]
        all_unavailable = "refuse"
        [cascade]
        window = "1h"
        thresholds.small.code = 0.9
        [limits]
        queue = 8
        targets.small.slots = 2
        agents.editor.requests_per_minute = 30
        [runaway]
        spend_per_minute = 0.5
        """
    )
    assert read_.tiers["private"].health_interval == 120.0
    assert read_.providers["acme"].key_env == "ACME_KEY"
    assert read_.providers["acme"].base_url == "https://api.acme.example/v1"
    assert read_.sensitivity.findings == {"secret": "personal"}
    assert read_.sensitivity.personal == ("local", "mask")
    assert read_.cascade.window == 3600.0
    assert read_.cascade.thresholds == {"small": {"code": 0.9}}
    assert read_.limits.targets["small"].slots == 2
    assert read_.limits.agents["editor"].requests_per_minute == 30
    assert read_.runaway.spend_per_minute == 500_000


def test_a_target_over_http_keeps_its_name_upstream() -> None:
    """Without 'model' the target's own name goes upstream."""
    assert catalog().targets["big"].model == "big"


def test_nothing_at_all_is_a_catalog() -> None:
    """No file means defaults and no targets; the three tiers are always there."""
    assert read([]).targets == {}
    assert list(read([]).tiers) == ["local", "private", "cloud"]


def test_a_later_file_wins_setting_by_setting() -> None:
    """One changed setting leaves the others of that target alone."""
    small = catalog("[targets.small]\ncontext = 4096").targets["small"]
    assert (small.context, small.source, small.can) == (4096, "org/model:Q4_K_M", frozenset({"tools"}))


def test_rules_of_later_files_come_first() -> None:
    """The person's rules are asked before the shipped ones, and each knows its line."""
    one = '[[rules]]\nname = "a"\nthen = { tier = "cloud" }\n[[rules]]\nname = "b"\nthen = { target = "smart" }\n'
    two = '\n[[rules]]\nname = "c"\nwhen = { class = "code", tools = true }\nthen = { sensitivity = "internal" }\n'
    rules = catalog(one, two).rules
    assert [(rule.name, rule.where) for rule in rules] == [
        ("c", "two.toml, line 2"),
        ("a", "one.toml, line 1"),
        ("b", "one.toml, line 4"),
    ]
    assert rules[0].when == When(class_="code", tools=True)
    assert rules[2].then == Then(target="smart")


def test_a_price_is_exact() -> None:
    """Dollars per million tokens become micro-dollars without a float in between; cache rates left out are the input's."""
    price = catalog('[targets.big]\nprice = { input = 0.1, output = "0.7", cache_write = 0.30 }').targets["big"].price
    assert price == Rates(
        input=100_000,
        output=700_000,
        cache_read=100_000,
        cache_write_short=300_000,
        cache_write_long=300_000,
        source="one.toml",
        dated="",
    )


def test_a_new_price_replaces_the_old_one_whole() -> None:
    """A cache rate of an older price does not live on in a newer one."""
    old = "[targets.big]\nprice = { input = 3, output = 15, cache_read = 0.3 }"
    price = catalog(old, "[targets.big]\nprice = { input = 2, output = 10 }").targets["big"].price
    assert isinstance(price, Rates)
    assert price.cache_read == 2_000_000


TARGET = "[targets.new]\n"
MISTAKES = [
    ("a = \n", "one.toml, line 1: this is not TOML (Invalid value). Correct the text there."),
    (
        "[routing]\na = 1\na = 2\n",
        "one.toml, line 3: this is not TOML (Cannot overwrite a value). Correct the text there.",
    ),
    ('x = """\n\n', "one.toml, line 3: this is not TOML (Unterminated string). Correct the text there."),
    ("\n[tragets.x]\n", "one.toml, line 2: 'tragets' is not a setting of models.toml. Write 'targets'."),
    ("\n[targets.small]\n\ncontxt = 1\n", "one.toml, line 4: 'contxt' is not a setting of a target. Write 'context'."),
    ("[providers.acme]\nurl = 1\n", "one.toml, line 2: 'url' is not a setting of a provider. Write 'base_url'."),
    ("targets = 3\n", "one.toml, line 1: 'targets' must be a table."),
    ("[targets.small]\ncontext = 1.5\n", "one.toml, line 2: 'context' must be a whole number of at least 1."),
    ("[targets.small]\nweight = true\n", "one.toml, line 2: 'weight' must be a whole number of at least 0."),
    ('[targets.small]\nsource = ""\n', "one.toml, line 2: 'source' must be text in quotes, and not empty."),
    ("[providers.acme]\ntrains_on_data = 0\n", "one.toml, line 2: 'trains_on_data' must be true or false."),
    ('[targets.small]\ntier = "clod"\n', "one.toml, line 2: 'clod' is not a tier. Write 'cloud'."),
    ("[tiers.orbit]\n", "one.toml, line 1: 'orbit' is not a tier. Known are cloud, local, private."),
    ('[targets.big]\nprovider = "acne"\n', "one.toml, line 2: 'acne' is not a provider. Write 'acme'."),
    ('[aliases]\nfast = ["smal"]\n', "one.toml, line 2: 'smal' is not a target. Write 'small'."),
    ("[aliases]\nfast = []\n", "one.toml, line 2: 'fast' must be a list of texts in quotes, and not empty."),
    (
        '[[rules]]\nname = "r"\n[rules.then]\ntarget = "smrt"\n',
        "one.toml, line 4: 'smrt' is not a target or an alias. Write 'smart'.",
    ),
    ("[cascade.thresholds.smal]\ncode = 0.5\n", "one.toml, line 1: 'smal' is not a target. Write 'small'."),
    (
        '[targets.smart]\ntier = "cloud"\nprovider = "acme"\n',
        "one.toml, line 1: 'smart' is an alias too (base.toml, line 16). Give one of them another name.",
    ),
    ('[aliases]\nauto = ["big"]\n', "one.toml, line 2: 'auto' has a meaning of its own. Choose another name."),
    (
        '[targets."a b"]\n',
        "one.toml, line 1: a name is made of letters, digits and . _ : / @ + - and is at most 100 long.",
    ),
    (
        '[providers.acme]\nbase_url = "api.acme.example"\n',
        "one.toml, line 2: 'base_url' must be an address such as \"https://api.example.com/v1\".",
    ),
    (
        '[providers.acme]\nbase_url = "https://me:pass@acme.example"\n',
        "one.toml, line 2: 'base_url' must not hold a user name or password. Keep keys in the keychain.",
    ),
    (
        '[providers.acme]\nbase_url = "https://acme.example/v1?key=1"\n',
        "one.toml, line 2: 'base_url' must end before any '?' or '#'.",
    ),
    ('[providers.new]\nkey = "none"\n', "one.toml, line 1: a provider needs 'base_url'."),
    (
        '[providers.acme]\nkey = "env"\n',
        "one.toml, line 1: key = \"env\" needs 'key_env', the name of the variable that holds the key.",
    ),
    ('[providers.acme]\ndialect = "smoke"\n', "one.toml, line 2: 'dialect' must be one of chat, responses, messages."),
    (
        "[targets.big]\nprice = { input = 1 }\n",
        "one.toml, line 2: a price needs 'output', in dollars per million tokens.",
    ),
    (
        '[targets.big]\nprice = { input = 1, output = "much" }\n',
        "one.toml, line 2: 'output' must be an amount in dollars such as 3.75.",
    ),
    (
        "[targets.big]\nprice = { input = 1, output = -1 }\n",
        "one.toml, line 2: 'output' must be an amount in dollars such as 3.75.",
    ),
    (
        "[targets.big]\nprice = 3\n",
        'one.toml, line 2: \'price\' must be "auto", "free" or a table such as { input = 3.0, output = 15.0 }.',
    ),
    ('[targets.small]\ncan = [\n  "visoin",\n]\n', "one.toml, line 2: 'visoin' cannot stand in 'can'. Write 'vision'."),
    (TARGET, "one.toml, line 1: a target needs 'tier': local, private or cloud."),
    (TARGET + 'tier = "cloud"\n', "one.toml, line 1: a target needs either 'engine' and 'source', or 'provider'."),
    (
        TARGET + 'tier = "cloud"\nengine = "mlx"\nsource = "x"\n',
        'one.toml, line 1: an engine runs on this machine. Write tier = "local".',
    ),
    (
        TARGET + 'tier = "local"\nengine = "mlx"\nsource = "x"\n',
        "one.toml, line 1: a target with an engine needs 'context', the tokens to make room for.",
    ),
    (
        TARGET + 'tier = "local"\nengine = "mlx"\nsource = "x"\ncontext = 1\ncan = ["tools", "vision"]\n',
        "one.toml, line 1: the engines here read text only. Take 'vision' and 'audio' out of 'can'.",
    ),
    (
        '[tiers.local]\nhealth_interval = "soon"\n',
        'one.toml, line 2: \'health_interval\' must be a time such as "30s", "10m" or "2h".',
    ),
    (
        "[routing]\nescalation_threshold = 85\n",
        "one.toml, line 2: 'escalation_threshold' must be a number from 0 to 1.",
    ),
    ("rules = 3\n", "one.toml, line 1: each rule begins with a line [[rules]]."),
    ('[[rules]]\n[[rules]]\nname = "r"\n', "one.toml, line 1: a rule needs 'name'."),
    (
        '[[rules]]\nname = "r"\nthen = {}\n',
        "one.toml, line 3: 'then' is empty. Known are max_retention_days, regions, sensitivity, target, tier, training.",
    ),
    (
        '[[rules]]\nname = "r"\nwhen = { text = "(" }\nthen = { tier = "local" }\n',
        "one.toml, line 3: 'text' is not a regular expression (missing ), unterminated subpattern).",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[expected for _, expected in MISTAKES])
def test_a_mistake_is_told_with_file_line_and_remedy(text: str, expected: str) -> None:
    """One sentence says where it is, what is wrong and what to write."""
    assert sentence(text) == expected


def test_a_key_in_the_wrong_place_is_not_repeated() -> None:
    """Who pastes a key where its kind belongs does not find it in the error."""
    assert "sk-" not in sentence('[providers.acme]\nkey = "sk-0123456789abcdef"')


def test_the_error_names_the_file_that_set_the_value() -> None:
    """A value that the second file changed is the second file's mistake, though the first wrote that table too."""
    assert sentence("[targets.big]\nweight = 1", "\n\n[targets.big]\nweight = -1").startswith("two.toml, line 4:")


def test_lines_are_found_past_strings_comments_and_lists() -> None:
    """Brackets and signs inside values do not confuse the index, and dotted and quoted keys have their parts."""
    text = [
        "# [no.table]",
        'a = """',
        "[not.a.table]",
        'b = 1 """',
        "c = [  # ]",
        '  "]", [1,',
        "  2]]",
        '"d e".f = { g = "}" }',
        "[ x . 'y z' ]",
        "h = '''",
        "'''",
        "[[items]]",
        "i = 1",
        "[[items]]",
        "[items.sub]",
        "j = 1",
    ]
    lines = index("\n".join(text))
    assert lines == {
        ("a",): 2,
        ("c",): 5,
        ("d e",): 8,
        ("d e", "f"): 8,
        ("x",): 9,
        ("x", "y z"): 9,
        ("x", "y z", "h"): 10,
        ("items",): 12,
        ("items", 0): 12,
        ("items", 0, "i"): 13,
        ("items", 1): 14,
        ("items", 1, "sub"): 15,
        ("items", 1, "sub", "j"): 16,
    }
