"""A model on this machine, against references computed one by one."""

import subprocess
import sys
from pathlib import Path

import pytest

from osler.errors import EnvironmentLacks, InputError
from osler.models.local import LocalModel, load_local
from osler.models.pieces import TextPieces
from osler.models.protocol import ChoicePrompt, Conversation
from osler.models.score_plan import in_batches, plan_rows
from osler.records.record import Message
from osler.runs.files import read_json, write_json

QUESTIONS: list[Conversation] = [
    (Message("user", "What does the heart do?"),),
    (Message("user", "Who looks after the thyroid, and where is it? Tell me at length, please."),),
    (Message("user", "Why?"),),
]
LETTERS = tuple(
    ChoicePrompt(f"Question: {'very ' * number}hard?{' ' * (number % 3)}\nAnswer:", ("A", "B", "C"))
    for number in range(9)
)
TEXTS = tuple(
    ChoicePrompt(f"Question: is it {'so ' * number}?\nAnswer:", (" yes, it is the heart", " no", " perhaps 12 mg"))
    for number in range(5)
)


@pytest.fixture(scope="module")
def model(tiny_base: Path, tiny_adapter: Path) -> LocalModel:
    return load_local(tiny_base, tiny_adapter)


def reference(model: LocalModel, prompt: ChoicePrompt, continuation: str) -> float:
    """The same sum without batches, padding or position lists."""
    import torch

    stripped = prompt.prefix.rstrip()
    whole = model.tokenizer.encode(prompt.prefix + continuation)
    n_prefix = len(model.tokenizer.encode(stripped))
    with torch.no_grad():
        log_p = model.weights(torch.tensor([whole])).logits[0].float().log_softmax(-1)
    return float(sum(log_p[place - 1, whole[place]] for place in range(n_prefix, len(whole))))


@pytest.mark.parametrize("prompts", [LETTERS, TEXTS], ids=["letters", "texts"])
def test_log_likelihoods_equal_a_reference_one_by_one(model: LocalModel, prompts: tuple[ChoicePrompt, ...]) -> None:
    for prompt, found in zip(prompts, model.log_likelihoods(prompts), strict=True):
        wanted = [reference(model, prompt, continuation) for continuation in prompt.continuations]
        # float32 sums in another order
        assert found == pytest.approx(wanted, abs=1e-5)


def test_log_likelihoods_do_not_depend_on_the_batch(model: LocalModel) -> None:
    together = model.log_likelihoods(LETTERS + TEXTS)
    alone = [model.log_likelihoods([prompt])[0] for prompt in LETTERS + TEXTS]
    for left, right in zip(together, alone, strict=True):
        assert left == pytest.approx(right, abs=1e-5)


def test_single_tokens_share_one_forward_pass(model: LocalModel) -> None:
    assert len(plan_rows(model.tokenizer, [ChoicePrompt("Answer:", ("A", "B", "C"))], 100, 0)) == 1


def test_options_of_several_tokens_are_packed_behind_one_stem_unless_that_is_not_allowed(model: LocalModel) -> None:
    (packed,) = plan_rows(model.tokenizer, [TEXTS[0]], 100, 100)
    apart = plan_rows(model.tokenizer, [TEXTS[0]], 100, 0)
    assert packed.is_packed
    assert packed.places == (0, 1, 2)
    assert [row.places for row in apart] == [(0,), (1,), (2,)]
    assert packed.n_tokens < sum(row.n_tokens for row in apart)


def test_trailing_spaces_belong_to_the_continuation(model: LocalModel) -> None:
    (row,) = plan_rows(model.tokenizer, [ChoicePrompt("Answer: ", ("A",))], 100, 0)
    assert row.stem == tuple(model.tokenizer.encode("Answer:"))


def test_a_prompt_that_is_too_long_loses_its_beginning_and_is_counted(tiny_base: Path) -> None:
    model = load_local(tiny_base)
    model.max_length = 8
    prompts = [ChoicePrompt("one two three four five six seven eight nine Answer:", ("A", "B"))]
    (row,) = plan_rows(model.tokenizer, prompts, 8, 8)
    whole = model.tokenizer.encode(prompts[0].prefix)
    assert row.stem == tuple(whole[-8:])
    model.log_likelihoods(prompts)
    assert model.n_truncated == 1


