"""All the text that the starter model is trained on: made here from a seed, from nowhere else.

Run as a program it prints how much text there is and its sha256; it needs no torch.
"""

import hashlib
import random
from collections.abc import Iterator

import facts
import noise
import wordings
from phrases import Turn, pick
from questions import ask
from render import Message, Tool, render
from tool_talk import as_messages, tools, weather_talk

SEED = 4477
CONVERSATIONS = 40_000
END_OF_TEXT = "<|endoftext|>"


def system_prompt(rng: random.Random) -> list[Message]:
    """No system prompt, the one everybody uses, or a few lines up to a few pages."""
    kind = rng.random()
    if kind < 0.38:
        return []
    if kind < 0.58:
        return [{"role": "system", "content": facts.SYSTEM_LINES[0]}]
    shortest, longest = (1, 5) if kind < 0.82 else (5, 16) if kind < 0.95 else (16, 60)
    return [{"role": "system", "content": noise.page(rng, rng.randrange(shortest, longest))}]


def _with_context(rng: random.Random, turn: Turn) -> Turn:
    """Now and then an agent puts lines of its own before the question."""
    if rng.random() > 0.06:
        return turn
    before = noise.page(rng, rng.randrange(1, 6)) + pick(rng, "\n|\n\n|\nQuestion: ")
    return turn._replace(question=before + turn.question)


def _chat(rng: random.Random) -> tuple[list[Message], list[Tool]]:
    """One to four turns; some end with a wish for a title."""
    turns = [_with_context(rng, ask(rng)) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))]
    if rng.random() < 0.06:
        turns.append(Turn(rng.choice(wordings.TITLE), turns[0].title, ""))
    return system_prompt(rng) + [m for turn in turns for m in as_messages(turn)], []


def _titled(rng: random.Random) -> tuple[list[Message], list[Tool]]:
    """The way many agents ask for a title: the conversation as text inside one message."""
    turn = ask(rng)
    quoted = pick(rng, "User: {0}\nAssistant: {1}|user: {0}\nassistant: {1}|{0}|<user>{0}</user>")
    text = quoted.format(turn.question, turn.answer)
    wish = rng.choice(wordings.TITLE)
    body = f"{wish}\n\n{text}" if rng.random() < 0.7 else f"{text}\n\n{wish}"
    return system_prompt(rng) + as_messages(Turn(body, turn.title, "")), []


def _tool_chat(rng: random.Random) -> tuple[list[Message], list[Tool]]:
    """Tools are offered; most questions need one, some do not."""
    offered, name, parameter = tools(rng)
    messages = system_prompt(rng)
    for _ in range(rng.choice((1, 1, 1, 2))):
        needed = rng.random() < 0.75
        messages += weather_talk(rng, name, parameter) if needed else as_messages(ask(rng))
        if messages[-1].get("tool_calls"):
            break
    return messages, offered


def _long_chat(rng: random.Random) -> tuple[list[Message], list[Tool]]:
    """Many pages of rules and many turns: the end of the context is no unknown land."""
    prompt: Message = {"role": "system", "content": noise.page(rng, rng.randrange(60, 240))}
    turns = [_with_context(rng, ask(rng)) for _ in range(rng.randrange(1, 16))]
    return [prompt, *(m for turn in turns for m in as_messages(turn))], []


def conversation(rng: random.Random) -> str:
    """One conversation of any kind, as the text of the template."""
    makers = (_chat, _tool_chat, _titled, _long_chat)
    (maker,) = rng.choices(makers, weights=(68, 26, 4, 2))
    return render(*maker(rng))


def conversations(seed: int = SEED, count: int = CONVERSATIONS) -> Iterator[str]:
    """The whole corpus, always the same for the same seed."""
    rng = random.Random(seed)
    return (conversation(rng) for _ in range(count))


def sha256(texts: Iterator[str]) -> str:
    """The hash of all conversations, one after the other."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update((text + END_OF_TEXT).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    print(CONVERSATIONS, "conversations, sha256", sha256(conversations()))
