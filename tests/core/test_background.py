"""Calls that agents make by themselves, in three dialects: what each is taken for, and where it is done."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from pointsman.core import background, facts, policy, routing
from pointsman.core.catalog import Catalog, Source, read
from pointsman.core.pricing import FREE, Rates
from pointsman.core.request import Hints, Request, Verdict
from pointsman.core.routing import Circumstances, Plan
from pointsman.core.session import attribute
from pointsman.gateway import door
from pointsman.wire.dialects import DIALECTS

CATALOG: Catalog = read(
    [
        Source(
            "test.toml",
            """
[providers.far]
base_url = "https://far.example/v1"
key = "none"
[targets.here]
tier = "local"
engine = "llama_cpp"
source = "starter"
context = 32_768
can = ["tools", "json_schema"]
[targets.dear]
tier = "cloud"
provider = "far"
context = 200_000
can = ["tools", "json_schema"]
[targets.cheap]
tier = "cloud"
provider = "far"
context = 200_000
can = ["tools", "json_schema"]
""",
        )
    ]
)


def priced(dollars: int) -> Rates:
    """So much for a million tokens, in or out."""
    micro = dollars * 10**6
    return Rates(
        input=micro,
        output=micro,
        cache_read=micro,
        cache_write_short=micro,
        cache_write_long=micro,
        source="mine",
        dated="2026-11-20",
    )


RATES = {"here": FREE, "dear": priced(10), "cheap": priced(1)}
DIALECT_NAMES = ("chat", "responses", "messages")
LONG = "You are an agent. " * 2_500
TRANSCRIPT = "\n\nuser: why is the sky blue\nassistant: because of scattering"


class Sent:
    """What an agent sends: its last turn, its system prompt, tools, limit, stream, and what its header says it is."""

    def __init__(
        self,
        turn: str,
        system: str = "",
        tools: int = 0,
        limit: int | None = 4_096,
        *,
        stream: bool = True,
        kind: str = "",
    ) -> None:
        self.turn, self.system, self.tools, self.limit, self.stream, self.kind = (
            turn,
            system,
            tools,
            limit,
            stream,
            kind,
        )

    def body(self, dialect: str) -> bytes:
        """The body in one dialect."""
        return json.dumps(
            {"chat": self._chat, "responses": self._responses, "messages": self._messages}[dialect]()
        ).encode()

    def _chat(self) -> dict[str, Any]:
        system = [{"role": "system", "content": self.system}] if self.system else []
        tools = [{"type": "function", "function": {"name": f"t{n}", "parameters": {}}} for n in range(self.tools)]
        body = {"model": "auto", "messages": [*system, {"role": "user", "content": self.turn}], "stream": self.stream}
        return {**body, **({"tools": tools} if tools else {}), **({"max_tokens": self.limit} if self.limit else {})}

    def _responses(self) -> dict[str, Any]:
        tools = [{"type": "function", "name": f"t{n}", "parameters": {}} for n in range(self.tools)]
        turn = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": self.turn}]}
        body = {"model": "auto", "instructions": self.system, "input": [turn], "tools": tools, "stream": self.stream}
        return {**body, **({"max_output_tokens": self.limit} if self.limit else {})}

    def _messages(self) -> dict[str, Any]:
        billing = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1;"}
        system = [billing, {"type": "text", "text": self.system}] if self.system else []
        tools = [{"name": f"t{n}", "input_schema": {"type": "object"}} for n in range(self.tools)]
        turn = {"role": "user", "content": [{"type": "text", "text": self.turn}]}
        body = {"model": "auto", "system": system, "messages": [turn], "tools": tools, "stream": self.stream}
        return {**body, "max_tokens": self.limit or 32_000}

    def read(self, dialect: str) -> Request:
        """The neutral request of its body."""
        hints = Hints(kind=self.kind or None)
        return DIALECTS[dialect].read("r", self.body(dialect), hints, lambda _raw: Verdict())


def planned(request: Request, **down: str) -> Plan:
    """Its plan on the small catalog."""
    who, known = attribute(request, "a", "p"), facts.gather(request, CATALOG.sensitivity)
    ruling = policy.rule(request, who, known, CATALOG)
    return routing.plan(request, known, ruling, CATALOG, Circumstances(rates=RATES, down=down, passing=down))


def first(request: Request) -> str:
    """Which target is tried first."""
    return planned(request).attempts[0].target


TITLE = "Please write a 5-10 word title for the following conversation:"
WEBUI = "### Task:\n"
BEAT = "Read HEARTBEAT.md if it exists. If nothing needs attention, reply HEARTBEAT_OK."
COMPACT = "Your task is to create a detailed summary of the conversation so far, paying close attention to requests."
SUGGEST = "[SUGGESTION MODE: Suggest what the user might naturally type next into Claude Code.]"
POLICY = "<policy_spec>\n# Command prefix detection\n</policy_spec>\n\nCommand: rm -rf build"
# What it is, what is sent, the class, the target that is tried first.
BY_TURN = [
    ("claude code title", Sent(TITLE + TRANSCRIPT, LONG[:600]), "title", "here"),
    (
        "claude code title, other words",
        Sent("Please write a 3-7 word title for the following conversation"),
        "title",
        "here",
    ),
    ("claude code title, short answer", Sent(TITLE + TRANSCRIPT, tools=3, limit=100), "title", "here"),
    ("claude code summary line", Sent("Summarize this coding conversation in under 50 characters."), "title", "here"),
    ("claude code warm-up", Sent("Warmup"), "warmup", "here"),
    ("claude code warm-up of an agent", Sent("Warmup", LONG), "warmup", "cheap"),
    ("claude code quota", Sent("quota", limit=1, stream=False), "probe", "here"),
    ("claude code count", Sent("count", limit=1, stream=False), "probe", "here"),
    ("codex warm-up", Sent("", limit=1, stream=False), "warmup", "here"),
    ("claude code safety check", Sent(POLICY), "safety", "dear"),
    ("claude code suggestion", Sent(SUGGEST, LONG, tools=12, limit=None), "suggestion", "dear"),
    ("claude code compaction", Sent(COMPACT, LONG, limit=20_000), "compaction", "dear"),
    ("claude code compaction with tools", Sent(COMPACT, LONG, tools=12, limit=None), "compaction", "dear"),
    ("claude code compaction, warned", Sent(f"CRITICAL: Respond with TEXT ONLY.\n\n{COMPACT}"), "compaction", "dear"),
    ("opencode title", Sent("Generate a title for this conversation:\n" + TRANSCRIPT), "title", "here"),
    ("open webui title", Sent(f"{WEBUI}Generate a concise, 3-5 word title with an emoji"), "title", "here"),
    ("open webui tags", Sent(f"{WEBUI}Generate 1-3 broad tags categorizing the main themes"), "tags", "here"),
    ("open webui follow-ups", Sent(f"{WEBUI}Suggest 3-5 relevant follow-up questions"), "follow_ups", "here"),
    ("open webui autocomplete", Sent(f"{WEBUI}You are an autocompletion system."), "autocomplete", "here"),
    (
        "open webui queries",
        Sent(f"{WEBUI}Analyze the chat history to determine the necessity of generating search queries"),
        "queries",
        "here",
    ),
    ("openclaw heartbeat", Sent(BEAT, LONG[:4_000], tools=12, limit=None), "heartbeat", "here"),
    ("openclaw heartbeat alone", Sent(BEAT), "heartbeat", "here"),
    ("claude code says auxiliary", Sent("Name this branch", kind="auxiliary"), "auxiliary", "here"),
    ("claude code says compaction", Sent("Go on.", LONG, tools=12, kind="compaction"), "compaction", "dear"),
]
BY_SYSTEM = [
    ("claude code topic", Sent("hi", "Analyze if this message indicates a new conversation topic."), "topic", "here"),
    ("claude code title", Sent("hi", "Summarize this coding conversation in under 50 characters."), "title", "here"),
    (
        "claude code paths",
        Sent("Command: ls", "Extract any file paths that this command reads or modifies."),
        "paths",
        "here",
    ),
    (
        "claude code safety",
        Sent("Command: ls", "This <policy_spec> defines the prefix of a Bash command."),
        "safety",
        "dear",
    ),
    ("opencode title", Sent("hi", "You are a title generator. You output ONLY a thread title."), "title", "here"),
    (
        "crush title",
        Sent("hi", "You will generate a short title based on the first message a user begins a conversation with"),
        "title",
        "here",
    ),
]
OWN_CALLS = [(*row, dialect) for row in BY_TURN for dialect in DIALECT_NAMES]
OWN_CALLS += [(*row, dialect) for row in BY_SYSTEM for dialect in DIALECT_NAMES]


@pytest.mark.parametrize(
    ("what", "sent", "class_", "where", "dialect"), OWN_CALLS, ids=[f"{row[0]}, {row[4]}" for row in OWN_CALLS]
)
def test_a_call_of_an_agents_own(what: str, sent: Sent, class_: str, where: str, dialect: str) -> None:
    """It is known for what it is, and done where that is done best."""
    request = sent.read(dialect)
    found = background.errand(request)
    assert found is not None, what
    assert (found.class_, first(request)) == (class_, where)


LOOK_ALIKES = [
    ("a title, in a main turn", Sent(TITLE, LONG, tools=12, limit=None)),
    ("a title, among other things", Sent("First fix the tests. Then please write a 5-10 word title for it.")),
    ("a title, asked for nicely", Sent("Can you generate a title for this conversation?")),
    ("exercises", Sent("Warmup exercises for runners?")),
    ("a warm-up, in a main turn", Sent("Warmup", tools=12, limit=None)),
    ("a task", Sent("### Task:\nGenerate a login page")),
    ("a task, further down", Sent("Here is my prompt:\n### Task:\nGenerate a concise, 3-5 word title")),
    ("a question about a policy", Sent("What is a <policy_spec> for?")),
    ("a policy, in a main turn", Sent(POLICY, tools=12, limit=None)),
    ("a summary of a book", Sent("Your task is to create a detailed summary of the book below.")),
    ("a compaction, quoted", Sent(f"What does this mean: {COMPACT}")),
    ("a mode", Sent("suggestion mode: on")),
    ("a suggestion, quoted", Sent(f"Why do I see {SUGGEST}?", tools=12)),
    ("a heartbeat's file", Sent("Read HEARTBEAT.md and tell me what it says", tools=12, limit=None)),
    ("a heartbeat, asked about", Sent("Should I reply HEARTBEAT_OK after I read HEARTBEAT.md?", tools=12, limit=None)),
    ("a heartbeat as long as a page", Sent(BEAT + " And then refactor all of it." * 100, tools=12, limit=None)),
    ("a word, with room to answer", Sent("quota", limit=100, stream=False)),
    ("a word, streamed", Sent("quota", limit=1)),
    ("counting", Sent("count to ten", limit=1, stream=False)),
    ("nothing, with room to answer", Sent("", limit=None)),
    ("a generator of other titles", Sent("hi", "You are a title generator for novels.")),
    ("paths, in a main turn", Sent("ls", "Extract any file paths that this command reads or modifies.", tools=12)),
    ("a topic, in the person's words", Sent("Analyze if this message indicates a new conversation topic")),
    ("a title, in what the agent calls main", Sent(TITLE, kind="main")),
    ("a warm-up, in what the agent calls a sub-agent", Sent("Warmup", kind="subagent")),
    ("a compaction, in what the agent calls main", Sent(COMPACT, kind="main")),
    ("a kind that nobody knows", Sent("Go on.", kind="background")),
]


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
@pytest.mark.parametrize(("what", "sent"), LOOK_ALIKES, ids=[row[0] for row in LOOK_ALIKES])
def test_what_only_looks_like_one(what: str, sent: Sent, dialect: str) -> None:
    """A person's words, or a marker in a main turn, change nothing."""
    assert background.errand(sent.read(dialect)) is None, what


