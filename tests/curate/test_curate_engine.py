"""The same bytes on one process, on several, on Ray, in any cut, and after a killed run."""

import os
import random
import signal
import subprocess
import sys
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.curate.engine import choose_engine, local_engine, run_shards
from osler.curate.plain_rows import PlainOptions, PlainRows, dedupe_rows
from osler.curate.shards import Made, Shard, ShardWork, cut
from osler.curate.sketch import choose_bands
from osler.errors import EnvironmentLacks, InputError
from osler.runs.progress import silent

_WORDS = [f"word{i}" for i in range(400)]

_RAY_WARNS = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)
"""Ray warns of its own settings."""


def _write_rows(path: Path, n: int = 1500) -> Path:
    """Random rows: some too short, some copies in other spacing, some near copies, some not of text."""
    rng = random.Random(9)
    rows: list[dict] = []
    while len(rows) < n:
        row = {"id": len(rows), "input": "What about this?", "output": " ".join(rng.choices(_WORDS, k=60))}
        kind = rng.random()
        if rows and kind < 0.1:
            row["output"] = rng.choice(rows)["output"].replace(" ", "  ", 3)
        elif rows and kind < 0.25:
            row["output"] = rng.choice(rows)["output"].replace("word1", "edited", 1)
        elif kind < 0.3:
            row["output"] = rng.choice(["ok", "", " naïve café "])
        rows.append(row)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows) + b"\n")
    return path


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _rows(path: Path) -> list[dict]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A file of rows, and what one process in one shard makes of it."""
    folder = tmp_path_factory.mktemp("plain")
    path = _write_rows(folder / "rows.jsonl")
    dedupe_rows([path], folder / "out", PlainOptions(), local_engine(1), silent)
    return path, _bytes(folder / "out")


def test_every_row_is_kept_or_dropped_with_a_reason(plain, tmp_path):
    _, expected = plain
    counts = orjson.loads(expected["counts.json"])
    (tmp_path / "kept").write_bytes(expected["kept.jsonl"])
    (tmp_path / "dropped").write_bytes(expected["dropped.jsonl"])
    kept, dropped = _rows(tmp_path / "kept"), _rows(tmp_path / "dropped")
    assert counts["read"] == 1500 == counts["kept"] + counts["dropped"]
    assert counts["dropped"] == sum(counts["reasons"].values()) == len(dropped)
    assert sorted([str(row["id"]) for row in kept] + [row["id"] for row in dropped]) == sorted(map(str, range(1500)))
    assert set(counts["reasons"]) == {"exact_copy", "near_copy", "length"}
    assert all("  " not in row["output"] for row in kept)
    ids = {str(row["id"]) for row in kept}
    copies = [row for row in dropped if row["reason"] != "length"]
    assert all(int(row["detail"].partition(",")[0]) < int(row["id"]) for row in copies)
    assert all(row["detail"].partition(",")[0] in ids for row in copies if row["reason"] == "near_copy")


@pytest.mark.parametrize(("processes", "shard_bytes"), [(1, 7_000), (1, 100_000), (2, 60_000)])
def test_processes_and_shards_do_not_change_a_byte(plain, tmp_path, processes, shard_bytes):
    path, expected = plain
    dedupe_rows([path], tmp_path, PlainOptions(), local_engine(processes), silent, shard_bytes)
    assert _bytes(tmp_path) == expected


@pytest.mark.slow
@_RAY_WARNS
def test_ray_does_not_change_a_byte(plain, tmp_path):
    path, expected = plain
    pytest.importorskip("ray")
    dedupe_rows([path], tmp_path, PlainOptions(), choose_engine("ray", 2), silent, 60_000)
    assert _bytes(tmp_path) == expected


@pytest.mark.slow
@_RAY_WARNS
def test_ray_names_the_line_that_cannot_be_read(plain, tmp_path):
    path, _ = plain
    pytest.importorskip("ray")
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(path.read_bytes()[:50_000] + b"\n{}\n")
    with pytest.raises(InputError, match=r"broken.jsonl, line \d+: not JSON"):
        dedupe_rows([broken], tmp_path / "out", PlainOptions(), choose_engine("ray", 2), silent, 20_000)


@pytest.mark.parametrize("cut_bytes", [1, 10, 37, 1000])
@pytest.mark.parametrize("content", [b"", b"a\n", b"a", b"\n\na\r\n\nbb\nccc", b"one\ntwo\nthree\n"])
def test_every_line_is_in_one_shard(tmp_path, cut_bytes, content):
    path = tmp_path / "lines"
    path.write_bytes(content)
    assert b"".join(shard.read()[0] for shard in cut([path], cut_bytes)) == content


def test_a_line_that_is_no_object_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"input": "a"}\n\n[1]\n')
    with pytest.raises(InputError, match="line 3: expected an object, found list"):
        dedupe_rows([path], tmp_path / "out", PlainOptions(), local_engine(1), silent)
    assert not (tmp_path / "out" / "kept.jsonl").exists()


def test_a_file_that_is_read_is_never_written_over(tmp_path):
    path = _write_rows(tmp_path / "out" / "kept.jsonl", 3)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"kept\.jsonl would be written over"):
        dedupe_rows([path], tmp_path / "out", PlainOptions(), local_engine(1), silent)
    assert path.read_bytes() == before


def test_a_last_line_without_its_end_stays_a_line_of_its_own(tmp_path):
    texts = [" ".join(_WORDS[i : i + 20]) for i in (0, 50, 100)]
    rows = [orjson.dumps({"id": i, "input": "What about this?", "output": text}) for i, text in enumerate(texts)]
    (tmp_path / "a").write_bytes(rows[0] + b"\n\n" + rows[1])
    (tmp_path / "b").write_bytes(rows[2])
    dedupe_rows([tmp_path / "a", tmp_path / "b"], tmp_path / "out", PlainOptions(), local_engine(1), silent)
    assert (tmp_path / "out" / "kept.jsonl").read_bytes() == b"".join(row + b"\n" for row in rows)


def test_finished_shards_are_used_again(plain, tmp_path):
    path, expected = plain
    out = tmp_path / "out"
    broken = tmp_path / "rows.jsonl"
    broken.write_bytes(path.read_bytes() + b"no json\n")
    with pytest.raises(InputError, match="not JSON"):
        dedupe_rows([broken], out, PlainOptions(), local_engine(1), silent, 20_000)
    made = {one.name: one.stat().st_mtime_ns for one in (out / "scratch").iterdir()}
    assert len(made) > 5
    seen = []

    def progress(name, done, total, unit="rows"):
        if name == "dedupe: copies" and not seen:
            seen.extend(one for one in (out / "scratch").iterdir() if made.get(one.name) == one.stat().st_mtime_ns)

    dedupe_rows([path], out, PlainOptions(), local_engine(1), progress, 20_000)
    # The last shard held the broken line and was not finished.
    assert len(seen) == len(made)
    assert _bytes(out) == expected


def test_a_shard_that_a_power_cut_left_empty_is_made_again(plain, tmp_path):
    path, expected = plain
    out = tmp_path / "out"

    def cut_off(name, done, total, unit="rows"):
        del done, total, unit
        if name == "dedupe: copies":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dedupe_rows([path], out, PlainOptions(), local_engine(1), cut_off, 20_000)
    made = sorted((out / "scratch").iterdir())
    made[0].write_bytes(b"")
    made[1].write_bytes(made[1].read_bytes()[:-100])
    dedupe_rows([path], out, PlainOptions(), local_engine(1), silent, 20_000)
    assert _bytes(out) == expected


def test_a_file_that_is_given_twice_is_read_by_two_processes_at_once(plain, tmp_path):
    path, _ = plain
    work = ShardWork(PlainRows(PlainOptions(), choose_bands(128, 0.8)), "key", tmp_path)
    shards = [*cut([path], 20_000)] * 2
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(work, sorted(shards, key=lambda shard: shard.start)))
    assert sum(one.n_rows for one in made) == 2 * 1500
    assert {one.name for one in tmp_path.iterdir()} == {one.name for one in made}


@dataclass(frozen=True)
class _Dies:
    """Work that ends its process when it is not the one that asked."""

    asker: int

    def __call__(self, shard: Shard) -> Made:
        if os.getpid() != self.asker:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)
        return Made("x", 1, 1)


def test_a_worker_that_is_killed_gives_an_error_that_says_what_to_do(tmp_path):
    shards = [Shard(tmp_path, start, start + 1) for start in range(12)]
    with pytest.raises(EnvironmentLacks, match=r"curate\.processes: 1"):
        run_shards(local_engine(2), _Dies(os.getpid()), shards, "work", silent)


_CURATE = """
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from osler.curate.config import CurateConfig
from osler.curate.curate import curate
from osler.runs.progress import silent

