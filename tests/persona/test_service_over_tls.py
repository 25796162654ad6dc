"""The same promises where the persona service speaks TLS."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.clock import SystemClock
from app.persona.client import Deadline
from app.persona.connections import Connection
from app.persona.errors import PersonaTimeout, PersonaTooLong, PersonaUnreachable
from app.persona.incoming import Incoming
from app.persona.service import ServicePersona
from tests.persona.evil import EvilPersona
from tests.persona.given import a_real_deadline, a_request


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:svc.example",
    ]
    command += ["-keyout", str(file.with_suffix(".key")), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[EvilPersona]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with EvilPersona(tls=context) as evil:
        yield evil


def persona_at(server: EvilPersona, mode: str, certificate: Path) -> ServicePersona:
    return ServicePersona(server.url(mode), SystemClock(), trusted=str(certificate))


def test_it_answers_over_tls_on_one_connection(server: EvilPersona, certificate: Path) -> None:
    persona = persona_at(server, "ok", certificate)
    before = len(server.received)
    for _ in range(3):
        assert persona.reply(a_request(), a_real_deadline(10)).text == "I thought about it."
    assert len({received.connection for received in server.received[before:]}) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(server: EvilPersona) -> None:
    persona = ServicePersona(server.url("ok"), SystemClock())
    before = len(server.received)
    with pytest.raises(PersonaUnreachable, match="certificate") as caught:
        persona.reply(a_request(), a_real_deadline(10))
    assert not caught.value.reached
    assert len(server.received) == before


def test_a_dot_at_the_end_of_a_name_is_for_the_resolver_only(
    server: EvilPersona, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    address = server.url().removeprefix("https://").partition("/")[0]
    port = int(address.partition(":")[2])

    def resolve(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = f"https://svc.example.:{port}/ok"
    persona = ServicePersona(url, SystemClock(), trusted=str(certificate))
    assert persona.reply(a_request(), a_real_deadline(10)).text == "I thought about it."
    assert asked == ["svc.example."]
    assert server.received[-1].headers["Host"] == f"svc.example:{port}"


def test_certificates_that_are_not_there_are_told(server: EvilPersona, tmp_path: Path) -> None:
    persona = ServicePersona(server.url("ok"), SystemClock(), trusted=str(tmp_path / "none.pem"))
    with pytest.raises(PersonaUnreachable, match="No such file"):
        persona.reply(a_request(), a_real_deadline(10))


class Watched(Connection):
    """A connection that notes its sockets as the system names them."""

    made: str = ""

    def _first_that_answers(self, deadline: Deadline) -> socket.socket:
        sock = super()._first_that_answers(deadline)
        self.made = f"socket:[{os.fstat(sock.fileno()).st_ino}]"
        return sock


def open_files() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return found


@pytest.mark.parametrize("trusted", ["nobody", "no-such-file.pem"])
def test_where_no_tls_comes_about_the_socket_is_closed_at_once(
    server: EvilPersona, tmp_path: Path, trusted: str
) -> None:
    file = None if trusted == "nobody" else str(tmp_path / trusted)
    connection = Watched(server.url("ok"), trusted=file)
    with pytest.raises(PersonaUnreachable) as caught:
        connection.ask(b"", Incoming(), a_real_deadline(10))
    # the error is still at hand, and with it all that would close the socket when it is forgotten
    assert caught.value.__traceback__ is not None
    assert connection.made
    assert connection.made not in open_files()


@pytest.mark.parametrize("mode", ["hang", "trickle-headers", "trickle-body"])
def test_the_whole_time_is_kept_over_tls(server: EvilPersona, certificate: Path, mode: str) -> None:
    began = time.monotonic()
    with pytest.raises(PersonaTimeout):
        persona_at(server, mode, certificate).reply(a_request(), a_real_deadline(0.6))
    assert time.monotonic() - began < 1.1


def test_a_handshake_that_never_ends_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        persona = ServicePersona(f"https://127.0.0.1:{silent.getsockname()[1]}", SystemClock())
        began = time.monotonic()
        with pytest.raises(PersonaTimeout):
            persona.reply(a_request(), a_real_deadline(0.6))
        assert time.monotonic() - began < 1.1


def test_ten_gigabytes_over_tls_are_not_read(server: EvilPersona, certificate: Path) -> None:
    with pytest.raises(PersonaTooLong):
        persona_at(server, "huge", certificate).reply(a_request(), a_real_deadline(10))
