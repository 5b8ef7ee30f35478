"""Do transformers, llama.cpp and an upstream server say the same to the same prompt? Greedy answers of a run's model, compared as text.

    python benchmarks/serve_parity.py runs/demo

Asks every backend of the gateway, without the guard, the questions of the run's validation and test rows. The upstream server is
llama.cpp's own, asked as any OpenAI-compatible one. Writes benchmarks/results/serve_parity.json.
"""

import asyncio
import json
import platform
import sys
import time
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from osler.handover import served_gguf
from osler.models.chat import system_prompt_of
from osler.models.protocol import Conversation
from osler.records.io import read_records
from osler.records.record import Message
from osler.runs.progress import silent
from osler.serve.backend import Backend
from osler.serve.llama import LlamaOptions, LlamaProcess
from osler.serve.start import _asked, served_sections
from osler.serve.upstream import Upstream

RESULT = Path(__file__).parent / "results" / "serve_parity.json"
MAX_TOKENS = 48


async def answers(backend: Backend, prompts: list[Conversation]) -> list[dict[str, Any]]:
    found = []
    for prompt in prompts:
        began, draft = time.perf_counter(), backend.draft(prompt, MAX_TOKENS)
        text = "".join([piece async for piece in draft.pieces])
        usage = draft.usage
        ms = 1000 * (time.perf_counter() - began)
        found.append(
            {
                "text": text,
                "finish": draft.finish,
                "prompt": usage and usage.prompt,
                "reply": usage and usage.reply,
                "ms": ms,
            }
        )
    await backend.close()
    return found


def main() -> None:
    run = Path(sys.argv[1])
    gguf = served_gguf(run, "benchmark", silent)
    sections = {name: served_sections(run, {"backend": name}) for name in ("hf", "gguf")}
    system = Message("system", system_prompt_of(sections["hf"].model))
    rows = chain.from_iterable(read_records(run / "curate" / f"{split}.jsonl") for split in ("validation", "test"))
    prompts = [(system, Message("user", row.question)) for row in rows]
    found = {name: asyncio.run(answers(_asked(run, one, gguf).backend, prompts)) for name, one in sections.items()}
    server = LlamaProcess(LlamaOptions(gguf, 2048))
    found["upstream"] = asyncio.run(answers(Upstream(server.address), prompts))
    server.close()
    same = {
        name: sum(ours["text"] == theirs["text"] for ours, theirs in zip(found["hf"], found[name], strict=True))
        for name in ("gguf", "upstream")
    }
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "run": run.name,
        "file": gguf.name,
        "prompts": len(prompts),
        "tokens_each_at_most": MAX_TOKENS,
        "same_text_as_hf": same,
        "same_prompt_tokens_gguf_upstream": sum(
            a["prompt"] == b["prompt"] for a, b in zip(found["gguf"], found["upstream"], strict=True)
        ),
        "tokens_gguf": sum(one["reply"] for one in found["gguf"]),
        "mean_ms": {name: round(sum(one["ms"] for one in rows) / len(rows), 1) for name, rows in found.items()},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    for ours, theirs in zip(found["hf"], found["gguf"], strict=True):
        if ours["text"] != theirs["text"]:
            print("differs:", repr(ours["text"]), repr(theirs["text"]))


if __name__ == "__main__":
    main()
