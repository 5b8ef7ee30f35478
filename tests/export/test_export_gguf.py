"""GGUF: layouts, vocabularies, and what must be refused rather than written wrongly."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.families import FAMILIES, build, family

from osler.errors import CheckFailed, EnvironmentLacks, InputError
from osler.export.gguf_layout import LAYOUTS, facts_of, gguf_name, paired, rope_tensors
from osler.export.gguf_vocab import write_vocabulary
from osler.export.llama_cpp import convert_with_tools, find_tools
from osler.export.ollama import chat_parts, without_bos
from osler.models.chat import render
from osler.models.libraries import quiet_libraries
from osler.models.local import load_tokenizer
from osler.records.record import Message
from osler.runs.files import read_json
from osler.runs.progress import silent

LLAMA = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "vocab_size": 32,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phi") / "base"
    with quiet_libraries():
        build(family("phi-4"), ["What does the heart do?"], folder)
    return folder


def test_rotary_halves_become_pairs_as_worked_by_hand() -> None:
    # One head of four rows: the pairs are (0, 2) and (1, 3).
    assert paired(np.arange(4), 1).tolist() == [0, 2, 1, 3]
    assert paired(np.arange(8), 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_llama_3_1_stretches_slow_frequencies_eightfold_and_fast_ones_not() -> None:
    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    config = {**LLAMA, "head_dim": 128, "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, **scaling}}
    ((name, factors),) = rope_tensors(LAYOUTS["LlamaForCausalLM"], config)
    assert name == "rope_freqs.weight"
    assert len(factors) == 64
    assert factors[0] == 1
    assert factors[-1] == 8
    assert factors == sorted(factors)


def test_a_weight_without_a_place_is_an_error() -> None:
    layout = LAYOUTS["LlamaForCausalLM"]
    assert gguf_name(layout, "model.layers.11.mlp.up_proj.weight") == "blk.11.ffn_up.weight"
    assert gguf_name(LAYOUTS["Phi3ForCausalLM"], "model.layers.0.mlp.gate_up_proj.weight") == "blk.0.ffn_up.weight"
    for other in ("mlp.gate_up_proj", "self_attn.q_norm", "self_attn.rotary_emb"):
        with pytest.raises(InputError, match=re.escape(other)):
            gguf_name(layout, f"model.layers.0.{other}.weight")
    with pytest.raises(InputError, match=r"model\.layers\.0\.mlp\.experts"):
        gguf_name(layout, "model.layers.0.mlp.experts.down_proj.weight")


def test_a_window_that_llama_cpp_does_not_have_bounds_the_context() -> None:
    layout = LAYOUTS["MistralForCausalLM"]
    assert facts_of(layout, {**LLAMA, "sliding_window": 16})["context_length"] == 16
    assert facts_of(layout, {**LLAMA, "sliding_window": None})["context_length"] == 64


def test_a_gemma_that_llama_cpp_would_read_otherwise_is_refused() -> None:
    config = {**LLAMA, "head_dim": 4, "query_pre_attn_scalar": 4, "sliding_window": 16}
    config["rope_parameters"] = dict.fromkeys(("full_attention", "sliding_attention"), LLAMA["rope_parameters"])
    with pytest.raises(InputError, match="five windowed blocks"):
        facts_of(LAYOUTS["Gemma3ForCausalLM"], {**config, "layer_types": ["full_attention"] * 2})
    facts = facts_of(LAYOUTS["Gemma3ForCausalLM"], {**config, "layer_types": ["sliding_attention"] * 2})
    assert facts["attention.sliding_window"] == 16


def written(tokenizer: Any, n_tokens: int) -> dict[str, Any]:
    """What a file would say of a tokenizer."""
    writer = pytest.importorskip("gguf").GGUFWriter(None, "llama")
    write_vocabulary(writer, tokenizer, n_tokens)
    return {name.removeprefix("tokenizer.ggml."): fact.value for name, fact in writer.kv_data[0].items()}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("phi-4", "dbrx"),
        ("phi-4-mini", "gpt-4o"),
        ("llama-3.1-8b", "llama-bpe"),
        ("qwen3", "qwen2"),
        ("gemma-3-1b", "default"),
    ],
)
def test_each_way_of_cutting_text_has_llama_cpp_s_name(name: str, split: str) -> None:
    from osler.models.chat import set_template

    tokenizer = family(name).build_tokenizer(["What does the heart do?"])
    set_template(tokenizer)
    facts = written(tokenizer, len(tokenizer) + 2)
    assert facts["pre"] == split
    assert facts["token_type"][-1] == 5  # unused


def test_an_unknown_way_of_cutting_text_is_refused(phi: Path) -> None:
    from tokenizers import pre_tokenizers

    tokenizer: Any = load_tokenizer(phi)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(InputError, match="other tokens"):
        written(tokenizer, len(tokenizer))


def test_a_tokenizer_larger_than_the_embedding_is_refused(phi: Path) -> None:
    tokenizer = load_tokenizer(phi)
    with pytest.raises(InputError, match="do not belong together"):
        written(tokenizer, len(tokenizer) - 1)


def test_weights_that_16_bits_cannot_hold_are_refused(phi: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from safetensors.torch import load_file, save_file

    from osler.export.gguf_file import write_gguf

    shutil.copytree(phi, tmp_path / "base")
    tensors = load_file(tmp_path / "base" / "model.safetensors")
    tensors["model.layers.0.mlp.down_proj.weight"][0, 0] = float("nan")
    save_file(tensors, tmp_path / "base" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckFailed, match="ffn_down"):
        write_gguf(tmp_path / "base", tmp_path / "out.gguf", "f16", "tiny", silent)
    assert not (tmp_path / "out.gguf").exists()


def test_numbers_that_read_back_otherwise_are_noticed(
    phi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    from osler.export import gguf_file

    encoded = gguf_file._encoded
    monkeypatch.setattr(gguf_file, "_encoded", lambda weight: encoded(weight)[::-1].copy())
    with pytest.raises(CheckFailed, match="reads back as other numbers"):
        gguf_file.write_gguf(phi, tmp_path / "out.gguf", "f16", "tiny", silent)


def test_the_same_model_gives_the_same_bytes(phi: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from osler.export.gguf_file import write_gguf

    (tmp_path / "b.gguf.partial").write_text("as a kill would leave it")
    files = [write_gguf(phi, tmp_path / name, "q8_0", "tiny", silent) for name in ("a.gguf", "b.gguf")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_file_of_another_model_does_not_pass_the_check(phi: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    import torch
    from safetensors.torch import load_file, save_file

    from osler.export.gguf_check import check_gguf
    from osler.export.gguf_file import write_gguf
    from osler.models.local import load_local

    shutil.copytree(phi, tmp_path / "base")
    tensors = load_file(tmp_path / "base" / "model.safetensors")
    weight = tensors["model.layers.0.self_attn.qkv_proj.weight"]
    tensors["model.layers.0.self_attn.qkv_proj.weight"] = torch.flip(weight, [0])
    save_file(tensors, tmp_path / "base" / "model.safetensors", metadata={"format": "pt"})
    file = write_gguf(tmp_path / "base", tmp_path / "other.gguf", "f16", "tiny", silent)
    prompts = [(Message("user", f"Invented: {word}?"),) for word in ("heart", "liver", "lung")]
    with pytest.raises(CheckFailed, match="does not agree") as told:
        check_gguf(file, "f16", load_local(phi), prompts, None, 256, silent)
    assert "Invented" not in str(told.value)


def test_llama_cpp_s_tools_are_used_and_their_failure_is_told(tmp_path: Path, phi: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="convert_hf_to_gguf"):
        find_tools(tmp_path)
    script = "import sys; a = sys.argv; open(a[a.index('--outfile') + 1], 'w').write(a[a.index('--outtype') + 1])"
    (tmp_path / "convert_hf_to_gguf.py").write_text(script)
    assert convert_with_tools(find_tools(tmp_path), phi, tmp_path / "x.gguf", "f16").read_text() == "f16"
    with pytest.raises(EnvironmentLacks, match="llama-quantize"):
        convert_with_tools(find_tools(tmp_path), phi, tmp_path / "x.gguf", "q4_k_m")
    quantizer = tmp_path / "llama-quantize"
    quantizer.write_text('#!/bin/sh\necho "$3 of $(cat "$1")" > "$2"\n')
    os.chmod(quantizer, 0o755)  # noqa: PTH101
    made = convert_with_tools(find_tools(tmp_path), phi, tmp_path / "x.gguf", "q4_k_m")
    assert made.read_text() == "Q4_K_M of f16\n"
    assert not list(tmp_path.glob("*.f16"))
    (tmp_path / "convert_hf_to_gguf.py").write_text("raise SystemExit('no such architecture')")
    with pytest.raises(CheckFailed, match="no such architecture"):
        convert_with_tools(find_tools(tmp_path), phi, tmp_path / "y.gguf", "f16")


GO = """package main
import ("encoding/json"; "os"; "text/template")
type message struct { Role, Content string }
type work struct { Template string; Messages []message }
func main() {
    var all []work
    if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil { panic(err) }
    var out []string
    for _, one := range all {
        var text = &writer{}
        if err := template.Must(template.New("").Parse(one.Template)).Execute(text, one); err != nil { panic(err) }
        out = append(out, text.all)
    }
    json.NewEncoder(os.Stdout).Encode(out)
}
type writer struct { all string }
func (w *writer) Write(b []byte) (int, error) { w.all += string(b); return len(b), nil }
"""


@pytest.mark.slow
def test_go_renders_the_templates_as_jinja_does(tmp_path: Path) -> None:
    """Ollama's own engine, Go's text/template, on every family's template."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    import json

    from osler.models.chat import set_template

    turns = (
        Message("system", 'Be "brief" & {{ kind }}.'),
        Message("user", "What <b>is</b> it?\n\nTell."),
        Message("assistant", "So: {{ .Content }}"),
        Message("user", "Else?"),
    )
    works, wanted = [], []
    for one in FAMILIES:
        tokenizer = one.build_tokenizer(["What does the heart do?"])
        set_template(tokenizer)
        template = chat_parts(tokenizer).go_template()
        for conversation in (turns[:2], turns[1:2], turns, turns[1:]):
            works.append(
                {"Template": template, "Messages": [{"Role": t.role, "Content": t.content} for t in conversation]}
            )
            wanted.append(without_bos(tokenizer, render(tokenizer, conversation, for_reply=True)))
    (tmp_path / "main.go").write_text(GO)
    environment = {**os.environ, "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
    done = subprocess.run(
        [go, "run", str(tmp_path / "main.go")],
        input=json.dumps(works),
        text=True,
        capture_output=True,
        check=True,
        env=environment,
    )
    assert json.loads(done.stdout) == wanted


def test_a_template_that_depends_on_more_than_roles_is_refused(phi: Path) -> None:
    tokenizer: Any = load_tokenizer(phi)
    tokenizer.chat_template = (
        "{%- for m in messages -%}{{ loop.index }}{{ m['role'] }}{{ m['content'] }}<|im_end|>{%- endfor -%}"
    )
    with pytest.raises(InputError, match="on its place"):
        chat_parts(tokenizer)


def test_a_modelfile_says_what_the_model_was_trained_with(phi: Path, tmp_path: Path) -> None:
    from osler.export.ollama import write_modelfile

    parts = chat_parts(load_tokenizer(phi))
    text = write_modelfile(tmp_path, "gguf/x.gguf", parts, "Be brief.", ["<|im_end|>"], 512).read_text()
    assert "FROM ./gguf/x.gguf\n" in text
    assert 'SYSTEM """Be brief."""' in text
    assert 'PARAMETER stop "<|im_end|>"' in text
    assert "PARAMETER num_ctx 512" in text
    with pytest.raises(InputError, match="ends a text"):
        write_modelfile(tmp_path, "x", parts, 'say """', [], 512)


def test_the_config_of_every_layout_s_family_is_read(tmp_path: Path, phi: Path) -> None:
    facts = facts_of(LAYOUTS["Phi3ForCausalLM"], read_json(phi / "config.json"))
    assert facts["attention.sliding_window"] == 0
    assert facts["rope.dimension_count"] == 32


def test_a_file_that_is_not_compared_is_written_without_the_model_in_memory(
    phi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from osler.export import model

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("8 billion numbers in float32 are 32 GB")

    monkeypatch.setattr(model, "load_local", refuse)
    asked = ((Message("user", "What does the heart do?"),),)
    trained = model.Trained("tiny", "a", phi, "main", None, "auto", "Be brief.", asked)
    model.export_model(trained, model.Choices(("ollama",), ("f16",)), tmp_path, silent)
    assert (tmp_path / "gguf" / "tiny-f16.gguf").is_file()
    assert 'PARAMETER stop "<|im_end|>"' in (tmp_path / "Modelfile").read_text()
