"""A GGUF model over a stand-in for llama.cpp: which tokens are read, and that letters share one reading."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from osler.errors import EnvironmentLacks, InputError
from osler.models.gguf import GgufModel, load_gguf
from osler.models.open import open_models
from osler.models.protocol import ChoicePrompt
from osler.records.record import Message


class FakeLlama:
    """A model of bytes whose next byte depends on the last one and the place."""

    def __init__(self):
        self.n_evaluated = []
        self.scores = np.zeros((0, 256))

    def n_ctx(self):
        return 64

    def token_bos(self):
        return 2

    def token_eos(self):
        return -1

    def tokenize(self, text, add_bos, special):
        return [2] * add_bos + list(text)

    def detokenize(self, tokens, special):
        return bytes(tokens)

    def reset(self):
        self.scores = np.zeros((0, 256))

    def eval(self, tokens):
        self.n_evaluated.append(len(tokens))
        self.scores = np.array(
            [[math.sin(token * 7 + place + v) for v in range(256)] for place, token in enumerate(tokens)]
        )

    def create_chat_completion(self, messages, max_tokens, **drawing):
        text = f"{messages[0]['content']}|{drawing.get('seed', 'greedy')}"
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


def log_p(text, end):
    llama, whole = FakeLlama(), list((text + end).encode())  # the text begins with the first token
    llama.eval(whole)
    rows = llama.scores - np.log(np.exp(llama.scores).sum(axis=1, keepdims=True))
    return sum(rows[place - 1, whole[place]] for place in range(len(text.encode()), len(whole)))


def test_a_rendered_chat_that_spells_out_its_first_token_gets_no_second_one():
    plain, spelled = GgufModel(FakeLlama(), "m").log_likelihoods(
        [ChoicePrompt("Answer:", ("A", " yes")), ChoicePrompt("\x02Answer:", ("A", " yes"))]
    )
    assert plain == spelled


def test_log_likelihoods_sum_the_answers_tokens_and_letters_share_one_reading():
    llama = FakeLlama()
    letters, words = GgufModel(llama, "m").log_likelihoods(
        [ChoicePrompt("Answer:", ("A", "B", "C")), ChoicePrompt("Answer:", (" yes", " no"))]
    )
    assert letters == pytest.approx([log_p("\x02Answer:", end) for end in "ABC"])
    assert words == pytest.approx([log_p("\x02Answer:", end) for end in (" yes", " no")])
    assert llama.n_evaluated == [8, 11, 10]


def test_a_prompt_that_is_too_long_is_refused():
    with pytest.raises(InputError, match="longer than"):
        GgufModel(FakeLlama(), "m").log_likelihoods([ChoicePrompt("x" * 80, ("A", "B"))])


def test_replies_are_to_what_was_asked_and_drawn_by_the_seed():
    model = GgufModel(FakeLlama(), "m")
    asked = [(Message("system", "Be brief."), Message("user", "Why?"))]
    assert model.reply(asked, 5)[0].text == "Be brief.|greedy"
    assert model.sample(asked, 5, 0.7, [3])[0].text == "Be brief.|3"


def test_an_adapter_that_cannot_be_put_on_is_not_ignored(tmp_path):
    for model in ("m.gguf", "http://127.0.0.1:1/v1"):
        with pytest.raises(InputError, match="leave out --adapter"):
            open_models(model, tmp_path)


def test_without_llama_cpp_the_package_is_named(tmp_path, monkeypatch):
    import osler.models.gguf as module

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(module, "import_module", missing)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(EnvironmentLacks, match="llama-cpp-python"):
        load_gguf(tmp_path / "m.gguf")
    monkeypatch.setattr(module, "import_module", lambda name: SimpleNamespace(Llama=lambda *a, **k: FakeLlama()))
    assert load_gguf(tmp_path / "m.gguf").name == "m.gguf"
