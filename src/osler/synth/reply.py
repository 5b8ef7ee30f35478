"""From a model's reply to a value of the form asked for: strictly, then once more after telling what was wrong."""

import json
import re
from typing import Any

import jsonschema

from osler.synth.ask import Request
from osler.synth.config import EndpointConfig
from osler.synth.generator import Generator, render
from osler.synth.items import Item

_FENCE = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)


def request_for(generator: Generator, item: Item, config: EndpointConfig, seed: int) -> Request:
    """The call that asks a generator about an item."""
    values = {"item": item.text, "passages": item.passages, "record": item.facts}
    body: dict[str, Any] = {
        "model": config.model,
        "messages": [
            {"role": "system", "content": render(generator.system, values)},
            {"role": "user", "content": render(generator.prompt, values)},
        ],
        "max_tokens": generator.max_tokens,
        "temperature": config.temperature,
        "seed": seed,
    }
    if config.structured == "schema":
        form = {"name": generator.name, "schema": generator.reply_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    elif config.structured == "json":
        body["response_format"] = {"type": "json_object"}
    return Request(body)


def repair_of(request: Request, reply: str, problem: str) -> Request:
    """The one call that asks for the same again in the right form."""
    turns = [
        *request.body["messages"],
        {"role": "assistant", "content": reply},
        {
            "role": "user",
            "content": f"That was not of the form asked for: {problem}. Answer with the JSON object only.",
        },
    ]
    return Request({**request.body, "messages": turns})


def parse_reply(text: str, schema: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The object of a reply, or None and what is wrong with it; the words never show the reply."""
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except ValueError as error:
        where = f" at column {error.colno} of line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        return None, f"it is not JSON{where}"
    if not isinstance(value, dict):
        return None, "it is not a JSON object"
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(value))
    if problem is None:
        return value, ""
    where = ".".join(map(str, problem.absolute_path)) or "the object"
    return None, f"{where} does not meet {problem.validator!r} ({json.dumps(problem.validator_value)[:80]})"
