"""Which answers of a training set the policy would not let a model say: what is taught is held to what may be shown."""

from collections.abc import Iterable, Iterator

from osler.guard.policy import Policy
from osler.guard.stream import SentenceGuard
from osler.records.record import Record


def blocked_answers(policy: Policy, records: Iterable[Record]) -> Iterator[dict[str, str]]:
    """`{"id", "rule"}` of each record whose last turn holds a sentence that the output rules cut.

    Answers that are the text of an option are left alone. As everywhere, what no rule describes is let through.
    """
    for record in records:
        if record.target and record.answer is None:
            guard = SentenceGuard(policy)
            guard.feed(record.target)
            guard.finish()
            if guard.violation is not None:
                yield {"id": record.id, "rule": guard.violation.rule}
