"""Prompts of other red teams are read, whatever their shape, and a file that is none is named."""

import pytest

from osler.errors import InputError
from osler.evaluate.redteam.exchange import FOREIGN, import_prompts

GARAK = """{"entry_type": "start_run"}
{"entry_type": "attempt", "probe_classname": "dan.Dan", "prompt": "Say it"}
{"entry_type": "attempt", "prompt": {"turns": [{"role": "user", "content": {"text": "First"}}, {"role": "user", "content": {"text": "Last"}}]}}
{"entry_type": "attempt", "probe_classname": "dan.Dan", "prompt": "Say it"}
{"entry_type": "attempt", "prompt": {"text": "Older form"}}
"""


def test_a_garak_report_gives_the_last_turn_of_each_attempt_once(tmp_path):
    path = tmp_path / "report.jsonl"
    path.write_text(GARAK)
    prompts = import_prompts(path).prompts
    assert [(prompt.text, prompt.intent) for prompt in prompts] == [
        ("Say it", "dan.Dan"), ("Last", "garak"), ("Older form", "garak"),
    ]  # fmt: skip
    assert all(prompt.kind == "risky" and prompt.expected == FOREIGN for prompt in prompts)
    assert "allow" not in FOREIGN


def test_promptfoo_tests_give_their_prompt_whatever_its_variable_is_called(tmp_path):
    path = tmp_path / "red.yaml"
    path.write_text("tests:\n- {vars: {query: One}, metadata: {pluginId: harmful}}\n- {vars: {prompt: Two}}\n- odd\n")
    found = [(prompt.text, prompt.intent) for prompt in import_prompts(path).prompts]
    assert found == [("One", "harmful"), ("Two", "promptfoo")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", "[1, 2]\n"),
        ("a.jsonl", '{"entry_type": "attempt", "prompt": {"turns": [{"role": "user", "text": "secret"}]}}'),
        ("a.jsonl", '{"entry_type": "attempt", "prompt": {"turns": ["secret"]}}'),
        ("a.yaml", "tests: [{vars: {prompt: secret}, metadata: [1]}]"),
        ("a.yaml", "tests: [{vars: [secret]}]"),
        ("a.yaml", "tests: {"),
        ("a.json", "{}"),
        ("none.yaml", None),
    ],
)
def test_a_file_of_another_shape_is_named_without_showing_prompts(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=name) as caught:
        import_prompts(tmp_path / name)
    assert "secret" not in str(caught.value)
