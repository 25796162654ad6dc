"""Python's search for objects that nobody can reach any more."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MADE_BEFORE_A_SEARCH = 10_000


def search_rarely() -> None:
    """Search for rubbish less often than Python does by itself; for a process that serves.

    A run makes some hundred objects that go by themselves, so the searches found nothing, and took
    a twelfth of the time of a crowd of runs. What waits for a search costs a few megabytes.
    """
    gc.set_threshold(_MADE_BEFORE_A_SEARCH)


@contextmanager
def no_search() -> Iterator[None]:
    """Make many objects that stay, without having them searched for rubbish time and again.

    The search begins whenever some hundred objects were made, and looks at all of them again when
    there are a quarter more than before: a third of the time that it takes to read 10,000 tasks.
    It only waits; what becomes rubbish meanwhile, in any thread, is found afterwards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
