"""What every request passes before anything is touched: host, origin, token, size, kind of body."""

import gzip
import hmac
import json
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import create_environ, run_wsgi_app

from app import create_app
from app.config import Settings, read_settings
from app.persona.fakes import ScriptedPersona
from app.wiring import Services
from tests.conftest import on_sqlite

pytestmark = on_sqlite

TOKEN = "a-token-of-at-least-thirty-two-characters"
EXECUTE = "/api/tasks/daily_reflection/execute"


def problem(response: Any) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    return response.status_code, json.loads(response.data)["type"]


def client_with(services: Services, **environment: str) -> FlaskClient:
    """A client of the same services behind an app with other settings."""
    given = {
        "PERSONA_SPACE": str(services.settings.persona_space),
        "DATABASE_URL": services.settings.database_url,
        **environment,
    }
    return create_app(read_settings(given), services_factory=lambda: services).test_client()


# ---- host


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST:80", "127.0.0.1:8000", "[::1]:8000"]
)
def test_loopback_names_are_let_in(client: FlaskClient, host: str) -> None:
    assert client.get("/api/tasks", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1", "0.0.0.0:8000"],
)
def test_a_foreign_host_is_refused(client: FlaskClient, host: str) -> None:
    response = client.get("/api/tasks", headers={"Host": host})
    assert problem(response) == (421, "/problems/host-refused")


@pytest.mark.parametrize("host", ["", "local host", "a@b", "[::1", "localhost:port", "a/b", "é"])
def test_a_host_that_cannot_be_read_is_refused(client: FlaskClient, host: str) -> None:
    response = client.get("/api/tasks", headers={"Host": host})
    assert problem(response) == (400, "/problems/host-missing")


def test_a_missing_host_is_refused(client: FlaskClient) -> None:
    environ = create_environ("/api/tasks")
    del environ["HTTP_HOST"]
    _, status, _ = run_wsgi_app(client.application, environ)
    assert status == "400 BAD REQUEST"


def test_names_of_allowed_hosts_are_let_in(services: Services) -> None:
    client = client_with(services, ALLOWED_HOSTS="tasks.example, [fd00::1]")
    assert client.get("/livez", headers={"Host": "tasks.example:443"}).status_code == 200
    assert client.get("/livez", headers={"Host": "[fd00::1]:8000"}).status_code == 200
    assert client.get("/livez", headers={"Host": "other.example"}).status_code == 421


def test_the_address_listened_on_is_let_in_but_the_wildcard_is_no_name(services: Services) -> None:
    named = client_with(services, HOST="10.1.2.3", API_TOKEN=TOKEN)
    assert named.get("/livez", headers={"Host": "10.1.2.3:8000"}).status_code == 200
    wide = client_with(services, HOST="0.0.0.0", API_TOKEN=TOKEN)
    assert wide.get("/livez", headers={"Host": "0.0.0.0:8000"}).status_code == 421


# ---- origin


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", EXECUTE),
        ("PATCH", "/api/tasks/daily_reflection"),
        ("DELETE", "/api/tasks/daily_reflection"),
    ],
)
def test_a_page_of_another_origin_changes_nothing(
    client: FlaskClient,
    persona: ScriptedPersona,
    method: str,
    path: str,
    headers: dict[str, str],
) -> None:
    response = client.open(path, method=method, headers=headers)
    assert problem(response) == (403, "/problems/origin-refused")
    assert client.get("/api/tasks/daily_reflection").status_code == 200
    assert persona.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "https://LOCALHOST", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_its_own_pages_and_plain_clients_may_change_things(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    response = client.patch("/api/tasks/daily_reflection", json={"enabled": False}, headers=headers)
    assert response.status_code == 200


def test_behind_a_proxy_that_rewrites_host_the_declared_name_is_an_own_origin(
    services: Services,
) -> None:
    client = client_with(services, ALLOWED_HOSTS="tasks.example")
    change = {"json": {"enabled": False}}
    path = "/api/tasks/daily_reflection"
    own = client.patch(path, headers={"Origin": "https://tasks.example"}, **change)
    other = client.patch(path, headers={"Origin": "https://other.example"}, **change)
    assert (own.status_code, other.status_code) == (200, 403)


def test_no_answer_lets_other_origins_read_it(client: FlaskClient) -> None:
    for method in ("GET", "OPTIONS"):
        response = client.open(
            "/api/tasks", method=method, headers={"Origin": "http://evil.example"}
        )
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


# ---- token


@pytest.fixture
def closed(services: Services) -> FlaskClient:
    """A client of a service that wants its token."""
    return client_with(services, API_TOKEN=TOKEN)


def test_the_token_opens_the_door(closed: FlaskClient) -> None:
    for scheme in ("Bearer", "bearer", "BEARER "):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        assert closed.get("/api/tasks", headers=headers).status_code == 200


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN])
def test_without_a_token_nothing_is_shown(closed: FlaskClient, given: str | None) -> None:
    headers = {"Authorization": given} if given is not None else {}
    response = closed.get("/api/tasks", headers=headers)
    assert problem(response) == (401, "/problems/token-needed")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="persona-tasks"'


