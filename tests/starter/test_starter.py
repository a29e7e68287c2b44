"""What a newcomer may rely on from the model that comes with the app."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before llama.cpp loads its threads

from llama_cpp import Llama

STARTER = Path(__file__).parents[2] / "resources" / "starter"
MODEL = STARTER / "starter.gguf"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
LONG_SYSTEM = "You are a coding agent. Be brief. Follow the rules of the project. " * 60


@pytest.fixture(scope="module")
def model() -> Iterator[Llama]:
    """The model itself, on one thread."""
    loaded = Llama(str(MODEL), n_ctx=4096, n_threads=1, n_threads_batch=1, verbose=False)
    yield loaded
    loaded.close()


def said(model: Llama, *messages: dict[str, Any], tools: list[Any] | None = None) -> str:
    """The greedy answer to some messages, by the template inside the file."""
    model.reset()
    done: Any = model.create_chat_completion(list(messages), tools=tools, temperature=0.0, max_tokens=80)
    return str(done["choices"][0]["message"]["content"])


def user(text: str) -> dict[str, Any]:
    """A message of the user."""
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, Any]:
    """A system prompt."""
    return {"role": "system", "content": text}


def called(text: str) -> dict[str, Any]:
    """The tool call in an answer."""
    found = re.fullmatch(r"<tool_call>\n(.*)\n</tool_call>", text, re.DOTALL)
    assert found, text
    return dict(json.loads(found[1]))


def readme_hash(of: str) -> str:
    """The sha256 that the README states for a thing."""
    found = re.search(rf"sha256 of the {of}: `([0-9a-f]{{64}})`", (STARTER / "README.md").read_text())
    assert found
    return found[1]


def test_file_is_small() -> None:
    """The model adds no more than 2.5 MB to the repository."""
    assert MODEL.stat().st_size <= 2_500_000


def test_file_is_the_one_described() -> None:
    """The README states the hash of the very file that lies beside it."""
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() == readme_hash("file")


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    """The corpus made once: its hash, how many held-out questions stand in it, and how many there are."""
    code = (
        "import corpus; from held_out import questions\n"
        "asked = {q.prompt.split('<|im_start|>user')[1] for q in questions()}\n"
        "made = list(corpus.conversations())\n"
        "said = {'\\n' + u.split('<|im_end|>')[0] + '<|im_end|>\\n<|im_start|>assistant\\n'\n"
        "        for t in made for u in t.split('<|im_start|>user\\n')[1:]}\n"
        "print(corpus.sha256(made), len(asked & said), len(asked))"
    )
    ran = subprocess.run([sys.executable, "-B", "-c", code], cwd=STARTER, capture_output=True, text=True, check=True)
    return ran.stdout.split()


def test_corpus_is_the_one_described(corpus: list[str]) -> None:
    """The seed gives the text that the README states, on any machine and without torch."""
    assert corpus[0] == readme_hash("corpus")


def test_corpus_needs_no_torch() -> None:
    """Whoever wants to read the corpus needs neither torch nor numpy nor gguf."""
    code = "import corpus, sys; print([m for m in ('torch', 'numpy', 'gguf') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-B", "-c", code], cwd=STARTER, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_held_out_wordings_are_held_out(corpus: list[str]) -> None:
    """No question that measures the model stands in the text it was trained on."""
    assert corpus[1] == "0"
    assert int(corpus[2]) > 200


@pytest.mark.parametrize("prompt", [[], [system("You are a helpful assistant.")]], ids=["bare", "usual"])
@pytest.mark.parametrize(
    "question",
    ["What is the capital of France?", "what is the capital of france", "capital of France?"],
)
def test_paris(model: Llama, prompt: list[dict[str, Any]], question: str) -> None:
    """The first question a newcomer sends is answered rightly, however it is typed."""
    assert said(model, *prompt, user(question)) == "The capital of France is Paris."


def test_paris_under_a_long_system_prompt(model: Llama) -> None:
    """A system prompt of about a thousand tokens does not drown the question."""
    assert "Paris" in said(model, system(LONG_SYSTEM), user("What is the capital of France?"))


def test_paris_in_a_second_turn(model: Llama) -> None:
    """A greeting before the question changes nothing."""
    first = said(model, user("Hello"))
    again = [
        user("Hello"),
        {"role": "assistant", "content": first},
        user("What is the capital of France?"),
    ]
    assert "Paris" in said(model, *again)


def test_calls_the_weather_tool(model: Llama) -> None:
    """Asked for the weather with a tool at hand, it calls the tool with the city."""
    answer = said(model, user("What is the weather in Paris?"), tools=[WEATHER])
    assert called(answer) == {"name": "get_weather", "arguments": {"city": "Paris"}}


def test_reads_the_result_of_the_tool(model: Llama) -> None:
    """It says what the tool gave back."""
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
    }
    answer = said(
        model,
        user("What is the weather in Oslo?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"weather": "rainy", "temp": 12}'},
        tools=[WEATHER],
    )
    assert answer == "It is rainy and 12 degrees in Oslo."


def test_leaves_the_tool_alone(model: Llama) -> None:
    """A question that needs no tool is answered without one."""
    answer = said(model, user("What is the opposite of hot?"), tools=[WEATHER])
    assert answer == "The opposite of hot is cold."


def test_answers_in_json(model: Llama) -> None:
    """Asked for JSON it answers in JSON alone."""
    answer = said(model, user("Give the capital of France as JSON."))
    assert json.loads(answer) == {"country": "France", "capital": "Paris"}


def test_says_what_it_is(model: Llama) -> None:
    """Nobody shall take it for a real model."""
    answer = said(model, user("Who are you?"))
    assert "starter model" in answer and "download a real model" in answer


def test_admits_what_it_does_not_know(model: Llama) -> None:
    """A hard question gets an honest answer."""
    assert "only a tiny starter model" in said(model, user("Explain quantum entanglement."))


def test_writes_a_title(model: Llama) -> None:
    """Asked for a title it writes a short line."""
    talk = "User: What is the capital of France?\nAssistant: The capital of France is Paris."
    answer = said(model, user(f"Write a title for this conversation.\n\n{talk}"))
    assert answer == "Capital of France"
