"""BERTScore: by hand, against a slow second implementation, whatever the batch, with what is too long counted."""

import json
from functools import partial

import numpy as np
import pytest
from pydantic import ValidationError

from osler.errors import InputError
from osler.evaluate.bertscore import bertscore, encoder_digest, encoder_named, match, matches
from osler.evaluate.config import EvaluateConfig, GateConfig
from osler.evaluate.evidence import Evidence
from osler.evaluate.gate import gate
from osler.models.encoder import Tokens
from osler.runs.progress import silent

PAIRS = [
    ("Rest and drink water", "Drink water. Rest well"),
    ("Call a doctor now", "Rest and drink water"),
    ("rest", "a doctor can tell you when to rest, what to drink and whom to call"),
    ("", "Rest"),
    ("a doctor can tell you when to rest, what to drink and whom to call", "  "),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A BERT and a RoBERTa of four layers with random weights, and tokenizers of both kinds that know these words."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import ByteLevelBPETokenizer

    words = sorted(
        {word for pair in PAIRS for text in pair for word in text.lower().replace(".", " .").replace(",", " ,").split()}
    )
    shape = {
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "initializer_range": 0.3,
    }
    made = {}
    torch.manual_seed(3)
    for kind in ("bert", "roberta"):
        made[kind] = folder = tmp_path_factory.mktemp(kind)
        if kind == "bert":
            vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])}
            tokenizer = transformers.BertTokenizer(vocab=vocabulary)
            config = transformers.BertConfig(vocab_size=len(vocabulary), max_position_embeddings=16, **shape)
        else:
            trained = ByteLevelBPETokenizer()
            texts = [text for pair in PAIRS for text in pair]
            trained.train_from_iterator(
                texts, vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False
            )
            state = json.loads(trained.to_str())["model"]
            tokenizer = transformers.RobertaTokenizer(
                vocab=state["vocab"], merges=[tuple(pair) for pair in state["merges"]]
            )
            config = transformers.RobertaConfig(vocab_size=400, max_position_embeddings=18, pad_token_id=1, **shape)
        tokenizer.save_pretrained(folder)
        transformers.AutoModel.from_config(config).save_pretrained(folder)
    return made


def tokens(*vectors, special=()):
    return Tokens(
        np.array(vectors, dtype=np.float32), np.array([at not in special for at in range(len(vectors))]), False
    )


def test_a_case_by_hand():
    # Cosines of the answer's (1, 0) and (3, 4): with (0, 2) 0 and .8, with (5, 0) 1 and .6; the last is a special token.
    given, wanted = tokens((1, 0), (3, 4)), tokens((0, 2), (5, 0), special=(1,))
    assert match(given, wanted) == pytest.approx((0.9, 0.8, 2 * 0.9 * 0.8 / 1.7))
    assert match(given, tokens((1, 0), special=(0,))) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("layer", [2, 4])
def test_it_equals_a_slow_second_implementation(folders, kind, layer):
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folders[kind]).eval(), AutoTokenizer.from_pretrained(folders[kind])

    def read(text):
        ids = tokenizer((" " if kind == "roberta" else "") + text.strip(), truncation=True, max_length=16)["input_ids"]
        with torch.inference_mode():
            states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0].double()
        return [state / state.norm() for state in states]

    found, n_truncated = matches(encoder_named(f"{folders[kind]}@{layer}"), PAIRS, silent)
    for one, (answer, reference) in zip(found[:3], PAIRS, strict=False):
        given, wanted = read(answer), read(reference)
        precision = sum(max(float(a @ b) for b in wanted) for a in given[1:-1]) / (len(given) - 2)
        recall = sum(max(float(a @ b) for a in given) for b in wanted[1:-1]) / (len(wanted) - 2)
        assert one == pytest.approx((precision, recall, 2 * precision * recall / (precision + recall)), abs=1e-5)
    assert found[3:] == [(0, 0, 0)] * 2
    assert n_truncated == 2


def test_the_batch_moves_nothing_but_rounding(folders):
    encoder = encoder_named(str(folders["bert"]))
    assert (encoder.layer, encoder.n_layers) == (3, 4)
    texts = [text for pair in PAIRS for text in pair]
    one_by_one, together = (dict(encoder.read(texts, budget)) for budget in (1, 10_000))
    for place in range(len(texts)):
        np.testing.assert_allclose(one_by_one[place].vectors, together[place].vectors, atol=2e-5)
    facts, backwards = (bertscore(encoder, pairs, silent) for pairs in (PAIRS, PAIRS[::-1]))
    assert facts["f1"] == pytest.approx(backwards["f1"], abs=1e-6)
    assert (facts["n"], facts["layer"], facts["layers"], facts["truncated"]) == (5, 3, 4, 2)
    assert facts["f1_ci95"][0] < facts["f1"] < facts["f1_ci95"][1]


def test_what_cannot_be_used_is_refused_at_once(folders, tmp_path):
    with pytest.raises(InputError, match="has no layer 5; it has layers 1 to 4"):
        encoder_named(f"{folders['bert']}@5")
    with pytest.raises(InputError, match="no encoder"):
        encoder_named(str(tmp_path))
    with pytest.raises(ValidationError, match="no benchmark here has any"):
        EvaluateConfig(benchmarks=("medqa",), encoder="roberta-large")
    assert EvaluateConfig(benchmarks=("k-qa",), encoder="roberta-large").encoder
    assert list(encoder_digest(f"{folders['bert']}@2")) == ["encoder"]
    assert encoder_digest("roberta-large") == encoder_digest(None) == {}


def test_no_check_of_the_gate_reads_it():
    verdict = partial(gate, artefact="a" * 64, config=GateConfig())
    scores = {"scores": [], "comparisons": [], "training_records": 9}
    alike = [
        scores | {"open_answers": [{"benchmark": "k-qa@generate", "rouge_l": x, "bertscore": {"f1": x}}]}
        for x in (0.0, 1.0)
    ]
    assert verdict(Evidence(scores)) == verdict(Evidence(alike[0])) == verdict(Evidence(alike[1]))
    with pytest.raises(ValidationError):
        GateConfig(knowledge={"bertscore": 0.5})