@pytest.mark.parametrize("given", ["x", TOKEN[:-1], TOKEN + "x", "é" * 40, TOKEN.upper()])
def test_a_wrong_token_is_refused(closed: FlaskClient, given: str) -> None:
    response = closed.get("/api/tasks", headers={"Authorization": f"Bearer {given}"})
    assert problem(response) == (401, "/problems/token-wrong")
    assert "invalid_token" in response.headers["WWW-Authenticate"]


def test_tokens_are_compared_in_constant_time(
    closed: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []
    really = hmac.compare_digest

    def compare(left: bytes, right: bytes) -> bool:
        compared.append(right)
        return really(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    closed.get("/api/tasks", headers={"Authorization": "Bearer x"})
    assert compared == [TOKEN.encode()]


def test_every_route_but_a_sign_of_life_and_the_page_that_asks_wants_the_token(
    closed: FlaskClient,
) -> None:
    open_paths = set()
    for rule in closed.application.url_map.iter_rules():
        values = dict.fromkeys(rule.arguments, "")
        values |= {"task_id": "daily_reflection", "run_id": "0" * 26, "name": "start.js"}
        path = rule.rule
        for name, value in values.items():
            path = path.replace(f"<{name}:{name}>", value)
        if rule.endpoint == "docs.asset":
            path = "/api/docs/start.js"
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            with closed.open(path, method=method) as response:
                if response.status_code != 401:
                    open_paths.add(rule.endpoint)
    assert open_paths == {"health.livez", "docs.root", "docs.page", "docs.asset"}


def test_the_token_is_asked_for_before_the_body_is_looked_at(
    closed: FlaskClient, persona: ScriptedPersona
) -> None:
    for data, kind in ((b"{", "application/json"), (b"x", "text/plain")):
        response = closed.post("/api/tasks", data=data, content_type=kind)
        assert response.status_code == 401
    assert closed.post("/api/nowhere").status_code == 401
    assert closed.post(EXECUTE).status_code == 401
    assert persona.requests == []


def test_the_page_that_asks_for_the_token_needs_none_and_shows_nothing(
    closed: FlaskClient,
) -> None:
    with closed.get("/api/docs") as page:
        assert page.status_code == 200
    assert closed.get("/api/openapi.json").status_code == 401


# ---- size and kind of a body


def test_a_body_beyond_1_mib_is_refused(client: FlaskClient) -> None:
    for path in ("/api/tasks", EXECUTE):
        response = client.post(path, data=b" " * (1024 * 1024 + 1))
        assert problem(response) == (413, "/problems/too-large")


def test_a_body_of_1_mib_is_read(client: FlaskClient) -> None:
    body = json.dumps({"name": "x"}).encode()
    body += b" " * (1024 * 1024 - len(body))
    assert client.patch("/api/tasks/daily_reflection", data=body).status_code == 200


def test_a_body_of_unsaid_length_beyond_1_mib_is_refused(client: FlaskClient) -> None:
    class Endless:
        def read(self, size: int = -1) -> bytes:
            return b" " * (size if size > 0 else 65536)

    response = client.post(
        "/api/tasks",
        environ_overrides={"wsgi.input": Endless(), "wsgi.input_terminated": True},
        headers={"Transfer-Encoding": "chunked"},
        content_type="application/json",
    )
    assert problem(response) == (413, "/problems/too-large")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "image/png"]
)
@pytest.mark.parametrize("path", ["/api/tasks", EXECUTE, "/api/schedules/preview"])
def test_a_body_that_is_not_said_to_be_json_is_refused(
    client: FlaskClient, persona: ScriptedPersona, path: str, kind: str
) -> None:
    response = client.post(path, data=b'{"schedule": "daily"}', content_type=kind)
    assert problem(response) == (415, "/problems/not-json")
    assert persona.requests == []


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP, identity"])
def test_a_body_that_is_encoded_is_refused_by_its_encoding(
    client: FlaskClient, encoding: str
) -> None:
    body, headers = gzip.compress(b'{"enabled": false}'), {"Content-Encoding": encoding}
    response = client.patch("/api/tasks/daily_reflection", data=body, headers=headers)
    assert problem(response) == (415, "/problems/encoded")
    assert response.headers["Accept-Encoding"] == "identity"
    assert f"`Content-Encoding: {encoding}`" in response.text


