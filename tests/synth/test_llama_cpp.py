"""A tiny GGUF made here, behind llama.cpp's own server: the true API, and a model whose words are noise."""

from pathlib import Path
from typing import Any

import pytest
from tests.families import build, family
from tests.synth.test_synth import AROUND, TOPICS, guidelines

from osler.runs.files import read_json
from osler.runs.progress import silent
from osler.synth.config import SynthConfig
from osler.synth.synth import synth

__all__ = ["guidelines"]

GENERATOR = """
name: short
version: 1
about: A few words.
items: [topics]
system: You write.
prompt: |
  {{ passages[0].text }}
  Topic: {{ item }}
schema:
  type: object
  additionalProperties: false
  required: [say, quote]
  properties: {say: {type: string, maxLength: 8}, quote: {type: string, minLength: 1, maxLength: 8}}
record: {task: qa, question: "{{ item }}?", answer: "{{ reply.say }}"}
checks: [quote]
max_tokens: 400
"""


def test_noise_of_the_right_form_from_a_local_model_is_dropped_for_its_quote(guidelines: Path, tmp_path: Path):
    pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    from osler.export.gguf_file import write_gguf
    from osler.export.llama_cpp import llama_server
    from osler.models.libraries import quiet_libraries

    with quiet_libraries():
        build(family("qwen3"), [*TOPICS.values(), '{"scenario": "", "steps": [""], "quote": ""}'], tmp_path / "base")
    file = write_gguf(tmp_path / "base", tmp_path / "tiny.gguf", "f16", "tiny", silent)
    own = tmp_path / "short.yaml"
    own.write_text(GENERATOR)
    form: dict[str, Any] = {
        "documents": {"folder": str(guidelines), "facts": {"license": "CC-BY-4.0", "access": "open"}},
        "generators": [
            {"use": str(own), "source": "short", "topics": ["burned skin", "bleeding wound"]},
            {"use": "emergency_scenario", "source": "first_aid_generated", "count": 1},
        ],
    }
    with llama_server(file, n_context=4096) as server:
        endpoint = {"url": f"{server.url}/v1", "model": "tiny", "concurrency": 1, "attempts": 1}
        config = SynthConfig.model_validate({**form, "endpoint": endpoint})
        synth(config, AROUND, 7, tmp_path / "synth", tmp_path / "calls", silent)
    short, long = read_json(tmp_path / "synth" / "counts.json")["generators"]
    assert (short["kept"], short["dropped"]) == (0, {"quote_not_found": 2})
    assert short["prompt_tokens"] > 100
    # Noise does not end by itself: llama.cpp refuses to hand out JSON that was cut, with status 500.
    assert (long["kept"], long["dropped"]) == (0, {"refused_by_endpoint": 1})
