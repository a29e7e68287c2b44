"""What goes wrong, goes wrong cleanly: workers, upstreams, bad input, bad set-up."""

from __future__ import annotations

import json
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from pointsman.wire import admin
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import MODELS, Home, target

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


def ask(gateway: Home, key: str, model: str, stream: bool = False, **headers: str) -> httpx.Response:
    """One request, as plain HTTP."""
    body = {"model": model, "messages": FRANCE, "stream": stream, "temperature": 0}
    head = {"authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=60)


def said(answer: httpx.Response) -> str:
    """The text of a streamed answer."""
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    choices = [choice for event in events for choice in json.loads(event).get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def workers(gateway: Home) -> list[psutil.Process]:
    """The gateway's children that serve models."""
    assert gateway.process is not None
    return psutil.Process(gateway.process.pid).children(recursive=True)


def test_a_worker_killed_in_the_middle_harms_its_request_only(gateway: Home) -> None:
    """SIGKILL of a worker in mid-answer ends that stream with an error; the next request is served."""
    key = gateway.agent()
    body = {"model": "local", "messages": [{"role": "user", "content": "Count to 9."}], "stream": True}
    body |= {"max_tokens": 3000, "temperature": 1.9, "ignore_eos": True}
    head = {"authorization": f"Bearer {key}", "x-pointsman-fallback": "none"}
    with httpx.stream(
        "POST", f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=60
    ) as answer:
        lines = answer.iter_lines()
        assert "assistant" in next(lines)
        for worker in workers(gateway):
            os.kill(worker.pid, signal.SIGSTOP)
            os.kill(worker.pid, signal.SIGKILL)
        rest = "".join(lines)
    while any(one.state == "ready" for one in gateway.snapshot().models):
        pass  # an answer that was whole already ends before the gateway knows of the death
    assert '"error"' in rest or "[DONE]" in rest
    assert "Paris" in ask(gateway, key, "local").text
    assert httpx.get(f"{gateway.runtime.address.removesuffix('/v1')}/health").json()["status"] == "ok"


def test_local_failure_before_the_first_byte_goes_to_the_cloud(tmp_path: Path, upstream: FakeUpstream) -> None:
    """A local model that cannot be loaded is dropped, and the cloud answers."""
    broken = f'[targets.starter]\ntier = "local"\nengine = "llama_cpp"\nsource = "{tmp_path}/none.gguf"\n'
    gateway = Home(tmp_path, upstream.base_url, broken + target("cloudy", "ok")).start()
    try:
        answer = ask(gateway, gateway.agent(), "local")
        assert (answer.status_code, answer.headers["x-pointsman-target"]) == (200, "cloudy")
        assert "starter failed" in answer.headers["x-pointsman-reason"]
    finally:
        gateway.stop()


@pytest.mark.parametrize("model", ["busy", "broken", "dies-early"])
def test_cloud_failure_before_the_first_byte_comes_back_here(gateway: Home, model: str) -> None:
    """429, 500 and a cut before content let the local model answer."""
    answer = ask(gateway, gateway.agent(), model, stream=True)
    assert (answer.status_code, answer.headers["x-pointsman-tier"]) == (200, "local")
    assert "Paris" in said(answer)


def test_a_mistake_of_the_client_is_not_tried_elsewhere(gateway: Home, upstream: FakeUpstream) -> None:
    """A 400 of the upstream arrives as one 400 with its sentence."""
    answer = ask(gateway, gateway.agent(), "picky")
    assert (answer.status_code, len(upstream.requests)) == (400, 1)
    assert "fake 400" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("head", "status", "said"),
    [
        ({"authorization": ""}, 401, "No key came"),
        ({"authorization": "Bearer pm-wrong"}, 401, "No agent has this key"),
        ({"host": "evil.example"}, 403, "This Host is not this machine"),
        ({"origin": "https://evil.example"}, 403, "Web pages may not"),
        ({"content-type": "text/plain"}, 400, "content-type: application/json"),
        ({"x-pointsman-tier": "moon"}, 400, "local, private, cloud"),
    ],
)
def test_the_door_refuses_in_one_sentence(gateway: Home, head: dict[str, str], status: int, said: str) -> None:
    """Wrong key, foreign Host or Origin, wrong type, wrong hint: the status, and OpenAI's envelope."""
    headers = {"authorization": f"Bearer {gateway.agent()}", "content-type": "application/json", **head}
    body = json.dumps({"model": "local", "messages": FRANCE})
    answer = httpx.post(f"{gateway.runtime.address}/chat/completions", content=body, headers=headers)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "does not fit"),
        (b'{"model": "local"}', "messages"),
        (b'{"model": "local", "messages": [{"content": "x"}]}', "Message 1"),
        (b'{"model": "local", "messages": [], "max_tokens": 0}', "from 1 to"),
        (b'{"model": "local", "messages": ' + b"[" * 100_000, "not JSON"),
    ],
)
def test_broken_bodies_are_400(gateway: Home, body: bytes, said: str) -> None:
    """Broken JSON and broken shapes: one sentence that names what is wrong."""
    headers = {"authorization": f"Bearer {gateway.agent()}", "content-type": "application/json"}
    answer = httpx.post(f"{gateway.runtime.address}/chat/completions", content=body, headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_a_body_of_50_mb_is_refused_unread(gateway: Home) -> None:
    """Over the bound: 413 by its declared length."""
    port = gateway.runtime.port
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {gateway.agent()}\r\n"
        client.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {50 * 2**20}\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


def test_the_admin_door_is_closed_to_agents(gateway: Home) -> None:
    """An agent's key never opens the admin door."""
    key = gateway.agent()
    answer = httpx.get(f"{gateway.runtime.admin}/v1/snapshot", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 401


def test_the_runtime_file_is_for_its_owner_alone(gateway: Home) -> None:
    """The file with the token has mode 0600."""
    assert (gateway.folder / "home" / "gateway.json").stat().st_mode & 0o777 == 0o600


def test_a_second_instance_says_so(gateway: Home) -> None:
    """One gateway for each gateway."""
    code, said = gateway.run("gateway")
    assert code != 0
    assert said.count("\n") == 1
    assert "already running" in said


def test_a_taken_port_says_so(tmp_path: Path) -> None:
    """The port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = Home(tmp_path).run("gateway", "--port", str(port))
    assert code != 0
    assert f"Port {port} is taken" in said
    assert "POINTSMAN_PORT" in said


def test_a_typo_in_models_toml_names_file_line_and_spelling(tmp_path: Path) -> None:
    """File, line, and what to write instead."""
    gateway = Home(tmp_path)
    gateway.models.write_text(
        MODELS.format(base_url="http://127.0.0.1:9", targets=target("cloudy", "ok")).replace("tier =", "teir =")
    )
    code, said = gateway.run("gateway", "--port", "0")
    assert code != 0
    assert "test-models.toml" in said
    assert "line" in said
    assert "'tier'" in said
    assert "Traceback" not in said


def test_a_corrupt_database_is_named_and_kept(tmp_path: Path) -> None:
    """Nothing is thrown away: the sentence names the file."""
    gateway = Home(tmp_path)
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "pointsman.sqlite3").write_bytes(b"not a database" * 1000)
    code, said = gateway.run("gateway", "--port", "0")
    assert code != 0
    assert "pointsman.sqlite3" in said
    assert "Traceback" not in said
    assert (folder / "pointsman.sqlite3").read_bytes() == b"not a database" * 1000


def test_a_read_only_home_says_so(tmp_path: Path) -> None:
    """The folder, why, and what to do. A file in the way stands for any folder that cannot be made."""
    (tmp_path / "home").write_text("in the way")
    code, said = Home(tmp_path).run("gateway", "--port", "0")
    assert code != 0
    assert "cannot write" in said
    assert "POINTSMAN_HOME" in said


def test_stopped_by_the_person_the_client_is_told(gateway: Home, upstream: FakeUpstream) -> None:
    """A running request that is stopped from the tray ends with one 402 and closes the upstream."""
    key = gateway.agent()
    with ThreadPoolExecutor(1) as pool, gateway.events() as events:
        running = pool.submit(ask, gateway, key, "slow")
        for line in events.iter_lines():
            if line.startswith("data: {") and '"state":"running"' in line:
                request = admin.decode_snapshot(line.removeprefix("data: ").encode()).running[0].request
                break
        assert gateway.command(admin.StopRequest(request)) == {"ok": True}
        answer = running.result(30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "stopped")
    assert upstream.gone.wait(10)
