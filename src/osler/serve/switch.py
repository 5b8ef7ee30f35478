"""The means to stop: `osler kill`, the file `kill` in the serve folder, and draining when the server is told to end.

| level         | new answers of the model | fixed replies of the policy | answers under way |
|---------------|--------------------------|-----------------------------|-------------------|
| drain         | no                       | no                          | end by themselves |
| template-only | no                       | yes                         | are ended         |
| halt          | no                       | no                          | are ended         |

Crisis and emergency replies go out at every level; whoever asks the switch sees to that. The level is read from memory, so that it
may be asked for every piece; the board looks at the store and the file every `LOOK_S`.
"""

import threading

from osler.serve.board import Board
from osler.serve.fault import Fault, unavailable


class Switch:
    """Whether answers may begin and go on."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._draining = threading.Event()
        self._halted = threading.Event()

    @property
    def is_draining(self) -> bool:
        """Whether the server is ending."""
        return self._draining.is_set()

    @property
    def is_killed(self) -> bool:
        """Whether the switch is on at any level."""
        return self._board.level != "off"

    @property
    def is_known(self) -> bool:
        """Whether the store was reached lately; nothing is answered when it was not."""
        return not self._board.is_stale

    def drain(self) -> None:
        """Begin no new answers; open ones go on."""
        self._draining.set()

    def halt(self) -> None:
        """End open answers too."""
        self._draining.set()
        self._halted.set()

    def may_begin(self, *, is_fixed: bool = False) -> Fault | None:
        """What keeps a new answer from beginning, or None.

        Args:
            is_fixed: the reply is the policy's own; the model is not asked.
        """
        if self._board.is_stale:
            return _unknown()
        level = self._board.level
        if level != "off" and not (level == "template-only" and is_fixed):
            return _killed()
        return _ending() if self._draining.is_set() else None

    def may_go_on(self) -> Fault | None:
        """What ends an answer that the model is giving, or None."""
        if self._board.is_stale:
            return _unknown()
        if self._board.level in {"halt", "template-only"}:
            return _killed()
        return _ending() if self._halted.is_set() else None


def _killed() -> Fault:
    return unavailable("kill_switch", "The operator has switched this service off.")


def _unknown() -> Fault:
    return unavailable(
        "store_unavailable", "The server cannot reach its store, so it cannot tell whether it may answer."
    )


def _ending() -> Fault:
    return unavailable("draining", "The server is ending; ask again later.")
