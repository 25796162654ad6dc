"""Python's search for objects that nobody can reach any more."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
