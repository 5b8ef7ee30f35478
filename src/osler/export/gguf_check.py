"""A GGUF file held against the merged model in transformers: same text, same tokens, same next token.

llama.cpp renders the file's chat template, cuts the text and reads the tokens; each of the three is compared with what the model was
trained with. Of the numbers, the distribution after each prompt is compared.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from osler.errors import CheckFailed
from osler.export.llama_cpp import LlamaServer, llama_server
from osler.export.merge import Agreement, last_logits
from osler.export.ollama import ChatParts, without_bos
from osler.models.chat import render, with_system
from osler.models.local import LocalModel
from osler.models.protocol import Conversation
from osler.runs.progress import Progress

KL_BOUND = {"f32": 1e-4, "f16": 1e-3, "q8_0": 1e-2}
"""Nats; measured on models with random weights about 3e-6 and 5e-4. Of other quantisations the divergence is told, not judged."""
TOP1_BOUND = 0.98

_DECIDED = {"f32": 2.0**-8, "f16": 2.0**-6, "q8_0": 2.0**-4}
"""Lead of the first token, as a share of its logit, that the rounding of the file's numbers does not undo."""
_IMPOSSIBLE = -1e4
_OFFSETS = (1, 2, 5)
"""Tokens from a prompt's end, of which the first that llama.cpp answers at is compared: where the likeliest token is an unfinished
character, it tells no distribution."""


@dataclass(frozen=True, slots=True)
class GgufCheck:
    """How a file agrees with the model that it was made from."""

    file: str
    prompts: int
    same_text: int
    """Prompts that llama.cpp renders as transformers does."""
    same_tokens: int
    """Prompts that it cuts into the same tokens, all of them."""
    same_ollama: int | None
    """Prompts that give the same tokens by the Modelfile's template; None where there is none."""
    positions: int
    kl_mean: float
    kl_bound: float | None
    decided: int
    top1_decided: float
    top1_bound: float
    passed: bool


def check_gguf(
    file: Path,
    precision: str,
    model: LocalModel,
    prompts: Sequence[Conversation],
    parts: ChatParts | None,
    n_context: int,
    progress: Progress,
) -> GgufCheck:
    """Compare on prompts.

    Args:
        model: the merged model that the file was made from, in float32.
        parts: of the Modelfile's template; None where there is none.
        n_context: tokens that llama.cpp may read; longer prompts are left out.

    Raises:
        CheckFailed: something differs. The differing texts are not in the message: they may come from patients.
    """
    asked = [with_system(prompt, model.system_prompt) for prompt in prompts]
    fitting = [one for one in asked if len(model.prompt_tokens(one)) + 1 < n_context]
    counts: Counter[str] = Counter()
    agreement = Agreement()
    with llama_server(file, n_context) as server:
        for number, conversation in enumerate(fitting, start=1):
            _count(server, model, conversation, parts, counts)
            _compare(server, model, model.prompt_tokens(conversation), agreement, _DECIDED.get(precision, 0.25))
            progress(f"check {file.name}", number, len(fitting), "prompts")
    bound = KL_BOUND.get(precision)
    n = len(fitting)
    same = [counts["text"], counts["tokens"], *([counts["ollama"]] if parts is not None else [])]
    found = GgufCheck(
        file=file.name,
        prompts=n,
        same_text=counts["text"],
        same_tokens=counts["tokens"],
        same_ollama=counts["ollama"] if parts is not None else None,
        positions=agreement.tokens,
        kl_mean=agreement.kl_mean,
        kl_bound=bound,
        decided=agreement.decided,
        top1_decided=agreement.top1_decided,
        top1_bound=TOP1_BOUND,
        passed=n > 0
        and all(k == n for k in same)
        and (bound is None or (agreement.kl_mean <= bound and agreement.top1_decided >= TOP1_BOUND)),
    )
    if not found.passed:
        facts = ", ".join(f"{name} {value}" for name, value in asdict(found).items() if name not in ("file", "passed"))
        raise CheckFailed(f"{file.name} does not agree with the model it was made from: {facts}. It was not kept.")
    return found


def _count(
    server: LlamaServer, model: LocalModel, conversation: Conversation, parts: ChatParts | None, counts: Counter[str]
) -> None:
    tokenizer: Any = model.tokenizer
    text, tokens = render(tokenizer, conversation, for_reply=True), model.prompt_tokens(conversation)
    counts["text"] += without_bos(tokenizer, text) == without_bos(tokenizer, server.render(conversation))
    counts["tokens"] += server.tokenize(text) == tokens
    if parts is not None:
        counts["ollama"] += server.tokenize(parts.render(conversation), with_bos=True) == tokens


def _compare(
    server: LlamaServer, model: LocalModel, tokens: Sequence[int], agreement: Agreement, least_lead: float
) -> None:
    import torch

    logits = last_logits(model.weights, tokens, max(_OFFSETS))
    for offset in (offset for offset in _OFFSETS if offset <= len(logits)):
        ours = logits[-offset].log_softmax(-1)
        chances = server.next_token(tokens[: len(tokens) - offset + 1], len(ours))
        if chances:
            theirs = torch.full_like(ours, _IMPOSSIBLE)
            theirs[torch.tensor(list(chances))] = torch.tensor(list(chances.values()))
            agreement.add(ours.unsqueeze(0), theirs.unsqueeze(0), least_lead)
            return