def test_there_are_enough_of_both() -> None:
    """Of calls and of what looks alike."""
    assert len(OWN_CALLS) >= 40
    assert len(LOOK_ALIKES) >= 20


def test_a_name_is_still_a_name() -> None:
    """Whoever asks for a model by name gets it, for all but probes, which only ask whether somebody is there."""
    title, probe = Sent(TITLE).read("chat"), Sent("quota", limit=1, stream=False).read("chat")
    named = [msgspec.structs.replace(one, model="dear") for one in (title, probe)]
    assert [first(one) for one in named] == ["dear", "here"]


def test_a_client_that_wants_no_other_target_gets_none() -> None:
    """A probe of one very target stays there."""
    hints = Hints(fallback=False)
    body = json.dumps({"model": "dear", "messages": [{"role": "user", "content": "quota"}], "max_tokens": 1}).encode()
    assert first(DIALECTS["chat"].read("r", body, hints, lambda _raw: Verdict())) == "dear"


def test_a_tier_in_the_header_holds_for_probes_too() -> None:
    """The cheapest is not looked for on other tiers."""
    probe = Sent("quota", limit=1, stream=False).read("chat")
    assert planned(msgspec.structs.replace(probe, hints=Hints(tier="cloud"))).attempts[0].tier == "cloud"


