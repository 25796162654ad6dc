"""The HTTP persona against a server that misbehaves."""

import gc
import os
import resource
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.clock import SystemClock
from app.persona.errors import (
    PersonaAuth,
    PersonaCancelled,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaProtocol,
    PersonaRefused,
    PersonaTimeout,
    PersonaTooLong,
    PersonaUnreachable,
)
from app.persona.incoming import Incoming
from app.persona.service import MOST_BYTES, ServicePersona
from tests.persona.evil import PATH, EvilPersona
from tests.persona.given import a_real_deadline, a_request

SOON = 0.6


@pytest.fixture(scope="module")
def server() -> Iterator[EvilPersona]:
    with EvilPersona() as evil:
        yield evil


def persona_at(server: EvilPersona, mode: str) -> ServicePersona:
    return ServicePersona(server.url(mode), SystemClock())


def fail(persona: ServicePersona, seconds: float = 10.0) -> PersonaError:
    """Return the error of one call, and check that it kept its deadline."""
    began = time.monotonic()
    with pytest.raises(PersonaError) as caught:
        persona.reply(a_request(), a_real_deadline(seconds))
    assert time.monotonic() - began < seconds + 0.5
    return caught.value


def test_one_post_is_sent_as_the_clients_of_the_service_know_it(server: EvilPersona) -> None:
    request = a_request(run_id="01k8run")
    before = len(server.received)
    reply = persona_at(server, "ok").reply(request, a_real_deadline(10))
    assert reply.text == "I thought about it."
    assert reply.reconciliation is None
    assert reply.metadata == {"experience_id": "exp_1"}
    (received,) = server.received[before:]
    assert received.path == f"/ok{PATH}"
    assert received.json == {
        "message": request.prompt,
        "retrieve_memories": True,
        "top_k": 10,
        "conversation_history": [],
    }
    assert received.headers["Idempotency-Key"] == "01k8run"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["Accept-Encoding"] == "identity"


def test_text_of_every_script_and_a_reconciliation_come_through(server: EvilPersona) -> None:
    server.answers["rich"] = (
        '{"response": "héllo 你好 🎈", "reconciliation": {"alignment": 0.5}, "more": 1}'.encode()
    )
    reply = persona_at(server, "body-rich").reply(a_request(), a_real_deadline(10))
    assert reply.text == "héllo 你好 🎈"
    assert reply.reconciliation == {"alignment": 0.5}
    assert reply.metadata == {}


@pytest.mark.parametrize("odd", [b"[]", b'"text"', b"5", b"false"])
def test_a_reconciliation_that_is_no_object_does_not_cost_the_answer(
    server: EvilPersona, odd: bytes
) -> None:
    server.answers["strange"] = b'{"response": "Well.", "reconciliation": ' + odd + b"}"
    reply = persona_at(server, "body-strange").reply(a_request(), a_real_deadline(10))
    assert (reply.text, reply.reconciliation) == ("Well.", None)


def test_a_blank_answer_is_handed_on_for_the_run_to_judge(server: EvilPersona) -> None:
    server.answers["blank"] = b'{"response": ""}'
    assert persona_at(server, "body-blank").reply(a_request(), a_real_deadline(10)).text == ""


@pytest.mark.parametrize(
    "mode", ["hang", "trickle-headers", "trickle-body", "continue", "latency-3000"]
)
def test_the_whole_time_is_kept_whatever_trickles_in(server: EvilPersona, mode: str) -> None:
    threads = threading.active_count()
    error = fail(persona_at(server, mode), SOON)
    assert isinstance(error, PersonaTimeout)
    assert error.reached
    assert threading.active_count() <= threads + 1  # the server's own


@pytest.mark.parametrize("mode", ["hang", "trickle-body"])
def test_a_cancelled_run_does_not_wait_for_the_answer(server: EvilPersona, mode: str) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.2, cancelled.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(PersonaCancelled):
        persona_at(server, mode).reply(a_request(), a_real_deadline(30, cancelled))
    assert time.monotonic() - began < 1.0
    timer.join()


