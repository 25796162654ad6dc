"""Pausing Python's search for rubbish."""

import gc

import pytest

from app.core.garbage import no_search


def test_nothing_is_searched_meanwhile_and_again_afterwards() -> None:
    assert gc.isenabled()
    with no_search():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_search_goes_on_after_an_error_too() -> None:
    with pytest.raises(KeyError), no_search():
        raise KeyError
    assert gc.isenabled()


def test_a_search_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with no_search():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