if __name__ == "__main__":
    path, out, options = Path(sys.argv[1]), Path(sys.argv[2]), CurateConfig.model_validate_json(sys.argv[3])
    curate([path], {}, options, 0, out, silent)
"""


@pytest.mark.slow
def test_curation_gives_the_same_bytes_on_every_engine_and_after_being_killed(record, run, tmp_path):
    from osler.records.io import write_records

    rng = random.Random(4)
    records = [
        record(
            str(i), f"What about {rng.choice(_WORDS)} {i % 90}?", " ".join(rng.choices(_WORDS, k=80)) + " Dr. Example"
        )
        for i in range(3000)
    ]
    run(records, tmp_path / "one", {"processes": 1})
    expected = _bytes(tmp_path / "one")
    write_records(tmp_path / "records.jsonl", records)
    script = tmp_path / "go.py"
    script.write_text(_CURATE)
    for name, options, n_kills in (
        ("two", '{"processes": 2, "shard_mb": 0.3}', 0),
        ("small", '{"processes": 1, "shard_mb": 0.05}', 0),
        ("killed", '{"processes": 2, "shard_mb": 0.1}', 10),
        ("ray", '{"engine": "ray", "processes": 2, "shard_mb": 0.3}', 0),
    ):
        command = [sys.executable, str(script), str(tmp_path / "records.jsonl"), str(tmp_path / name), options]
        for _ in range(n_kills):
            process = subprocess.Popen(command)
            time.sleep(rng.uniform(0.3, 4))
            process.kill()
            process.wait()
        if name != "ray" or pytest.importorskip("ray"):
            subprocess.run(command, check=True)
        assert _bytes(tmp_path / name) == expected, name


_TEXT = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(["word", "  ", "café", "\n", "cafe\u0301", " ", "x" * 9]), max_size=300).map(" ".join),
    st.none(),
    st.integers(0, 99),
)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({}, optional={"id": st.integers(0, 99), "input": _TEXT, "output": _TEXT}), max_size=9
    )
)
def test_any_rows_are_kept_or_dropped(rows):
    with TemporaryDirectory() as folder:
        path, out = Path(folder, "rows.jsonl"), Path(folder, "out")
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        counts = dedupe_rows([path], out, PlainOptions(min_chars=1), local_engine(1), silent)
        kept, dropped = _rows(out / "kept.jsonl"), _rows(out / "dropped.jsonl")
    assert counts["read"] == len(rows) == len(kept) + len(dropped)
    assert all(row["reason"] for row in dropped)
    for row in kept:
        for text in (row["input"], row["output"]):
            assert text == " ".join(unicodedata.normalize("NFC", text).split())