@pytest.mark.parametrize("mode", ["huge", "endless"])
def test_ten_gigabytes_are_neither_read_nor_kept(server: EvilPersona, mode: str) -> None:
    persona = persona_at(server, mode)
    gc.collect()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        assert isinstance(fail(persona), PersonaTooLong)
        assert tracemalloc.get_traced_memory()[1] < 4 * MOST_BYTES
    finally:
        tracemalloc.stop()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 30_000  # KiB


def test_an_answer_of_just_the_most_bytes_is_read(server: EvilPersona) -> None:
    filling = b"x" * (MOST_BYTES - len(b'{"response": ""}'))
    server.answers["full"] = b'{"response": "' + filling + b'"}'
    server.answers["over"] = b'{"response": "x' + filling + b'"}'
    reply = persona_at(server, "body-full").reply(a_request(), a_real_deadline(10))
    assert len(reply.text) == len(filling)
    assert isinstance(fail(persona_at(server, "body-over")), PersonaTooLong)


@pytest.mark.parametrize("mode", ["bomb", "unasked-gzip"])
def test_a_compressed_answer_is_not_unpacked(server: EvilPersona, mode: str) -> None:
    error = fail(persona_at(server, mode))
    assert isinstance(error, PersonaProtocol)
    assert "compressed (gzip)" in error.detail


@pytest.mark.parametrize("mode", ["redirect", "redirect-endless"])
def test_a_redirect_is_not_followed(server: EvilPersona, mode: str) -> None:
    before = len(server.received)
    error = fail(persona_at(server, mode))
    assert isinstance(error, PersonaProtocol)
    assert "redirect" in error.detail
    assert len(server.received) == before + 1


@pytest.mark.parametrize(
    "mode",
    ["garbage", "html", "no-type", "truncated", "endless-headers", "reset", "close"],
)
def test_what_is_no_whole_answer_breaks_the_protocol(server: EvilPersona, mode: str) -> None:
    before = len(server.received)
    error = fail(persona_at(server, mode))
    assert type(error) is PersonaProtocol
    assert error.reached
    assert len(server.received) == before + 1, "it must not be sent again"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"response": null}',
        b'{"response": 5}',
        b'{"response": ["a"]}',
        b'{"response": "a", "response": "b"}',
        b'{"response": "a", "x": NaN}',
        b'{"response": "\\ud800"}',
        b'{"response": "\\u0000"}',
        b'{"response": "\xff"}',
        b"[" * 60_000,
    ],
)
def test_json_that_is_no_answer_breaks_the_protocol(server: EvilPersona, body: bytes) -> None:
    server.answers["odd"] = body
    assert type(fail(persona_at(server, "body-odd"))) is PersonaProtocol


def test_a_demand_to_resolve_a_conflict_is_no_answer(server: EvilPersona) -> None:
    server.answers["demand"] = b'{"response": "Resolve this first", "resolution_required": true}'
    error = fail(persona_at(server, "body-demand"))
    assert isinstance(error, PersonaRefused)


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (400, PersonaRefused, False),
        (401, PersonaAuth, False),
        (403, PersonaAuth, False),
        (404, PersonaRefused, False),
        (422, PersonaRefused, False),
        (429, PersonaLimit, True),
        (500, PersonaFailed, False),
        (502, PersonaFailed, False),
        (503, PersonaFailed, False),
        (201, PersonaProtocol, False),
        (302, PersonaProtocol, False),
    ],
)
def test_a_status_says_what_went_wrong(
    server: EvilPersona, status: int, kind: type[PersonaError], transient: bool
) -> None:
    error = fail(persona_at(server, f"status-{status}"))
    assert type(error) is kind
    assert error.transient is transient
    assert error.reached
    assert f"{status}: " in error.detail


def test_the_first_kilobyte_of_a_failure_is_kept_without_control_characters(
    server: EvilPersona,
) -> None:
    detail = fail(persona_at(server, "status-500")).detail
    assert '{"detail": "no [31m luck"}xxx' in detail
    assert detail.isprintable()
    assert 1000 < len(detail) < 1100


