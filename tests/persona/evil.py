"""A persona service that can misbehave in every way a socket allows.

The first part of the path chooses how: a client of `server.url("hang")` is left hanging. Modes:
ok, latency-<milliseconds>, hang, trickle-headers, trickle-body, status-<number>, refuse-<number>
(with the body of that name in `answers`), redirect, redirect-endless, garbage, html, late-html,
no-type, truncated, endless, endless-headers, continue, huge (claims and sends 10 GB), bomb,
unasked-gzip, reset, close, close-after (one good answer, then closes the connection), twice (the
second one unasked), pipelined (both at once), last (says so), old (HTTP/1.0), bare-lines, hints,
switch, trailers (endless), limit-badly, early, deaf, cut-500, chunked, chunk-missing, body-<name>
(`answers`).
"""

import gzip
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from email.message import Message
from http.client import parse_headers
from typing import Any

PATH = "/api/persona/chat"
TEN_GB = 10 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came in."""

    path: str
    headers: Message
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        if self.tls is not None:  # the handshake comes with the first read, in its own thread
            sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address


class EvilPersona:
    """The server; a context manager. `received` holds every request, `answers` named bodies."""

    def __init__(
        self, answer: str = "I thought about it.", *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, bytes] = {}
        self.answer = {"response": answer, "reconciliation": None, "experience_id": "exp_1"}
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.tls = tls
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        evil = self

        class Handler(_Handler):
            server_state = evil

        return Handler

    def __enter__(self) -> "EvilPersona":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, mode: str = "ok") -> str:
        """Return the base address that is treated in this way."""
        scheme = "https" if self._server.tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}/{mode}"


class _Handler(socketserver.StreamRequestHandler):
    server_state: EvilPersona

    def handle(self) -> None:
        try:
            while self._one():
                pass
        except (OSError, ValueError):
            return  # the client has gone, as it should

    def _one(self) -> bool:
        line = self.rfile.readline(65536).split()
        if len(line) != 3:
            return False
        headers = parse_headers(self.rfile)
        if b"/early" in line[1]:
            self._send(b"{}", "429 Enough")
            return False
        if b"/deaf" in line[1]:
            return self.server_state.stopping.wait(60)
        body = self.rfile.read(int(headers.get("Content-Length", "0")))
        path = line[1].decode()
        self.server_state.received.append(
            Received(path=path, headers=headers, body=body, connection=self.client_address[1])
        )
        mode, _, argument = path.split("/")[1].partition("-")
        whole = path.split("/")[1].replace("-", "_")
        known = getattr(self, f"_{whole}", None)
        return bool(known() if known else getattr(self, f"_{mode}")(argument))

    def _send(self, body: bytes, status: str = "200 OK", *extra: str) -> bool:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *extra]
        if not any(line.startswith("Content-Type") for line in extra):
            lines.append("Content-Type: application/json")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return True

    def _good(self) -> bytes:
        return json.dumps(self.server_state.answer).encode()

    def _slowly(self, data: bytes, pause: float) -> bool:
        for number in range(len(data)):
            self.wfile.write(data[number : number + 1])
            if self.server_state.stopping.wait(pause):
                break
        return False

    def _ok(self) -> bool:
        return self._send(self._good())

    def _latency(self, milliseconds: str) -> bool:
        time.sleep(int(milliseconds) / 1000)
        return self._ok()

    def _hang(self) -> bool:
        return self.server_state.stopping.wait(60)

    def _trickle_headers(self) -> bool:
        return self._slowly(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 99, 0.05)

    def _trickle_body(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(b"Content-Length: 4000\r\n\r\n")
        return self._slowly(self._good().ljust(4000), 0.2)

    def _status(self, number: str) -> bool:
        said = b'{"detail": "no\x1b[31m\r\n luck"}' + b"x" * 5000
        return self._send(said, f"{number} Whatever")

    def _refuse(self, number: str) -> bool:
        return self._send(self.server_state.answers[number], f"{number} Whatever")

    def _slow_500(self) -> bool:
        self.wfile.write(b"HTTP/1.1 500 No\r\nContent-Length: 4000\r\n\r\nbecause ")
        return self.server_state.stopping.wait(60)

    def _cut_500(self) -> bool:
        self.wfile.write(b"HTTP/1.1 500 No\r\nContent-Length: 4000\r\n\r\nbecause ")
        return False

    def _redirect(self) -> bool:
        return self._send(b"{}", "307 Away", f"Location: {PATH}")

    def _redirect_endless(self) -> bool:
        self.wfile.write(f"HTTP/1.1 302 Away\r\nLocation: /ok{PATH}\r\n\r\n".encode())
        return self._pour()

    def _garbage(self) -> bool:
        self.wfile.write(bytes(range(256)) * 40)
        return False

    def _html(self) -> bool:
        return self._send(self._good(), "200 OK", "Content-Type: text/html")

    def _late_html(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
        self.wfile.write(b"Content-Length: 9\r\n\r\n")
        time.sleep(0.2)
        self.wfile.write(b"too late!")
        return True

    def _no_type(self) -> bool:
        good = self._good()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(good), good))
        return True

    def _truncated(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(b"Content-Length: 4000\r\n\r\n" + self._good())
        return False

    def _endless(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(b"Transfer-Encoding: chunked\r\n\r\n")
        return self._pour(b"10000\r\n" + b" " * 65536 + b"\r\n")

    def _endless_headers(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        return self._pour(b"X-A: " + b"b" * 1000 + b"\r\n")

    def _continue(self) -> bool:
        return self._pour(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    def _huge(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(f"Content-Length: {TEN_GB}\r\n\r\n".encode())
        return self._pour()

    def _pour(self, part: bytes = b" " * 65536) -> bool:
        while not self.server_state.stopping.is_set():
            self.wfile.write(part)
        return False

    def _bomb(self) -> bool:
        bomb = gzip.compress(b" " * 100_000_000, 1)
        return self._send(bomb, "200 OK", "Content-Encoding: gzip")

    def _unasked_gzip(self) -> bool:
        return self._send(gzip.compress(self._good()), "200 OK", "Content-Encoding: gzip")

    def _reset(self) -> bool:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        return False

    def _close(self) -> bool:
        return False

    def _close_after(self) -> bool:
        self._ok()
        return False

    def _twice(self) -> bool:
        self._ok()
        time.sleep(0.02)
        return self._send(json.dumps({"response": "Nobody asked for this."}).encode())

    def _pipelined(self) -> bool:
        good = self._good()
        spare = b'{"response": "Nobody asked for this."}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.wfile.write(head % len(good) + good + head % len(spare) + spare)
        return True

    def _last(self) -> bool:
        return self._send(self._good(), "200 OK", "Connection: close")

    def _old(self) -> bool:
        self.wfile.write(
            b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + self._good()
        )
        return False

    def _bare_lines(self) -> bool:
        good = self._good()
        head = b"HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: %d\n\n"
        self.wfile.write(head % len(good) + good)
        return True

    def _hints(self) -> bool:
        self.wfile.write(b"HTTP/1.1 103 Soon\r\nContent-Encoding: gzip\r\n\r\n")
        return self._ok()

    def _switch(self) -> bool:
        self.wfile.write(b"HTTP/1.1 101 So\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        return True

    def _trailers(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-A: ")
        return self._pour(b"b" * 1000)

    def _limit_badly(self) -> bool:
        self.wfile.write(b"HTTP/1.1 429 Enough\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        return False

    def _chunked(self) -> bool:
        good = self._good()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for part in (good[:10], good[10:], b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        return True

    def _chunk_missing(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        return False

    def _body(self, name: str) -> bool:
        return self._send(self.server_state.answers[name])
