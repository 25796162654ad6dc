"""When rubbish is searched for."""

import gc

from app.core.garbage import no_search, search_rarely


def test_a_process_that_serves_searches_rarely() -> None:
    before = gc.get_threshold()
    try:
        search_rarely()
        assert gc.get_threshold()[0] > 10 * 700
    finally:
        gc.set_threshold(*before)


def test_a_search_waits_until_much_was_made() -> None:
    with no_search():
        assert not gc.isenabled()
    assert gc.isenabled()
