"""A sharding that was asked for is in force, or the run stops."""

from types import SimpleNamespace

import pytest

from osler.errors import CheckFailed, EnvironmentLacks
from osler.train import sharding
from osler.train.sharding import assert_sharded, check_sharding, sharding_settings


def test_what_cannot_become_active_is_refused_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    check_sharding("none", 1, on_gpu=False)
    with pytest.raises(EnvironmentLacks, match="this run has 1 process without a GPU"):
        check_sharding("fsdp2", 1, on_gpu=False)
    with pytest.raises(EnvironmentLacks, match="this run has 2 processes without a GPU"):
        check_sharding("zero3", 2, on_gpu=False)
    check_sharding("fsdp2", 2, on_gpu=True)
    monkeypatch.setattr(sharding, "installed_version", lambda name: None)
    with pytest.raises(EnvironmentLacks, match="'deepspeed'"):
        check_sharding("zero2", 2, on_gpu=True)


def test_the_settings_name_the_stage_and_the_layers_that_are_wrapped() -> None:
    weights = SimpleNamespace(_no_split_modules={"B", "A"})
    assert sharding_settings("none", weights) == {}
    assert sharding_settings("zero3", weights)["deepspeed"]["zero_optimization"]["stage"] == 3
    config = sharding_settings("fsdp2", weights)["fsdp_config"]
    assert (config["version"], config["transformer_layer_cls_to_wrap"]) == (2, ["A", "B"])


@pytest.mark.parametrize(("wanted", "active"), [("fsdp2", "MULTI_GPU"), ("zero2", "FSDP"), ("fsdp2", "FSDP")])
def test_a_model_that_is_not_spread_stops_the_run(wanted: sharding.Sharding, active: str) -> None:
    import torch

    model = torch.nn.Linear(2, 2)
    with pytest.raises(CheckFailed, match=f"machine.sharding is {wanted}"):
        assert_sharded(wanted, model, active)
    assert_sharded("none", model, active)
    assert_sharded("zero2", model, "DEEPSPEED")
