"""The recipe's sections for evaluation: names with the nearest right one, and types that are not guessed."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from osler.evaluate.config import EvaluateConfig, GateConfig, RedteamConfig


@pytest.mark.parametrize(
    ("config", "values", "words"),
    [
        (EvaluateConfig, {"benchmarks": ["medqq"]}, "did you mean 'medqa'"),
        (EvaluateConfig, {"benchmarks": ["medqa:tset"]}, "did you mean 'test'"),
        (EvaluateConfig, {"benchmarks": []}, "at least 1"),
        (EvaluateConfig, {"benchmarks": ["medqa", "medqa:train"]}, "medqa@letters-0shot named more than once"),
        (EvaluateConfig, {"max_items": 0}, "greater than 0"),
        (EvaluateConfig, {"max_items": True}, "valid integer"),
        (EvaluateConfig, {"batch_tokens": -5}, "greater than 0"),
        (EvaluateConfig, {"batchtokens": 5}, "Extra inputs"),
        (RedteamConfig, {"attacks": ["leat"]}, "did you mean 'leet'"),
        (RedteamConfig, {"attacks": ["plain", "plain"]}, "more than once"),
        (RedteamConfig, {"max_tokens": "many"}, "valid integer"),
        (GateConfig, {"knowledge": {"medqq": 0.5}}, "did you mean 'medqa'"),
        (GateConfig, {"knowledge": {"k-qa": 0.5}}, "open answers, and those have no accuracy"),
        (GateConfig, {"knowledge": {"medqa": 60}}, "less than or equal to 1"),
        (GateConfig, {"regression_margin": float("nan")}, "finite number"),
        (GateConfig, {"harmful_compliance_upper": 0}, "greater than 0"),
    ],
)
def test_a_wrong_value_is_refused_in_words(config, values, words):
    with pytest.raises(ValidationError, match=words):
        config.model_validate(values)


@pytest.mark.parametrize("config", [EvaluateConfig, RedteamConfig, GateConfig])
def test_every_field_has_a_default_and_a_description(config):
    config()
    for name, field in config.model_fields.items():
        assert field.description, name
    assert config.model_json_schema()["additionalProperties"] is False


def test_the_mistake_of_each_item_is_reported_at_its_place():
    with pytest.raises(ValidationError) as caught:
        EvaluateConfig.model_validate({"benchmarks": ["medqq", "medqa", "pubmed"]})
    assert [error["loc"] for error in caught.value.errors()] == [("benchmarks", 0), ("benchmarks", 2)]


def test_two_benchmarks_of_ones_own_have_two_names(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("name: quiz\nfile: rows.jsonl\nattribution: Mine.\n")
    with pytest.raises(ValidationError, match="quiz named more than once"):
        EvaluateConfig(own=(tmp_path / "a.yaml", tmp_path / "b.yaml"), benchmarks=("quiz",))


def test_reading_the_config_loads_no_numpy():
    code = "import sys, osler.evaluate.config; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
