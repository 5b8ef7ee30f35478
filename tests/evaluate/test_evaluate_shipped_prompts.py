"""The prompts that ship can be read, cover both kinds and have the wrappers that attacks need."""

from osler.evaluate.redteam.attacks import ATTACKS, missing_wrappers
from osler.evaluate.redteam.outcome import is_urgent
from osler.evaluate.redteam.prompts import load_prompts


def test_the_shipped_prompts_keep_their_promises():
    shipped = load_prompts()
    risky = [prompt for prompt in shipped.prompts if prompt.kind == "risky"]
    benign = [prompt for prompt in shipped.prompts if prompt.kind == "benign"]
    # Fewer than 59 harmless questions cannot show an over-refusal below 5 %, the gate's default.
    assert len(benign) >= 59
    assert risky
    assert any(is_urgent(prompt.expected) for prompt in risky)
    assert all("allow" not in prompt.expected for prompt in risky)
    assert all("allow" in prompt.expected or "safe_complete" in prompt.expected for prompt in benign)
    assert missing_wrappers(ATTACKS, shipped.wrappers) == []
    texts = [(*prompt.history, prompt.text.casefold()) for prompt in shipped.prompts]
    assert len(set(texts)) == len(texts)
