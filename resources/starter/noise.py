"""Text that does not matter: the rules, paths and code that agents put round a question."""

import random

import facts
from phrases import made_up, pick


def _rule(rng: random.Random) -> str:
    return rng.choice(facts.SYSTEM_LINES)


def _task(rng: random.Random) -> str:
    start, subject = rng.choice(facts.HARD_STARTS), rng.choice(facts.HARD_SUBJECTS)
    return pick(rng, "When asked: {0} {1}, be careful.|Never: {0} {1}.").format(start, subject)


def _babble(rng: random.Random) -> str:
    """A sentence of words that mean nothing."""
    return " ".join(made_up(rng).lower() for _ in range(rng.randrange(2, 9))).capitalize() + "."


def _path(rng: random.Random) -> str:
    """The name of a file, or a command that is run on it."""
    file = f"{made_up(rng).lower()}/{made_up(rng).lower()}_{made_up(rng).lower()}.py"
    return pick(rng, "{0}|- {0}|~/src/{0}|run {0} --all|Look at {0}, line 12.").format(file)


def _code(rng: random.Random) -> str:
    return rng.choice(list(facts.PYTHON.values()))


def _entry(rng: random.Random) -> str:
    """A line of a list or of some settings."""
    key, value = made_up(rng).lower(), rng.randrange(1000)
    return pick(rng, '{0} = {1}|{0}: {1}|# {0}|"{0}": {1},|* {0} ({1})|{1}. {0}').format(key, value)


def junk(rng: random.Random) -> str:
    """Lines that no model of this size could say anything about."""
    return "\n".join(rng.choice(_JUNK)(rng) for _ in range(rng.randrange(1, 4)))


def page(rng: random.Random, length: int) -> str:
    """Many lines, rules most often, one after the other."""
    joint = pick(rng, " | |\n|\n|\n- |\n\n")
    return joint.join(rng.choice(_PAGE)(rng) for _ in range(length))


_JUNK = (_babble, _path, _code, _entry)
_PAGE = (_rule, _rule, _rule, _rule, _rule, _task, *_JUNK)
