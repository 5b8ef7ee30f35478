"""A record as the conversation that a model is trained on or asked: the one place where passages and options are rendered.

`LETTERS` and the layout of options here are also what evaluation scores, so that training and testing read alike.
"""

from osler.records.record import Message, Record

LETTERS = "ABCDEFGHIJ"


def as_messages(record: Record, system_prompt: str = "") -> tuple[Message, ...]:
    """The turns of a record with its passages and options written into the last user turn.

    Args:
        system_prompt: put first as a system turn when not empty; a system turn of the record itself is then replaced.
    """
    turns = [m for m in record.messages if m.role != "system"] if system_prompt else list(record.messages)
    last_user = max((i for i, m in enumerate(turns) if m.role == "user"), default=None)
    if last_user is not None:
        turns[last_user] = Message("user", render_question(record))
    if system_prompt:
        turns.insert(0, Message("system", system_prompt))
    return tuple(turns)


def render_question(record: Record) -> str:
    """The last user turn with passages before it and lettered options after it."""
    parts = []
    if record.context:
        parts.append("\n".join(record.context))
    parts.append(record.question)
    if record.task == "choice" and record.choices:
        parts.append("\n".join(f"{LETTERS[i]}. {choice}" for i, choice in enumerate(record.choices)))
    return "\n\n".join(parts)
