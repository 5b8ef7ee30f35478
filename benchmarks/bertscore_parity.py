"""BERTScore beside the package of its authors, `bert-score`, on real answers and two tiny encoders that are built here.

    python benchmarks/bertscore_parity.py --data ../shared/data --out benchmarks/results/bertscore_parity.json

Needs `pip install --no-deps bert-score matplotlib` beside torch and transformers. Pairs: K-QA's silver answers against what they must
say, and each MedicationQA answer against the next one. The encoders have random weights and the classes of real ones.
Pairs without words on one side are not asked: bert-score 0.3.12 stops there with transformers 5; Osler gives them 0.
"""

import argparse
import gzip
import json
import platform
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import orjson

N_PAIRS = 300
SHAPE = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
LAYERS = (3, 4)
BUDGETS = (512, 4096, 16_384)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pairs = real_pairs(options.data)
    result = {"machine": f"{platform.machine()}, CPU, 1 thread", "encoders": {}}
    with tempfile.TemporaryDirectory() as temporary:
        for kind in ("bert", "roberta"):
            folder = Path(temporary) / kind
            build_encoder(kind, folder, [text for own in pairs.values() for pair in own for text in pair])
            result["encoders"][kind] = {
                name: {str(layer): compared(folder, layer, own) for layer in LAYERS} for name, own in pairs.items()
            }
    options.out.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())


def real_pairs(data: Path) -> dict[str, list[tuple[str, str]]]:
    """Answers with references, as published."""
    from osler.records.io import JsonlWriter, read_records
    from osler.runs.progress import silent
    from osler.sources.catalog import source_named
    from osler.sources.collect import Copy, collect_source

    with gzip.open(data / "k_qa_silver" / "kqa_silver_wogold_MedLFQA.jsonl.gz") as stream:
        rows = [orjson.loads(line) for line in stream]
    k_qa = [(row["Free_form_answer"], " ".join(row["Must_have"])) for row in rows if row["Must_have"]]
    with tempfile.TemporaryDirectory() as temporary, JsonlWriter(Path(temporary) / "aside.jsonl") as aside:
        collect_source(Copy(source_named("medication_qa"), data, ()), Path(temporary), aside, silent)
        answers = [one.target for one in read_records(Path(temporary) / "records" / "medication_qa.jsonl")]
    return {"k-qa": k_qa[:N_PAIRS], "medication-qa": list(pairwise(answers))[:N_PAIRS]}


def build_encoder(kind: str, folder: Path, texts: list[str]) -> None:
    import torch
    import transformers
    from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer

    torch.set_num_threads(1)
    torch.manual_seed(11)
    if kind == "bert":
        trained = BertWordPieceTokenizer()
        trained.train_from_iterator(texts, vocab_size=8192, show_progress=False)
        vocabulary = json.loads(trained.to_str())["model"]["vocab"]
        tokenizer = transformers.BertTokenizer(vocab=vocabulary, model_max_length=512)
        config = transformers.BertConfig(vocab_size=8192, **SHAPE)
    else:
        trained = ByteLevelBPETokenizer()
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        trained.train_from_iterator(texts, vocab_size=8192, special_tokens=special, show_progress=False)
        model = json.loads(trained.to_str())["model"]
        merges = [tuple(pair) for pair in model["merges"]]
        # transformers 5 does not hear bert-score ask for the space before the first word; so the tokenizer is told to put it.
        more = {"add_prefix_space": True, "model_max_length": 512}
        tokenizer = transformers.RobertaTokenizer(vocab=model["vocab"], merges=merges, **more)
        config = transformers.RobertaConfig(vocab_size=8192, max_position_embeddings=514, pad_token_id=1, **SHAPE)
    tokenizer.save_pretrained(folder)
    transformers.AutoModel.from_config(config).eval().save_pretrained(folder)


def compared(folder: Path, layer: int, pairs: list[tuple[str, str]]) -> dict[str, object]:
    """Largest differences of precision, recall and F1 over the pairs, and CPU time of each side with its loading."""
    from bert_score import score

    from osler.evaluate.bertscore import encoder_named, matches
    from osler.runs.progress import silent

    began = time.process_time()
    theirs = score([a for a, _ in pairs], [b for _, b in pairs], model_type=str(folder), num_layers=layer, device="cpu")
    middle = time.process_time()
    encoder = encoder_named(f"{folder}@{layer}")
    ours, n_truncated = matches(encoder, pairs, silent)
    ended = time.process_time()
    texts = [encoder.lead + text for pair in pairs[:50] for text in pair]
    plain = dict(encoder.read(texts))
    names = ("precision", "recall", "f1")
    return {
        "n": len(pairs),
        "largest_difference": {
            name: max(abs(one[at] - float(value)) for one, value in zip(ours, theirs[at], strict=True))
            for at, name in enumerate(names)
        },
        "mean_f1": sum(one.f1 for one in ours) / len(ours),
        "truncated": n_truncated,
        "largest_difference_of_a_vector_by_budget": {
            str(budget): max(
                float(abs(one.vectors - plain[at].vectors).max()) for at, one in encoder.read(texts, budget)
            )
            for budget in BUDGETS
        },
        "cpu_s": {"osler": ended - middle, "bert-score": middle - began},
    }


if __name__ == "__main__":
    main()