def test_a_failure_is_known_before_its_slow_body_has_come(server: EvilPersona) -> None:
    error = fail(persona_at(server, "slow-500"), 1.4)
    assert isinstance(error, PersonaFailed)
    assert error.detail.endswith("500: because")


def test_a_service_whose_persona_mode_is_off_never_saw_the_prompt(server: EvilPersona) -> None:
    server.answers["503"] = b'{"detail": "Persona mode not enabled"}'
    error = fail(persona_at(server, "refuse-503"))
    assert isinstance(error, PersonaUnreachable)
    assert not error.reached
    assert "persona mode is off" in error.detail


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


NO_NAMES = ["no-such-host.invalid", "no..name", f"{'x' * 64}.invalid"]
"""The first is looked up in vain; the others cannot even be asked for, which is another error."""


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", *NO_NAMES])
def test_a_connection_that_cannot_be_made_never_reached_anybody(host: str) -> None:
    url = "http://" + host.format(port=free_port())
    error = fail(ServicePersona(url, SystemClock()))
    assert isinstance(error, PersonaUnreachable)
    assert not error.reached
    assert error.transient
    assert host.partition(":")[0] in error.detail


def test_a_connection_that_hangs_is_given_up_with_the_deadline() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(4):  # a full backlog leaves the next handshake unanswered
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        error = fail(ServicePersona(f"http://127.0.0.1:{address[1]}", SystemClock()), SOON)
        assert isinstance(error, PersonaTimeout)
        for filler in fillers:
            filler.close()


def test_a_secret_in_the_address_stays_out_of_errors() -> None:
    port = free_port()
    persona = ServicePersona(f"http://me:s3cret@127.0.0.1:{port}", SystemClock())
    assert "s3cret" not in fail(persona).detail