def test_batches_keep_to_the_budget_and_lose_no_row(model: LocalModel) -> None:
    rows = plan_rows(model.tokenizer, LETTERS + TEXTS, 100, 100)
    batches = in_batches(rows, 60)
    assert sum(map(len, batches)) == len(rows)
    assert all(len(batch) == 1 or len(batch) * max(row.n_tokens for row in batch) <= 60 for batch in batches)


def test_a_continuation_without_tokens_is_refused(model: LocalModel) -> None:
    with pytest.raises(InputError, match="0 tokens"):
        model.log_likelihoods([ChoicePrompt("Answer:", ("",))])


def test_replies_in_a_batch_equal_those_one_by_one(model: LocalModel) -> None:
    assert model.reply(QUESTIONS, 12) == [model.reply([question], 12)[0] for question in QUESTIONS]


def test_the_pieces_of_a_stream_are_the_reply(model: LocalModel) -> None:
    for question in QUESTIONS:
        assert "".join(model.stream(question, 20)) == model.reply([question], 20)[0].text


def test_a_reply_stops_at_its_token_limit(model: LocalModel) -> None:
    model = load_local_without_stop(model)
    (reply,) = model.reply(QUESTIONS[:1], 5)
    assert reply.finish == "length"


def load_local_without_stop(model: LocalModel) -> LocalModel:
    from dataclasses import replace

    return replace(model, stop_tokens=frozenset())


def test_a_reply_stops_at_a_stop_token(model: LocalModel) -> None:
    from dataclasses import replace

    unstopped = load_local_without_stop(model)
    pieces = unstopped.reply(QUESTIONS[:1], 6)[0].text
    tokens = next(iter(zip(*unstopped._tokens([unstopped.prompt_tokens(QUESTIONS[0])], 6), strict=True)))
    stopping = replace(model, stop_tokens=frozenset({tokens[2]}))
    (reply,) = stopping.reply(QUESTIONS[:1], 6)
    assert reply.finish == "stop"
    assert pieces.startswith(reply.text)
    assert len(reply.text) < len(pieces)


def test_a_conversation_without_room_for_a_reply_is_refused(model: LocalModel) -> None:
    with pytest.raises(InputError, match="Shorten it"):
        model.reply([(Message("user", "pain " * 3000),)], 4)


def test_bare_equals_the_base_loaded_alone(model: LocalModel, tiny_base: Path) -> None:
    alone = load_local(tiny_base, system_prompt="Be brief.")
    bare = model.bare()
    assert bare.log_likelihoods(TEXTS) == alone.log_likelihoods(TEXTS)
    assert bare.reply(QUESTIONS, 8) == alone.reply(QUESTIONS, 8)
    assert model.log_likelihoods(TEXTS) != alone.log_likelihoods(TEXTS)
    assert bare.name == alone.name


