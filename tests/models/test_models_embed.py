"""Texts to unit vectors by a folder on this machine."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from osler.models.embed import embedder


@pytest.mark.parametrize("by_first", [False, True])
def test_a_text_is_the_mean_of_its_tokens_or_its_first_one(tiny_base: Path, tmp_path: Path, by_first: bool) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = tmp_path / "model"
    shutil.copytree(tiny_base, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": by_first}))
    texts = ["Rest.", "Rest and drink water, then call the doctor.", "Water"]
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = embedder("local", str(folder), "", "")(texts)
    for text, vector in zip(texts, found, strict=True):
        with torch.inference_mode():
            states = model(torch.tensor([tokenizer(text)["input_ids"]])).last_hidden_state[0].float().numpy()
        expected = states[0] if by_first else states.mean(0)
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)
