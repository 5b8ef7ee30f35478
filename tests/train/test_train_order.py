"""The order of training, and what counts as a checkpoint."""

import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from osler.errors import InputError
from osler.train.checkpoints import MARKER, mark_complete, newest_complete
from osler.train.config import TrainConfig
from osler.train.order import Order, OrderOptions, plan_order, plan_passes

_RNG = random.Random(3)
LENGTHS = [_RNG.randrange(10, 500) for _ in range(203)]


def order(
    epochs: float = 1, max_steps: int | None = None, size: tuple[int, int] = (4, 2), seed: int = 5, **options: Any
) -> Order:
    wanted = {"packed": True, "pass_tokens": size[0] * 500, **options}
    batch_size, accumulate = size
    return plan_order(LENGTHS, OrderOptions(batch_size, accumulate, epochs, max_steps, **wanted), random.Random(seed))


def passes(found: Order) -> list[tuple[int, ...]]:
    return [rows for step in found.steps for share in step for rows in share]


def rows(found: Order) -> Counter[int]:
    return Counter(row for step in range(found.n_steps) for row in found.rows_of(step))


def test_every_row_is_seen_once_an_epoch_and_the_last_step_is_full() -> None:
    found = order()
    assert found.n_steps == 26
    assert found.n_rows == 26 * 8
    assert set(rows(found)) == set(range(203))
    assert sum(count - 1 for count in rows(found).values()) == 26 * 8 - 203


def test_max_steps_ends_it_earlier_and_never_later() -> None:
    assert order(epochs=3, max_steps=10).n_steps == 10
    assert order(epochs=1, max_steps=1000).n_steps == 26


def test_the_same_seed_gives_the_same_order() -> None:
    assert order() == order()
    assert order() != order(seed=6)


@pytest.mark.parametrize("packed", [True, False])
def test_a_step_has_the_same_rows_however_it_is_divided(packed: bool) -> None:
    whole = order(size=(8, 1), packed=packed)
    for other in (
        order(size=(4, 2), packed=packed),
        order(size=(2, 4), packed=packed),
        order(size=(8, 1), packed=packed, n_processes=2),
        order(size=(2, 4), packed=packed, n_processes=4),
    ):
        assert [other.rows_of(step) for step in range(26)] == [whole.rows_of(step) for step in range(26)]


@pytest.mark.parametrize("n_processes", [1, 2, 4])
def test_each_process_has_as_many_rows_and_as_many_passes(n_processes: int) -> None:
    for step in order(n_processes=n_processes, size=(1, 16)).steps:
        assert len(step) == n_processes
        assert len({len(share) for share in step}) == 1
        assert {sum(map(len, share)) for share in step} == {16 // n_processes}
        assert all(rows for share in step for rows in share)


def test_a_packed_pass_holds_what_memory_was_planned_for_and_no_padding() -> None:
    found = order(size=(2, 8))
    assert found.padding_share(LENGTHS) == 0
    assert found.largest_pass(LENGTHS) <= 1000
    assert max(map(len, passes(found))) > 2
    # As few passes as any way of dividing could need, or one more a step.
    for number, step in enumerate(found.steps):
        tokens = sum(LENGTHS[row] for row in found.rows_of(number))
        assert len(step[0]) <= math.ceil(tokens / 1000) + 1


def test_rows_that_the_processes_cannot_share_are_an_error() -> None:
    with pytest.raises(InputError, match="multiple of 3"):
        order(n_processes=3)


def test_like_lengths_share_a_padded_pass() -> None:
    found = order(epochs=4, packed=False)
    shuffled = random.Random(1).sample(range(203), 200)
    random_passes = Order((tuple((tuple(shuffled[n : n + 4]),) for n in range(0, 200, 4)),), packed=False)
    assert found.padding_share(LENGTHS) < 0.05 < random_passes.padding_share(LENGTHS)


def test_tokens_are_counted_step_by_step() -> None:
    found = Order(((((0, 1),),), (((1,), (0,)),)), packed=False)
    assert found.tokens_after([3, 5]) == [0, 8, 16]
    assert found.padding_share([3, 5]) == pytest.approx(2 / 18)
    assert Order(found.steps, packed=True).padding_share([3, 5]) == 0
    assert found.largest_pass([3, 5]) == 10


def test_all_rows_are_measured_once() -> None:
    found = plan_passes(LENGTHS, OrderOptions(2, 1, 1, None, packed=True, pass_tokens=1000))
    assert sorted(row for rows in found for row in rows) == list(range(203))


def checkpoint(folder: Path, steps: int, key: str = "k") -> Path:
    path = folder / f"checkpoint-{steps}"
    path.mkdir()
    (path / "weights").write_text("w")
    mark_complete(path, key)
    return path


def test_the_newest_whole_checkpoint_counts_and_the_others_go(tmp_path: Path) -> None:
    old, good = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    unmarked = checkpoint(tmp_path, 20)
    (unmarked / MARKER).unlink()
    damaged = checkpoint(tmp_path, 30)
    (damaged / "weights").write_text("v")
    foreign = checkpoint(tmp_path, 40, key="other")
    assert newest_complete(tmp_path, "k") == good
    assert old.exists()
    assert not any(path.exists() for path in (unmarked, damaged, foreign))


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert newest_complete(tmp_path, "k") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": 0},
        {"rank": True},
        {"learning_rate": 0},
        {"learning_rate": True},
        {"learning_rate": float("nan")},
        {"warmup": 1},
        {"batch_size": 2.5},
        {"max_steps": -1},
        {"epochs": 0},
        {"method": "lorra"},
        {"steps": 10},
        {"evaluation": {"rows": 513}},
        {"bad_rows": {"long_answer": "keep"}},
    ],
)
def test_a_wrong_option_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainConfig.model_validate(wrong)


def test_a_learning_rate_as_yaml_writes_it_is_taken() -> None:
    # YAML 1.1 reads 2e-4, without a point, as text.
    assert TrainConfig.model_validate({"learning_rate": "2e-4"}).learning_rate == 2e-4