def test_no_proxy_and_no_netrc_of_the_environment_is_used(
    server: EvilPersona, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    persona_at(server, "ok").reply(a_request(), a_real_deadline(10))
    assert server.received[-1].headers["Authorization"] is None


def test_a_connection_is_kept_for_the_next_call_of_the_same_thread(server: EvilPersona) -> None:
    persona = persona_at(server, "ok")
    before = len(server.received)
    for _ in range(5):
        persona.reply(a_request(), a_real_deadline(10))
    assert len({received.connection for received in server.received[before:]}) == 1


def test_a_connection_that_was_idle_for_long_is_not_trusted(server: EvilPersona) -> None:
    clock = SteppingClock()
    persona = ServicePersona(server.url("ok"), clock)
    before = len(server.received)
    for _ in range(2):
        persona.reply(a_request(), a_real_deadline(10))
        clock.ahead += 1.5
    assert len({received.connection for received in server.received[before:]}) == 2


class SteppingClock(SystemClock):
    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def test_a_connection_that_the_server_closed_is_made_anew(server: EvilPersona) -> None:
    persona = persona_at(server, "close-after")
    for _ in range(3):
        assert persona.reply(a_request(), a_real_deadline(10)).text
        time.sleep(0.02)  # until the end of the connection has arrived


@pytest.mark.parametrize("mode", ["twice", "pipelined"])
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(
    server: EvilPersona, mode: str
) -> None:
    persona = persona_at(server, mode)
    for _ in range(3):
        assert persona.reply(a_request(), a_real_deadline(10)).text == "I thought about it."
        time.sleep(0.1)  # until the other one has arrived


@pytest.mark.parametrize("mode", ["pipelined", "last"])
def test_a_connection_that_brings_no_other_answer_is_not_kept(
    server: EvilPersona, mode: str
) -> None:
    persona, before = persona_at(server, mode), len(server.received)
    for _ in range(2):
        persona.reply(a_request(), a_real_deadline(10))
    assert len({received.connection for received in server.received[before:]}) == 2


@pytest.mark.parametrize("mode", ["old", "bare-lines", "hints"])
def test_an_answer_may_look_unlike_others(server: EvilPersona, mode: str) -> None:
    reply = persona_at(server, mode).reply(a_request(), a_real_deadline(10))
    assert reply.text == "I thought about it."


def test_an_answer_that_comes_before_the_prompt_is_sent_is_read(server: EvilPersona) -> None:
    request = replace(a_request(), prompt="x" * 20_000_000)
    with pytest.raises(PersonaLimit):
        persona_at(server, "early").reply(request, a_real_deadline(10))


def test_a_service_that_does_not_listen_is_given_up_with_the_deadline(server: EvilPersona) -> None:
    request, began = replace(a_request(), prompt="x" * 20_000_000), time.monotonic()
    with pytest.raises(PersonaTimeout):
        persona_at(server, "deaf").reply(request, a_real_deadline(SOON))
    assert time.monotonic() - began < SOON + 0.5


def test_a_status_is_known_whatever_comes_behind_it(server: EvilPersona) -> None:
    assert isinstance(fail(persona_at(server, "limit-badly")), PersonaLimit)
    error = fail(persona_at(server, "cut-500"))
    assert isinstance(error, PersonaFailed)
    assert "because" in error.detail


def test_what_stands_beside_a_body_has_a_bound(server: EvilPersona) -> None:
    error = fail(persona_at(server, "trailers"))
    assert type(error) is PersonaProtocol
    assert "beside its body" in error.detail


def test_another_protocol_is_no_answer(server: EvilPersona) -> None:
    assert "changes the protocol" in fail(persona_at(server, "switch")).detail


def test_a_password_in_the_address_is_sent_as_one_only(server: EvilPersona) -> None:
    url = server.url("ok").replace("127.0.0.1", "me:s3cret@127.0.0.1")
    ServicePersona(url, SystemClock()).reply(a_request(), a_real_deadline(10))
    headers = server.received[-1].headers
    assert headers["Host"] == server.url().removeprefix("http://").partition("/")[0]
    assert headers["Authorization"].startswith("Basic ")


def test_an_answer_leaves_nothing_for_a_search_for_rubbish(server: EvilPersona) -> None:
    persona = persona_at(server, "ok")
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            persona.reply(a_request(), a_real_deadline(10))
        assert not [each for each in gc.get_objects() if type(each) is Incoming]
    finally:
        gc.enable()


def test_an_answer_that_was_not_read_to_its_end_spoils_no_other(server: EvilPersona) -> None:
    persona = persona_at(server, "late-html")
    for _ in range(2):
        assert "text/html" in fail(persona).detail


def test_an_address_of_ipv6_needs_no_port() -> None:
    error = fail(ServicePersona("http://[::1]", SystemClock()))
    assert isinstance(error, PersonaUnreachable)
    assert "no connection to ::1:80" in error.detail


@pytest.mark.parametrize("mode", ["hang", "truncated", "endless", "status-500", "html"])
def test_a_broken_call_leaves_nothing_behind_for_the_next(server: EvilPersona, mode: str) -> None:
    persona = persona_at(server, mode)
    for _ in range(2):
        fail(persona, 0.2 if mode == "hang" else 10)
    before = open_connections()
    fail(persona, 0.2 if mode == "hang" else 10)
    assert open_connections() <= before


def open_connections() -> int:
    gc.collect()
    return sum(is_connected(descriptor) for descriptor in range(256))


def is_connected(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            return bool(sock.getpeername())
    except OSError:
        return False


def test_many_threads_call_at_once(server: EvilPersona) -> None:
    persona = persona_at(server, "latency-200")
    answers: list[str] = []

    def call() -> None:
        answers.append(persona.reply(a_request(), a_real_deadline(10)).text)

    began = time.monotonic()
    threads = [threading.Thread(target=call) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["I thought about it."] * 30
    assert time.monotonic() - began < 3


def test_a_call_costs_little_processor_time(server: EvilPersona) -> None:
    persona = persona_at(server, "ok")
    deadline = a_real_deadline(60)
    for _ in range(20):
        persona.reply(a_request(), deadline)
    began = time.thread_time()
    for _ in range(200):
        persona.reply(a_request(), deadline)
    assert (time.thread_time() - began) / 200 < timedelta(milliseconds=5).total_seconds()
