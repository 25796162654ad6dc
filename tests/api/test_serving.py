"""What the endpoints serve from: made once per process, encoded once per change."""

import json
import os
import signal
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.api.listing import Listing
from app.api.serving import EXTENSION, OncePerProcess, Seen
from app.config import Settings, read_settings
from app.core.clock import FakeClock
from app.tasks.task import Author
from app.wiring import Services
from tests.conftest import EVENING, on_sqlite


def test_something_seen_is_looked_up_once_a_second_at_most() -> None:
    clock = FakeClock(EVENING)
    looks: list[int] = []
    seen = Seen(lambda: looks.append(1) or len(looks), clock)  # type: ignore[func-returns-value]  # None
    assert [seen.get() for _ in range(5)] == [1] * 5
    clock.advance(timedelta(seconds=0.9))
    assert seen.get() == 1
    clock.advance(timedelta(seconds=0.2))
    assert seen.get() == 2
    seen.forget()
    assert seen.get() == 3


@on_sqlite
def test_an_app_opens_nothing_until_it_is_asked(settings: Settings) -> None:
    made: list[Any] = []

    def never() -> Services:
        made.append(1)
        raise AssertionError("not yet")

    app = create_app(settings, services_factory=never)
    client = app.test_client()
    assert client.get("/livez").status_code == 200
    assert client.get("/api/openapi.json").status_code == 200
    assert made == []
    assert not settings.state_dir.exists()


@on_sqlite
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_services_are_put_together_once_and_anew_after_a_fork(
    services: Services, settings: Settings
) -> None:
    made: list[int] = []

    def make() -> Services:
        made.append(os.getpid())
        return services

    kept = OncePerProcess(make)
    assert kept.get() is kept.get()
    assert made == [os.getpid()]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        kept.get()
        os.write(writing, json.dumps(made).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert json.loads(os.read(reading, 100)) == [os.getpid(), child]
    os.close(reading)
    os.close(writing)


@on_sqlite
def test_a_child_does_not_wait_for_services_that_its_parent_was_putting_together(
    services: Services,
) -> None:
    kept = OncePerProcess(lambda: services)
    with kept._lock:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            try:
                kept.get()
                os._exit(0)
            finally:
                os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@on_sqlite
def test_a_task_is_encoded_again_only_when_it_has_changed(
    services: Services, client: FlaskClient
) -> None:
    asked: list[str] = []
    book = services.book

    class Counting:
        def read(self, text: str, timezone: str | None) -> Any:
            asked.append(text)
            return book.read(text, timezone)

    listing = Listing(services.registry, Counting())  # type: ignore[arg-type]  # it only reads
    first = listing.encoded(services.registry.snapshot())
    assert len(asked) == 5
    assert listing.encoded(services.registry.snapshot()) == first
    client.patch("/api/tasks/memory_consolidation", json={"enabled": False})
    second = json.loads(b"[%b]" % listing.encoded(services.registry.snapshot()))
    assert len(asked) == 6
    assert [task["enabled"] for task in second] == [True, True, False, True, True]
    client.delete("/api/tasks/memory_consolidation")
    third = json.loads(b"[%b]" % listing.encoded(services.registry.snapshot()))
    assert len(asked) == 6
    assert len(third) == 4


@on_sqlite
def test_the_list_is_put_together_again_only_when_a_part_of_it_was_looked_up_anew(
    services: Services,
) -> None:
    serving = OncePerProcess(lambda: services).get()
    first = serving.page()
    assert serving.page() is first

    services.registry.update("memory_consolidation", {"enabled": False}, Author(kind="owner"))
    changed = serving.page()
    assert (changed.tag, changed.body) != (first.tag, first.body)
    assert serving.page() is changed

    serving.desk.forget()
    assert serving.page() is not changed
    looked = serving.page()
    serving.liveness.forget()
    assert serving.page() is not looked
    assert (serving.page().tag, serving.page().body) == (changed.tag, changed.body)


@on_sqlite
def test_the_list_is_the_same_as_its_tasks_shown_one_by_one(client: FlaskClient) -> None:
    listed = json.loads(client.get("/api/tasks").data)["tasks"]
    for task in listed:
        alone = json.loads(client.get(f"/api/tasks/{task['id']}").data)
        assert {key: alone[key] for key in task} == task


@on_sqlite
def test_an_app_serves_from_the_services_it_was_given(
    client: FlaskClient, services: Services
) -> None:
    assert client.application.extensions[EXTENSION].get().services is services


@pytest.mark.parametrize("value", [None, "", "not a date"])
def test_flasks_own_json_is_strict_too(value: str | None) -> None:
    app = create_app(read_settings({}))
    with pytest.raises(Exception, match="NaN"):
        app.json.loads('{"a": NaN}')
    assert app.json.dumps({"a": value}) == json.dumps({"a": value}, separators=(",", ":"))
