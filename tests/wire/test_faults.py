"""What upstreams say of their refusals, however each wraps it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.wire import faults

KEY = "an-unusual-secret"


def read(body: Any, dialect: str = "chat", status: int | None = 400) -> faults.Read:
    """What it says."""
    return faults.read(body if isinstance(body, bytes) else json.dumps(body).encode(), dialect, status, KEY)


@pytest.mark.parametrize(
    "body",
    [
        [{"error": {"code": 400, "message": "No."}}],
        {"message": "No."},
        {"error": "No."},
        {"object": "error", "message": "No.", "type": "x", "code": 3000},
        {"type": "error", "code": "x", "message": "No.", "param": None, "sequence_number": 3},
        {"type": "response.failed", "response": {"status": "failed", "error": {"code": "x", "message": "No."}}},
    ],
)
def test_the_sentence_is_found(body: Any) -> None:
    """Each vendor wraps it another way."""
    assert read(body).sentence == "No."


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff", b'{"error": {"message": {"a": 1}}}', b"5"])
def test_where_there_is_none_it_is_empty(body: bytes) -> None:
    """And so are the words."""
    found = read(body)
    assert (found.sentence, found.fault) == ("", faults.Fault(dialect="chat"))


def test_the_words_are_kept() -> None:
    """As they were said."""
    error = {"message": "No.", "type": "invalid_request_error", "param": "messages[0].content", "code": "bad_thing"}
    assert read({"error": error}).fault == faults.Fault("chat", "bad_thing", error["type"], error["param"])


def test_a_vendor_of_messages_has_its_code_elsewhere() -> None:
    """Where its SDK looks for it."""
    error = {"type": "invalid_request_error", "message": "No.", "details": {"error_code": "thread_unsupported_request"}}
    found = read({"type": "error", "error": error}, "messages").fault
    assert (found.code, found.type) == ("thread_unsupported_request", "invalid_request_error")


@pytest.mark.parametrize("odd", ["two words", "x" * 81, 'a"b', 5, None, "", KEY])
def test_what_is_no_word_is_left_out(odd: Any) -> None:
    """It could be anything."""
    assert read({"error": {"message": "No.", "code": odd, "type": odd, "param": odd}}).fault == faults.Fault("chat")


@pytest.mark.parametrize(
    "secret",
    [KEY, "sk-proj-Ab12Cd34Ef56Gh78", "AIzaSyA1234567890abcdefghijk", "Bearer abcdefghijklmno", "gsk_abcdefghijkl"],
)
def test_a_key_is_never_passed_on(secret: str) -> None:
    """Ours, or one that looks like one."""
    found = read({"error": {"message": f"The key {secret}, which you sent, is odd.", "param": secret}})
    assert found.sentence == "The key [key], which you sent, is odd."
    assert found.fault.param is None


@pytest.mark.parametrize(
    "sentence",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "This model's maximum context length is 8192 tokens.",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "the request exceeds the available context size, try increasing it",
    ],
)
def test_a_prompt_that_is_too_long_gets_the_code_for_it(sentence: str) -> None:
    """Where the vendor names none: agents that know it shorten their conversation."""
    assert read({"error": {"message": sentence}}).fault.code == "context_length_exceeded"
    assert read({"error": {"message": sentence, "code": "its_own"}}).fault.code == "its_own"
    assert read({"error": {"message": sentence}}, status=500).fault.code is None


def test_another_mistake_does_not() -> None:
    """Only the prompt's length."""
    assert read({"error": {"message": "Invalid 'user': string too long."}}).fault.code is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": "context_length_exceeded"}, 400),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "overloaded_error"}, 529),
        ({"code": 429}, 429),
        ({"code": 418}, 502),
        ({"code": "odd"}, 502),
        ({}, 502),
    ],
)
def test_where_no_status_was_told_the_words_tell_it(error: dict[str, Any], status: int) -> None:
    """Inside a stream, or under a status of success."""
    assert read({"error": {"message": "No.", **error}}, status=None).status == status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("invalid_image", 400),
        ("invalid_base64_image", 400),
        ("image_too_large", 400),
        ("image_content_policy_violation", 400),
        ("cyber_policy", 400),
        ("content_filter", 400),
        ("usage_not_included", 402),
        ("invalid_api_key", 401),
        ("authentication_error", 401),
        ("permission_error", 403),
        ("model_not_found", 404),
        ("not_found_error", 404),
        ("usage_limit_reached", 429),
        ("imagery", 502),
        ("vector_store_timeout", 502),
    ],
)
def test_what_time_does_not_mend_is_no_fault_of_the_providers(word: str, status: int) -> None:
    """As a code, and where a vendor names it as the type: its SDK would ask again after anything above."""
    assert read({"error": {"message": "No.", "code": word}}, status=None).status == status
    assert read({"error": {"message": "No.", "type": word}}, status=None).status == status


@pytest.mark.parametrize("number", [401, 402, 403, 404])
def test_a_number_of_the_clients_stands(number: int) -> None:
    """Brokers put the status itself where others have a word."""
    assert read({"error": {"message": "Provider returned error", "code": number}}, status=None).status == number


@pytest.mark.parametrize("secret", [KEY, "sk-proj-Ab12Cd34Ef56Gh78"])
@pytest.mark.parametrize("before", [488, 495, 499])
def test_a_key_that_stands_where_a_sentence_is_cut_is_hidden(secret: str, before: int) -> None:
    """None of its characters is left."""
    found = read({"error": {"message": "." * (before - 1) + " " + secret}}).sentence
    assert found == ("." * (before - 1) + " [key]")[:500]


@pytest.mark.parametrize(
    "sentence",
    [
        "`max_tokens` must be less than or equal to `32768`, less than the `context_window` for this model",
        "The value of max_tokens exceeds the limit of 8192",
    ],
)
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "body.max_output_tokens"])
def test_an_answer_that_may_be_too_long_is_no_prompt_that_is(sentence: str, field: str) -> None:
    """An agent that shortens its conversation would ask for as many tokens again."""
    assert read({"error": {"message": sentence, "param": field}}).fault.code is None
    assert read({"error": {"message": sentence, "param": "messages"}}).fault.code == "context_length_exceeded"
