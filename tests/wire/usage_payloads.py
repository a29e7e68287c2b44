"""What providers say of the tokens they used, and what that costs: each sum is worked out by hand beside it.

A price in dollars per million tokens is the same number of micro-dollars per token, so a row's sum reads
`tokens * price + ...`; what is left over of a micro-dollar is rounded up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pointsman.core.pricing import Rates


def rates(prices: tuple[float, float, float, float, float], **more: Any) -> Rates:
    """Dollars per million tokens: input, cache read, cache write short and long, output."""
    fresh, read, short, long, out = (round(price * 1_000_000) for price in prices)
    return Rates(
        input=fresh,
        cache_read=read,
        cache_write_short=short,
        cache_write_long=long,
        output=out,
        source="by hand",
        dated="2026-11-20",
        **more,
    )


GPT = rates((2.5, 0.25, 2.5, 2.5, 15))
SOL = rates((2, 0.1, 2.5, 4, 10))
SONNET = rates((2, 0.1, 2.5, 4, 10))
OPUS = rates((4, 0.2, 5, 8, 20))
GEMINI = rates((1.25, 0.125, 1.25, 1.25, 10), above=((200_000, rates((2.5, 0.25, 2.5, 2.5, 15))),))
SEEK = rates((0.28, 0.028, 0.28, 0.28, 0.42))
GROK = rates((3, 0.75, 3, 3, 15))
OWN = rates((0.1, 0.1, 0.1, 0.1, 0.4))
NOTHING = rates((0, 0, 0, 0, 0))


class Payload(NamedTuple):
    """Who said it, in which dialect, what, at which price; the sum in micro-dollars, and its result."""

    who: str
    dialect: str
    usage: dict[str, Any]
    rates: Rates
    sum: str
    cost: int


def chat(prompt: int, completion: int, cached: int | None = None, **more: Any) -> dict[str, Any]:
    """Usage as chat completions tells it."""
    known = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**known, **({} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}), **more}


def resp(given: int, out: int, cached: int = 0, written: int = 0, long: int = 0) -> dict[str, Any]:
    """Usage as Responses tells it."""
    split = {"ttl_30m_tokens": written - long, "ttl_12h_tokens": long}
    details = {"cached_tokens": cached, "cache_write_tokens": written, "cache_write_tokens_details": split}
    known = {"input_tokens": given, "output_tokens": out, "total_tokens": given + out, "input_tokens_details": details}
    return {**known, "output_tokens_details": {"reasoning_tokens": out // 2}}


def claude(fresh: int, out: int, read: int = 0, written: int = 0, **more: Any) -> dict[str, Any]:
    """Usage as Messages tells it."""
    known = {"input_tokens": fresh, "output_tokens": out, "cache_read_input_tokens": read}
    return {**known, "cache_creation_input_tokens": written, **more}


def split(short: int, long: int) -> dict[str, Any]:
    """How long what was written stays, as Messages tells it."""
    return {"cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}}


PAYLOADS = [
    # --- OpenAI, chat completions: cached tokens are inside the prompt's, reasoning is inside the completion's
    Payload("openai plain", "chat", chat(1000, 200), GPT, "1000*2.5 + 200*15", 5500),
    Payload("openai no cache", "chat", chat(1000, 200, 0), GPT, "1000*2.5 + 200*15", 5500),
    Payload("openai cached", "chat", chat(1000, 200, 600), GPT, "400*2.5 + 600*0.25 + 200*15", 4150),
    Payload("openai all cached", "chat", chat(1024, 1, 1024), GPT, "1024*0.25 + 1*15", 271),
    Payload("openai one token", "chat", chat(1, 1), GPT, "1*2.5 + 1*15", 18),
    Payload("openai nothing out", "chat", chat(7, 0), GPT, "7*2.5", 18),
    Payload(
        "openai reasoning",
        "chat",
        chat(50, 900, 0, completion_tokens_details={"reasoning_tokens": 850}),
        GPT,
        "50*2.5 + 900*15",
        13625,
    ),
    Payload(
        "openai predictions",
        "chat",
        chat(50, 90, completion_tokens_details={"accepted_prediction_tokens": 10, "rejected_prediction_tokens": 30}),
        GPT,
        "50*2.5 + 90*15",
        1475,
    ),
    Payload(
        "openai audio details",
        "chat",
        chat(80, 10, prompt_tokens_details={"cached_tokens": 16, "audio_tokens": 0}),
        GPT,
        "64*2.5 + 16*0.25 + 10*15",
        314,
    ),
    Payload(
        "openai cache written",
        "chat",
        chat(2000, 100, prompt_tokens_details={"cached_tokens": 500, "cache_write_tokens": 1000}),
        SOL,
        "500*2 + 500*0.1 + 1000*2.5 + 100*10",
        4550,
    ),
    Payload(
        "openai large", "chat", chat(900_000, 100_000, 800_000), SOL, "100000*2 + 800000*0.1 + 100000*10", 1_280_000
    ),
    Payload("openai null details", "chat", chat(10, 10, prompt_tokens_details=None), GPT, "10*2.5 + 10*15", 175),
    # --- OpenAI, Responses
    Payload("responses plain", "responses", resp(1000, 200), SOL, "1000*2 + 200*10", 4000),
    Payload("responses cached", "responses", resp(1000, 200, cached=900), SOL, "100*2 + 900*0.1 + 200*10", 2290),
    Payload("responses written", "responses", resp(1000, 200, written=1000), SOL, "1000*2.5 + 200*10", 4500),
    Payload(
        "responses read and written",
        "responses",
        resp(3000, 10, cached=1000, written=1500),
        SOL,
        "500*2 + 1000*0.1 + 1500*2.5 + 10*10",
        4950,
    ),
    Payload(
        "responses written for hours",
        "responses",
        resp(3000, 10, written=3000, long=2000),
        SOL,
        "1000*2.5 + 2000*4 + 10*10",
        10600,
    ),
    Payload("responses one token", "responses", resp(1, 1), SOL, "1*2 + 1*10", 12),
    Payload("responses nothing out", "responses", resp(33, 0), GPT, "33*2.5", 83),
    Payload("responses long", "responses", resp(250_000, 3, cached=249_999), GPT, "1*2.5 + 249999*0.25 + 3*15", 62548),
    Payload(
        "responses without details",
        "responses",
        {"input_tokens": 40, "output_tokens": 2, "total_tokens": 42},
        SOL,
        "40*2 + 2*10",
        100,
    ),
    Payload(
        "responses null details",
        "responses",
        {"input_tokens": 40, "output_tokens": 2, "input_tokens_details": None, "output_tokens_details": None},
        SOL,
        "40*2 + 2*10",
        100,
    ),
    # --- Anthropic, Messages: cached tokens are beside the input's
    Payload("anthropic plain", "messages", claude(1000, 200), SONNET, "1000*2 + 200*10", 4000),
    Payload("anthropic read", "messages", claude(10, 200, read=5000), SONNET, "10*2 + 5000*0.1 + 200*10", 2520),
    Payload("anthropic written", "messages", claude(10, 5, written=4000), SONNET, "10*2 + 4000*2.5 + 5*10", 10070),
    Payload(
        "anthropic written 5m",
        "messages",
        claude(10, 5, written=4000, **split(4000, 0)),
        SONNET,
        "10*2 + 4000*2.5 + 5*10",
        10070,
    ),
    Payload(
        "anthropic written 1h",
        "messages",
        claude(10, 5, written=4000, **split(0, 4000)),
        SONNET,
        "10*2 + 4000*4 + 5*10",
        16070,
    ),
    Payload(
        "anthropic written both",
        "messages",
        claude(3, 7, read=100, written=4000, **split(1500, 2500)),
        OPUS,
        "3*4 + 100*0.2 + 1500*5 + 2500*8 + 7*20",
        27672,
    ),
    Payload(
        "anthropic split alone",
        "messages",
        {"input_tokens": 3, "output_tokens": 7, **split(10, 20)},
        OPUS,
        "3*4 + 10*5 + 20*8 + 7*20",
        362,
    ),
    Payload(
        "anthropic null caches",
        "messages",
        {"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": None, "cache_creation_input_tokens": None},
        OPUS,
        "9*4 + 1*20",
        56,
    ),
    Payload("anthropic without caches", "messages", {"input_tokens": 9, "output_tokens": 1}, OPUS, "9*4 + 1*20", 56),
    Payload(
        "anthropic warm turn",
        "messages",
        claude(4, 312, read=61_234, written=811),
        OPUS,
        "4*4 + 61234*0.2 + 811*5 + 312*20",
        22558,
    ),
    Payload("anthropic nothing fresh", "messages", claude(0, 1, read=3), SONNET, "3*0.1 + 1*10", 11),
    Payload(
        "anthropic thinking",
        "messages",
        claude(12, 900, output_tokens_details={"thinking_tokens": 850}),
        SONNET,
        "12*2 + 900*10",
        9024,
    ),
    Payload(
        "anthropic tier and place",
        "messages",
        claude(12, 9, service_tier="standard", inference_geo="global"),
        SONNET,
        "12*2 + 9*10",
        114,
    ),
    Payload("anthropic large", "messages", claude(999_999, 128_000), OPUS, "999999*4 + 128000*20", 6_559_996),
    # --- Gemini's OpenAI face: thoughts are left out of the completion's tokens, yet counted in the total
    Payload("gemini plain", "chat", chat(100, 10), GEMINI, "100*1.25 + 10*10", 225),
    Payload(
        "gemini thoughts",
        "chat",
        {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 910},
        GEMINI,
        "100*1.25 + 810*10",
        8225,
    ),
    Payload("gemini cached", "chat", chat(100, 10, 64), GEMINI, "36*1.25 + 64*0.125 + 10*10", 153),
    Payload("gemini at the mark", "chat", chat(200_000, 10), GEMINI, "200000*1.25 + 10*10", 250_100),
    Payload("gemini over the mark", "chat", chat(200_001, 10), GEMINI, "200001*2.5 + 10*15", 500_153),
    Payload(
        "gemini cached over the mark",
        "chat",
        chat(300_000, 10, 250_000),
        GEMINI,
        "50000*2.5 + 250000*0.25 + 10*15",
        187_650,
    ),
    Payload(
        "gemini total too small",
        "chat",
        {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 100},
        GEMINI,
        "100*1.25 + 10*10",
        225,
    ),
    # --- Grok does as Gemini does
    Payload(
        "grok reasoning",
        "chat",
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 241,
            "completion_tokens_details": {"reasoning_tokens": 200},
        },
        GROK,
        "32*3 + 209*15",
        3231,
    ),
    Payload("grok cached", "chat", chat(32, 9, 30), GROK, "2*3 + 30*0.75 + 9*15", 164),
    # --- OpenRouter says what it cost: that wins over any price
    Payload("openrouter cost", "chat", chat(100, 10, cost=0.00123), GPT, "1230", 1230),
    Payload("openrouter small cost", "chat", chat(1, 1, cost=0.0000001), GPT, "0.1", 1),
    Payload("openrouter exponent", "chat", chat(1, 1, cost=1.5e-05), GPT, "15", 15),
    Payload("openrouter text", "chat", chat(1, 1, cost="0.000015"), GPT, "15", 15),
    Payload("openrouter free or billed elsewhere", "chat", chat(100, 10, cost=0), GPT, "100*2.5 + 10*15", 400),
    Payload(
        "openrouter own key",
        "chat",
        chat(100, 10, cost=0, cost_details={"upstream_inference_cost": 0.0004}),
        GPT,
        "100*2.5 + 10*15",
        400,
    ),
    Payload("openrouter nonsense", "chat", chat(100, 10, cost=-1), GPT, "100*2.5 + 10*15", 400),
    Payload("openrouter dollars", "chat", chat(100, 10, cost=12.345678), GPT, "12345678", 12_345_678),
    Payload(
        "openrouter claude",
        "chat",
        chat(5000, 10, prompt_tokens_details={"cached_tokens": 3000, "cache_write_tokens": 1500}),
        SONNET,
        "500*2 + 3000*0.1 + 1500*2.5 + 10*10",
        5150,
    ),
    # --- DeepSeek has names of its own for hits and misses
    Payload(
        "deepseek",
        "chat",
        chat(1000, 50, prompt_cache_hit_tokens=768, prompt_cache_miss_tokens=232),
        SEEK,
        "232*0.28 + 768*0.028 + 50*0.42",
        108,
    ),
    Payload(
        "deepseek both names",
        "chat",
        chat(1000, 50, 768, prompt_cache_hit_tokens=768),
        SEEK,
        "232*0.28 + 768*0.028 + 50*0.42",
        108,
    ),
    Payload("deepseek no hit", "chat", chat(1000, 50, prompt_cache_hit_tokens=0), SEEK, "1000*0.28 + 50*0.42", 301),
    Payload(
        "deepseek reasoner",
        "chat",
        chat(20, 3000, completion_tokens_details={"reasoning_tokens": 2900}),
        SEEK,
        "20*0.28 + 3000*0.42",
        1266,
    ),
    # --- vLLM, at the person's own price
    Payload("vllm", "chat", chat(2000, 300), OWN, "2000*0.1 + 300*0.4", 320),
    Payload("vllm null details", "chat", chat(2000, 300, prompt_tokens_details=None), OWN, "2000*0.1 + 300*0.4", 320),
    Payload("vllm prefix cache", "chat", chat(2000, 300, 1600), OWN, "400*0.1 + 1600*0.1 + 300*0.4", 320),
    Payload("vllm responses", "responses", resp(2000, 300, cached=1600), OWN, "2000*0.1 + 300*0.4", 320),
    Payload("vllm messages", "messages", claude(2000, 300), OWN, "2000*0.1 + 300*0.4", 320),
    # --- Ollama is free; its tokens are counted all the same
    Payload("ollama chat", "chat", chat(26, 298), NOTHING, "0", 0),
    Payload("ollama responses", "responses", resp(26, 298), NOTHING, "0", 0),
    Payload("ollama messages", "messages", claude(26, 298), NOTHING, "0", 0),
    # --- nonsense that must not become a discount
    Payload("more cached than prompt", "chat", chat(100, 10, 500), GPT, "100*0.25 + 10*15", 175),
    Payload("negative cached", "chat", chat(100, 10, -5), GPT, "100*2.5 + 10*15", 400),
    Payload("more written than prompt", "responses", resp(100, 10, written=500), SOL, "100*2.5 + 10*10", 350),
]
