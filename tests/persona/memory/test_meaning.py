"""Memories that mean the same: vectors kept, blended, and done without where they fail."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.core.clock import FakeClock, SystemClock
from app.core.ids import RandomIds
from app.database import Database
from app.persona.errors import (
    PersonaAuth,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaProtocol,
    PersonaRefused,
    PersonaTimeout,
    PersonaTooLong,
    PersonaUnreachable,
)
from app.persona.fakes import ListedEmbedder
from app.persona.memory.embedding import MOST_CHARACTERS, HttpEmbedder
from app.persona.memory.meaning import Meaning
from app.persona.memory.memory import Within
from app.persona.memory.store import Memories
from app.persona.memory.tables import memory_vectors
from tests.persona.evil import EvilPersona
from tests.persona.given import a_real_deadline
from tests.persona.memory.given import NOW, a_draft, found

ABOUT = {"tomato": 1, "vegetable": 1, "sea": 2, "ocean": 2}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def embedder() -> ListedEmbedder:
    return ListedEmbedder(ABOUT)


@pytest.fixture
def meaning(database: Database, embedder: ListedEmbedder, clock: FakeClock) -> Meaning:
    return Meaning(database, embedder, clock)


@pytest.fixture
def memories(database: Database, meaning: Meaning, clock: FakeClock) -> Memories:
    memories = Memories(database, clock, RandomIds(), meaning)
    memories.remember_all(
        [
            a_draft("We planted tomatoes"),
            a_draft("The sea was calm"),
            *(a_draft(f"Nothing much, {n}") for n in range(8)),
        ]
    )
    return memories


def vectors(database: Database) -> int:
    with database.read() as connection:
        return int(
            connection.execute(select(func.count()).select_from(memory_vectors)).scalar_one()
        )


def test_what_means_the_same_is_found_without_a_shared_word(memories: Memories) -> None:
    assert found(memories, "vegetables") == ["We planted tomatoes"]
    assert found(memories, "ocean") == ["The sea was calm"]


def test_words_and_meaning_together_come_first(memories: Memories) -> None:
    memories.remember(a_draft("My vegetables grow", ago=timedelta(hours=2)))
    memories.remember(a_draft("Vegetables, the word", ago=timedelta(hours=3)))
    assert set(found(memories, "vegetables", limit=2)) == {
        "My vegetables grow",
        "Vegetables, the word",
    }
    assert found(memories, "vegetables")[2] == "We planted tomatoes"


def test_what_lies_outside_of_what_is_asked_for_is_not_found_by_meaning(memories: Memories) -> None:
    assert found(memories, "vegetables", kind="result") == []
    assert found(memories, "vegetables", since=NOW) == []
    assert found(memories, "") == []


def test_each_vector_is_made_once_and_goes_with_its_memory(
    memories: Memories, database: Database, embedder: ListedEmbedder
) -> None:
    found(memories, "ocean")
    assert vectors(database) == 10
    before = len(embedder.texts)
    found(memories, "ocean")
    assert embedder.texts[before:] == ["ocean"]
    for memory in memories.page(Within(), limit=10).memories:
        memories.forget(memory.id)
    assert vectors(database) == 0


def test_another_model_makes_its_own_vectors(
    memories: Memories, database: Database, clock: FakeClock
) -> None:
    found(memories, "ocean")
    other = Meaning(database, ListedEmbedder(ABOUT, model="other"), clock)
    assert other.make_missing() == 10
    assert other.make_missing() == 0
    assert vectors(database) == 20


def test_a_search_goes_on_by_words_where_no_vectors_come_and_does_not_ask_at_once_again(
    memories: Memories, embedder: ListedEmbedder, clock: FakeClock
) -> None:
    embedder.failure = PersonaUnreachable("nobody there")
    assert found(memories, "tomatoes vegetables") == ["We planted tomatoes"]
    embedder.failure = None
    assert found(memories, "vegetables") == []
    assert embedder.texts == []
    clock.advance(timedelta(minutes=1))
    assert found(memories, "vegetables") == ["We planted tomatoes"]


# ---- over HTTP


@pytest.fixture(scope="module")
def server() -> Iterator[EvilPersona]:
    with EvilPersona() as evil:
        yield evil


def answer(*vectors: object) -> bytes:
    data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "m"}).encode()


def embed(server: EvilPersona, mode: str, seconds: float = 10.0) -> list[list[float]]:
    embedder = HttpEmbedder(server.url(mode) + "/v1/", "m", SystemClock(), key="secret")
    made = embedder.embed(["one", "x" * 5000], a_real_deadline(seconds))
    return [list(vector) for vector in made]


def test_texts_are_sent_as_openai_compatible_servers_know_it(server: EvilPersona) -> None:
    server.answers["two"] = answer([0.5, 1], [0, -1e-3])
    before = len(server.received)
    assert embed(server, "body-two") == [[0.5, 1], [0, -0.001]]
    (received,) = server.received[before:]
    assert received.path == "/body-two/v1/embeddings"
    assert received.json == {
        "model": "m",
        "input": ["one", "x" * MOST_CHARACTERS],
        "encoding_format": "float",
    }
    assert received.headers["Authorization"] == "Bearer secret"


def test_vectors_are_put_in_the_order_of_their_texts(server: EvilPersona) -> None:
    document = json.loads(answer([1.0], [2.0]))
    document["data"].reverse()
    server.answers["reversed"] = json.dumps(document).encode()
    assert embed(server, "body-reversed") == [[1.0], [2.0]]


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"data": null}',
        b'{"data": [1, 2]}',
        answer([1.0]),
        answer([1.0], [2.0], [3.0]),
        answer([1.0], []),
        answer([1.0], [1.0, 2.0]),
        answer([1.0], ["2"]),
        answer([1.0], [True]),
        answer([1.0], "AAAA"),
        answer([1.0], None),
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [1]}]}',
    ],
)
def test_an_answer_that_is_no_two_vectors_is_refused(server: EvilPersona, odd: bytes) -> None:
    server.answers["odd"] = odd
    with pytest.raises(PersonaProtocol):
        embed(server, "body-odd")


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("status-401", PersonaAuth),
        ("status-429", PersonaLimit),
        ("status-404", PersonaRefused),
        ("status-500", PersonaFailed),
        ("redirect", PersonaFailed),
        ("redirect-endless", PersonaFailed),
        ("garbage", PersonaProtocol),
        ("truncated", PersonaProtocol),
        ("reset", PersonaProtocol),
        ("close", PersonaProtocol),
        ("bomb", PersonaProtocol),
        ("endless", PersonaTooLong),
        ("huge", PersonaTooLong),
    ],
)
def test_a_server_that_misbehaves_is_told_by_its_error(
    server: EvilPersona, mode: str, error: type[PersonaError]
) -> None:
    with pytest.raises(error):
        embed(server, mode)


@pytest.mark.parametrize("mode", ["hang", "trickle-headers", "trickle-body"])
def test_the_deadline_is_kept_whatever_trickles_in(server: EvilPersona, mode: str) -> None:
    began = time.monotonic()
    with pytest.raises(PersonaTimeout):
        embed(server, mode, 0.6)
    assert time.monotonic() - began < 1.1


def test_where_nobody_listens_that_is_said() -> None:
    embedder = HttpEmbedder("http://127.0.0.1:1/v1", "m", SystemClock())
    with pytest.raises(PersonaUnreachable):
        embedder.embed(["one"], a_real_deadline(5))
