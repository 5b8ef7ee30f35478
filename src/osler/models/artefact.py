"""The identity of what is gated and served: weights, their number type, adapter, tokenizer, chat template, system prompt, policy.

A gate's verdict holds this id. A server that would serve anything else, by one byte, does not find its verdict.
"""

from collections.abc import Mapping

from osler.runs.files import sha256_json


def artefact_id(
    base_files: Mapping[str, str],
    adapter_files: Mapping[str, str],
    template_fingerprint: str,
    system_prompt: str,
    policy_sha256: str,
    number_type: str = "auto",
) -> str:
    """SHA-256 over the parts.

    Args:
        base_files: SHA-256 by file name of the base model's folder, tokenizer included.
        adapter_files: the same of the adapter's folder; empty when the base is served as it is.
        template_fingerprint: of the chat template, from `models.chat`.
        policy_sha256: of the guard's policy file.
        number_type: how the weights are loaded: the recipe's `model.dtype`, or a quantisation.
    """
    return sha256_json(
        {
            "base": dict(base_files),
            "adapter": dict(adapter_files),
            "template": template_fingerprint,
            "system_prompt": system_prompt,
            "policy": policy_sha256,
            "number_type": number_type,
        }
    )
