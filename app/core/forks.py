"""What a process that is forked must not take over from its parent."""

import os
import weakref
from collections.abc import Callable


def after_fork(renew: Callable[[], None]) -> None:
    """Call a method in every process that is forked from now on, as long as its object lives.

    A lock that some thread of the parent held at that moment is held for ever in the child, where
    there is no such thread.
    """
    method = weakref.WeakMethod(renew)

    def call() -> None:
        found = method()
        if found is not None:
            found()

    os.register_at_fork(after_in_child=call)