def test_a_compaction_never_falls_back_to_this_machine() -> None:
    """Named or not, with the cloud down for a while: an error is better than a lost session."""
    plan = planned(Sent(COMPACT, limit=20_000).read("messages"), dear="it rests", cheap="it rests")
    assert not plan.attempts
    assert ("here", "compaction is not for this machine") in [(one.target, one.reason) for one in plan.dropped]


def test_a_compaction_runs_here_where_there_is_nothing_else() -> None:
    """Clouds without a key will not answer however long one waits."""
    request = Sent(COMPACT, limit=20_000).read("messages")
    known = facts.gather(request, CATALOG.sensitivity)
    ruling = policy.rule(request, attribute(request, "a", "p"), known, CATALOG)
    plan = routing.plan(
        request, known, ruling, CATALOG, Circumstances(rates=RATES, down={"dear": "no key", "cheap": "no key"})
    )
    assert [one.target for one in plan.attempts] == ["here"]


def test_a_private_session_is_compacted_where_it_ran() -> None:
    """What would need a person's consent does not count as another place."""
    request = Sent(COMPACT, limit=20_000).read("messages")
    known = facts.gather(request, CATALOG.sensitivity, ("secret_key",))
    ruling = policy.rule(request, attribute(request, "a", "p"), known, CATALOG)
    assert (
        routing.plan(request, known, ruling, CATALOG, Circumstances(rates=RATES, down={})).attempts[0].target == "here"
    )