def test_a_body_that_is_said_to_be_plain_is_read(client: FlaskClient) -> None:
    response = client.patch(
        "/api/tasks/daily_reflection",
        json={"enabled": False},
        headers={"Content-Encoding": "identity"},
    )
    assert response.status_code == 200


def test_a_body_of_unsaid_length_that_is_not_said_to_be_json_is_refused(
    client: FlaskClient,
) -> None:
    response = client.post(
        "/api/tasks",
        environ_overrides={"wsgi.input": BytesIO(b"{}"), "wsgi.input_terminated": True},
        headers={"Transfer-Encoding": "chunked"},
        content_type="text/plain",
    )
    assert problem(response) == (415, "/problems/not-json")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "application/merge-patch+json"]
)
def test_kinds_of_json_are_taken(client: FlaskClient, kind: str) -> None:
    response = client.patch(
        "/api/tasks/daily_reflection", data=b'{"enabled": false}', content_type=kind
    )
    assert response.status_code == 200


def test_where_no_body_is_needed_its_kind_does_not_matter(client: FlaskClient) -> None:
    response = client.post(EXECUTE, data=b"", content_type="application/x-www-form-urlencoded")
    assert response.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 60_000,
        b'{"id": NaN}',
        b'{"id": "a", "id": "b"}',
        b'{"id": "\\ud800"}',
        b'{"id": "\\u0000"}',
        b'{"id": 1e999}',
        b'{"id": 99999999999999999999}',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
    ],
)
def test_json_that_a_lenient_reader_would_take_is_refused(client: FlaskClient, body: bytes) -> None:
    response = client.post("/api/tasks", data=body)
    assert problem(response) == (400, "/problems/bad-json")


# ---- what every answer carries


def test_what_is_not_modified_says_nothing_of_what_the_page_may_do(client: FlaskClient) -> None:
    with client.get("/api/docs") as response:
        tag = response.headers["ETag"]
    with client.get("/api/docs", headers={"If-None-Match": tag}) as again:
        assert again.status_code == 304
        assert "Content-Security-Policy" not in again.headers
        assert again.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/tasks", "/api/nowhere", "/livez", "/api/docs", "/"])
def test_every_answer_carries_the_headers_that_keep_browsers_safe(
    client: FlaskClient, path: str
) -> None:
    with client.get(path) as response:
        headers = response.headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert sorted(headers.keys()) == sorted(set(headers.keys()))


def test_answers_are_not_stored_unless_they_can_be_checked_again(client: FlaskClient) -> None:
    assert client.get("/api/tasks").headers["Cache-Control"] == "no-cache"
    assert client.get("/api/runs").headers["Cache-Control"] == "no-store"
    assert client.get("/api/nowhere").headers["Cache-Control"] == "no-store"


def test_a_wrong_method_is_told_the_right_ones(client: FlaskClient) -> None:
    response = client.put("/api/tasks/daily_reflection")
    assert response.status_code == 405
    assert {"GET", "PATCH", "DELETE"} <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    "task_id", ["UPPER", "a b", "%00", "%0a", "..%2f..%2fx", "a/b", "a" * 65, "-a", "%ff", "é"]
)
@pytest.mark.parametrize("rest", ["", "/results", "/next", "/history"])
def test_an_id_outside_the_rule_is_a_path_that_does_not_exist(
    client: FlaskClient, task_id: str, rest: str
) -> None:
    assert client.get(f"/api/tasks/{task_id}{rest}").status_code == 404


@pytest.mark.parametrize("word", ["due", "results", "execute-due", "preview", "new"])
def test_a_reserved_word_is_no_task(client: FlaskClient, word: str) -> None:
    assert client.post(f"/api/tasks/{word}/execute").status_code == 404
    body = {"id": word, "name": "x", "type": "custom", "schedule": "manual", "prompt": "x"}
    assert client.post("/api/tasks", json=body).status_code == 422


def test_settings_decide_not_the_environment_of_the_request(
    settings: Settings, client: FlaskClient
) -> None:
    assert settings.api_token is None
    response = client.get("/api/tasks", headers={"X-Forwarded-Host": "evil.example"})
    assert response.status_code == 200
