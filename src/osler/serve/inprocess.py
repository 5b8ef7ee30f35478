"""The run's model in this process, through transformers.

Each answer has a thread; the model's own lock gives them turns, token by token, so that several callers are answered at once and
the event loop waits for none.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor

from osler.errors import InputError
from osler.models.protocol import Conversation, Model
from osler.serve.backend import Draft, Usage
from osler.serve.fault import Fault

_THREADS = 8
"""Answers made at once; more wait. Each token is one pass of the model, and they take turns."""


class InProcess:
    """A `Backend`.

    Args:
        count_tokens: tokens of a text.
    """

    def __init__(self, model: Model, count_tokens: Callable[[str], int] | None = None) -> None:
        self._model = model
        self._count = count_tokens
        self._threads = ThreadPoolExecutor(_THREADS, "osler-model")

    def draft(self, conversation: Conversation, max_tokens: int, traceparent: str = "") -> Draft:  # noqa: ARG002  (nobody to tell)
        """Prepare an answer."""
        draft = Draft()
        draft.pieces = self._pieces(draft, conversation, max_tokens)
        return draft

    async def is_up(self) -> bool:
        """The model is loaded."""
        return True

    async def close(self) -> None:
        """Take no more work; what is under way ends with its token."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _pieces(self, draft: Draft, conversation: Conversation, max_tokens: int) -> AsyncGenerator[str, None]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
        stop = threading.Event()

        def hand_over(found: str | BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the event loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(queue.put_nowait, found)

        def work() -> None:
            try:
                for piece in self._model.stream(conversation, max_tokens):
                    if stop.is_set():
                        return
                    hand_over(piece)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the waiting side raises it
                hand_over(error)
            else:
                hand_over(None)

        future = self._threads.submit(work)
        parts: list[str] = []
        try:
            while (found := await queue.get()) is not None:
                if isinstance(found, InputError):
                    what = "The conversation is too long for the model, or its turns are in an order that the model does not take."
                    raise Fault(400, "context_length_exceeded", what, "messages")
                if isinstance(found, BaseException):
                    raise found
                parts.append(found)
                draft.n_pieces += 1
                yield found
            self._settle(draft, conversation, "".join(parts), max_tokens)
        finally:
            stop.set()
            future.cancel()

    def _settle(self, draft: Draft, conversation: Conversation, text: str, max_tokens: int) -> None:
        if self._count is not None:
            draft.usage = Usage(sum(self._count(turn.content) for turn in conversation), self._count(text))
            draft.finish = "length" if draft.usage.reply >= max_tokens else "stop"