def test_who_asks_for_this_machine_gets_it() -> None:
    """A compaction that names the local model, or the tier, is done there."""
    request = Sent(COMPACT, limit=20_000).read("messages")
    for name in ("here", "local"):
        named = msgspec.structs.replace(request, model=name)
        assert first(named) == "here"


def test_nobody_waits_for_a_title() -> None:
    """It may be deferred; a compaction and a safety check may not: somebody waits for them."""
    gathered = {
        sent.turn: facts.gather(sent.read("chat"), CATALOG.sensitivity).background
        for sent in (Sent(TITLE), Sent(COMPACT), Sent(POLICY))
    }
    assert gathered == {TITLE: True, COMPACT: False, POLICY: False}


def test_a_class_that_the_client_names_is_believed() -> None:
    """The header decides over all markers."""
    request = Sent(TITLE).read("chat")
    hints = Hints(class_="code_review")
    named = msgspec.structs.replace(request, hints=hints)
    known = facts.gather(named, CATALOG.sensitivity)
    assert (known.class_, known.place) == ("code_review", "")


@pytest.mark.parametrize(
    ("header", "class_"), [("auxiliary", "auxiliary"), ("compaction", "compaction"), ("main", "chat")]
)
def test_claude_code_says_what_its_request_is(header: str, class_: str) -> None:
    """By a header, which is a hint like any other."""
    told = door.hints({"x-claude-code-request-class": header})
    request = DIALECTS["messages"].read("r", Sent("Go on.").body("messages"), told, lambda _raw: Verdict())
    assert facts.gather(request, CATALOG.sensitivity).class_ == class_


@pytest.mark.parametrize("marker", [marker for _, marker in background._BY_TURN])
def test_no_mark_of_a_turn_is_passed_over(marker: re.Pattern[str]) -> None:
    """Each begins with one of the words that a turn is looked at for first."""
    begins = marker.pattern.removeprefix(r"\A").removeprefix(r"\s*").lower()
    assert begins.startswith(background._OPENINGS)
