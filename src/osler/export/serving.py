"""What starts a merged model elsewhere: a configuration file of vLLM."""

from pathlib import Path

import yaml

from osler.runs.files import write_bytes

_HEAD = """\
# Made by osler. Start with:  vllm serve --config {file}     (from the folder that holds `merged`)
# This is the bare model. Put osler's guard in front of it before anybody asks it (docs/models.md).
# The system prompt that it was trained with is not added by vLLM: send it as the first message. It stands in system_prompt.txt.
"""


def write_vllm(folder: Path, model: str, name: str, dtype: str, n_context: int, system_prompt: str) -> Path:
    """Write `vllm.yaml` and `system_prompt.txt`.

    Args:
        model: the merged model's folder, from where vLLM is started.
        n_context: tokens it shall read at most.
    """
    path = folder / "vllm.yaml"
    options = {
        "model": model,
        "served-model-name": [name],
        "dtype": dtype,
        "max-model-len": n_context,
        "chat-template": f"{model}/chat_template.jinja",
        # As examined: the likeliest token, not what generation_config.json of the base says.
        "generation-config": "vllm",
        "override-generation-config": '{"temperature": 0}',
        "trust-remote-code": False,
        "host": "127.0.0.1",
    }
    text = _HEAD.format(file=path.name) + yaml.safe_dump(options, sort_keys=False, allow_unicode=True)
    write_bytes(path, text.encode())
    write_bytes(folder / "system_prompt.txt", system_prompt.encode())
    return path
