"""Compare the two formats of one training, to see whether q8_0 is as good as f16.

python resources/starter/train.py --out build/starter.gguf --format both
python resources/starter/check.py build/starter-f16.gguf build/starter-q8_0.gguf
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
from held_out import Question, questions
from llama_cpp import Llama

LONGEST_ANSWER = 64


def load(path: Path) -> Llama:
    """One thread, and the logits of every position kept for the comparison."""
    return Llama(str(path), n_ctx=1024, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False)


def answer(model: Llama, prompt: str) -> str:
    """The greedy answer of a model."""
    done = model.create_completion(prompt, max_tokens=LONGEST_ANSWER, temperature=0.0)
    return str(done["choices"][0]["text"])


def logits(model: Llama, text: str) -> np.ndarray:
    """What a model expects after every token of a text."""
    model.reset()
    tokens = model.tokenize(text.encode(), add_bos=False, special=True)
    model.eval(tokens)
    return np.array(model.scores[: len(tokens)])


def shares(asked: list[Question], right: Callable[[Question], bool]) -> dict[str, float]:
    """The share of right answers by kind, and over all."""
    totals, good = Counter[str](), Counter[str]()
    for question in asked:
        for kind in (question.kind, "all"):
            totals[kind] += 1
            good[kind] += right(question)
    return {kind: good[kind] / total for kind, total in totals.items()}


def differences(first: Llama, second: Llama, texts: list[str]) -> tuple[float, float]:
    """Mean absolute difference of the logits, and how often the greedy token is the same."""
    gaps, same = [], []
    for text in texts:
        left, right = logits(first, text), logits(second, text)
        gaps.append(np.abs(left - right).mean(axis=1))
        same.append(left.argmax(axis=1) == right.argmax(axis=1))
    return float(np.concatenate(gaps).mean()), float(np.concatenate(same).mean())


def report(path: Path, asked: list[Question], show_wrong: bool) -> dict[str, str]:
    """Ask one file everything and print its shares; the answers come back."""
    model = load(path)
    answers = {question.prompt: answer(model, question.prompt) for question in asked}
    print(path.name)
    for kind, share in shares(asked, lambda q: q.expected in answers[q.prompt]).items():
        print(f"  {kind:10} {share:.3f}")
    for question in asked:
        if show_wrong and question.expected not in answers[question.prompt]:
            print("  wrong:", repr(question.prompt[-90:-33]), "->", repr(answers[question.prompt]))
    return answers


def main() -> None:
    """Print the shares of both files and how far their logits lie apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--wrong", action="store_true", help="also print the wrong answers")
    wanted = parser.parse_args()
    asked = questions()
    print(len(asked), "questions")
    answers = [report(path, asked, wanted.wrong) for path in wanted.files]
    if len(wanted.files) == 2:
        same = sum(answers[0][q.prompt] == answers[1][q.prompt] for q in asked) / len(asked)
        texts = [q.prompt + answers[0][q.prompt] for q in asked[::5]]
        gap, agreed = differences(*(load(path) for path in wanted.files), texts)
        print(f"same answer {same:.3f}, same greedy token {agreed:.4f}, logits differ by {gap:.4f}")


if __name__ == "__main__":
    main()