def test_an_adapter_of_zeros_is_the_base(tiny_base: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "zero"
    shutil.copytree(tiny_adapter, folder)
    weights = folder / "adapter_model.safetensors"
    tensors = {name: tensor * ("lora_B" not in name) for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    assert load_local(tiny_base, folder).log_likelihoods(TEXTS) == load_local(tiny_base).log_likelihoods(TEXTS)


def test_the_system_prompt_of_training_is_used_when_asked(model: LocalModel) -> None:
    assert model.system_prompt == "Be brief."
    assert "Be brief." in model.tokenizer.decode(model.prompt_tokens(QUESTIONS[0]))


def test_an_adapter_of_another_template_is_refused(tiny_base: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "adapter"
    shutil.copytree(tiny_adapter, folder)
    facts = read_json(folder / "template.json")
    write_json(folder / "template.json", {**facts, "fingerprint": "0" * 64})
    with pytest.raises(InputError, match="another chat template"):
        load_local(tiny_base, folder)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_local(tmp_path)


def test_a_hub_model_that_cannot_be_had_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentLacks, match=r"example-org/absent .* HF_HUB_OFFLINE is set"):
        load_local("example-org/absent")


def test_characters_are_never_cut(model: LocalModel) -> None:
    text = "38.5 °C, naïve, 痛み, 🩺!"
    tokens = model.tokenizer.encode(text)
    pieces = TextPieces(model.tokenizer)
    made = [pieces.push(token) for token in tokens]
    assert "\ufffd" not in "".join(made)
    assert "".join(made) + pieces.rest() == text
    assert len(made) > len([piece for piece in made if piece])


EXAMPLES = "Question: what is 12 mg of it?\nAnswer: A\n\n" * 6
SHARED = tuple(
    ChoicePrompt(f"{EXAMPLES}Question: is it {'so ' * number}?\nAnswer:", ends)
    for number in range(6)
    for ends in ((" A", " B"), (" yes, it is the heart", " no", " perhaps 12 mg"))
)


def test_a_shared_beginning_is_read_once_and_changes_no_score(model: LocalModel) -> None:
    from osler.models.score_plan import shared_beginning

    start = shared_beginning(plan_rows(model.tokenizer, SHARED, 1000, 1000))
    assert len(start) >= 64
    for prompt, found in zip(SHARED, model.log_likelihoods(SHARED), strict=True):
        assert found == pytest.approx([reference(model, prompt, end) for end in prompt.continuations], abs=1e-4)
    assert model._reader is not None
    assert model._reader._shared[0] == start
    assert model._reader._last is not None  # the feed-forward part that saw the answers' positions only


def test_reading_on_keeps_nothing_but_the_beginning(model: LocalModel) -> None:
    from osler.models.local_score import LikelihoodReader, _spread

    reader = LikelihoodReader(model.weights)
    cache = reader._keys_and_values(tuple(range(3, 35)))
    spread = _spread(cache, 4)
    spread.layers[0].update(*[cache.layers[0].keys[:, :, :5].expand(4, -1, -1, -1)] * 2)
    assert spread.layers[0].keys.shape[-2] == cache.layers[0].keys.shape[-2] == 32


def test_a_model_is_loaded_without_libraries_that_text_does_not_need(tiny_base: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from osler.models.local import load_local; "
        f"load_local(Path({str(tiny_base)!r})); print(sorted({{'scipy', 'sklearn', 'datasets', 'torch'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['torch']"


def test_scores_are_the_same_for_every_token_budget(model: LocalModel) -> None:
    from dataclasses import replace

    first, *others = [replace(model, token_budget=budget).log_likelihoods(SHARED) for budget in (64, 1024, 8192)]
    for other in others:
        for left, right in zip(first, other, strict=True):
            assert left == pytest.approx(right, abs=1e-4)


def test_a_model_that_cannot_take_a_mask_is_read_one_option_at_a_time(model: LocalModel) -> None:
    from dataclasses import replace

    from osler.models.local_score import LikelihoodReader

    plain = replace(model, _reader=LikelihoodReader(model.weights, _may_share=False))
    for left, right in zip(plain.log_likelihoods(TEXTS), model.log_likelihoods(TEXTS), strict=True):
        assert left == pytest.approx(right, abs=1e-4)


def test_a_sliding_window_limits_what_is_shared(model: LocalModel) -> None:
    from osler.models.local_score import LikelihoodReader

    reader = LikelihoodReader(model.weights, _may_share=True)
    config = model.weights.config.get_text_config()
    config.sliding_window = 48
    try:
        assert reader.share_limit == 48
    finally:
        config.sliding_window = None


def test_half_precision_weights_are_looked_at_in_float32(tiny_base: Path) -> None:
    import torch

    model = load_local(tiny_base, dtype="bfloat16")
    whole = model.tokenizer.encode("Answer: A")
    (found,) = model.log_likelihoods([ChoicePrompt("Answer:", (" A",))])
    decoder = model.weights.model
    with torch.no_grad():
        hidden = decoder(torch.tensor([whole[:-1]])).last_hidden_state[0].float()
        log_p = (hidden @ model.weights.lm_head.weight.float().T).log_softmax(-1)
    answer = range(len(model.tokenizer.encode("Answer:")), len(whole))
    assert found[0] == pytest.approx(sum(log_p[place - 1, whole[place]].item() for place in answer), abs=1e-4)
    assert model.weights.lm_head.weight.dtype == torch.bfloat16


def test_drawn_replies_depend_on_their_seed_and_not_on_their_neighbours(model: LocalModel) -> None:
    unstopped = load_local_without_stop(model)
    together = unstopped.sample(QUESTIONS, 8, 1.0, [1, 2, 3])
    assert together[1] == unstopped.sample(QUESTIONS[1:2], 8, 1.0, [2])[0]
    assert together != unstopped.sample(QUESTIONS, 8, 1.0, [4, 5, 6])
    assert unstopped.sample(QUESTIONS, 8, 1e-4, [1, 2, 3]) == unstopped.reply(QUESTIONS, 8)
