"""The audit log shows every change, and survives a kill."""

import asyncio
import contextlib
import os
import resource
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import orjson
import pytest

from osler.errors import CheckFailed, EnvironmentLacks, InputError
from osler.guard.audit import AuditLog, Clock
from osler.guard.chain import Head, as_csv, head_path, id_of, read_rows, verify
from osler.guard.texts import TextBox, open_texts

KEY = b"an invented key of 32 bytes size"


@pytest.fixture
def log(tmp_path) -> Path:
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, KEY) as audit:
        audit.append("start", policy="p")
        for number in range(5):
            audit.append("answer", action="allow", number=number, who="Ada Example", text="my private question")
        audit.append("stop")
    return path


def append(path: Path, *events: str) -> None:
    with AuditLog(path, KEY) as audit:
        for event in events:
            audit.append(event)


def rows(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_whole_log_holds(log):
    assert verify(log, KEY).seq == 7


def test_no_text_and_no_reader_stands_in_the_log(log):
    content = log.read_bytes()
    assert b"private" not in content
    assert b"Ada" not in content
    row = orjson.loads(rows(log)[1])
    assert row["text_chars"] == len("my private question")
    assert row["text_hash"] == orjson.loads(rows(log)[2])["text_hash"]
    assert {"seq", "time", "monotonic", "event", "previous", "mac"} <= row.keys()


def test_a_changed_row_is_named(log):
    lines = rows(log)
    lines[3] = lines[3].replace(b'"allow"', b'"crisis"')
    log.write_bytes(b"".join(lines))
    with pytest.raises(CheckFailed, match="row 4 was changed"):
        verify(log, KEY)


def test_a_removed_or_moved_row_is_named(log):
    lines = rows(log)
    log.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(CheckFailed, match="row 3 has sequence number 4"):
        verify(log, KEY)
    log.write_bytes(b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]))
    with pytest.raises(CheckFailed, match="row 3"):
        verify(log, KEY)


def test_a_cut_tail_is_noticed(log):
    log.write_bytes(b"".join(rows(log)[:5]))
    with pytest.raises(CheckFailed, match="2 rows are missing"):
        verify(log, KEY)
    with pytest.raises(CheckFailed, match="2 rows are missing"):
        AuditLog(log, KEY)


def test_another_key_does_not_hold(log):
    with pytest.raises(CheckFailed, match="row 1"):
        verify(log, b"another invented key, also long")


def test_a_missing_head_file_is_noticed(log):
    log.with_name(log.name + ".head").unlink()
    with pytest.raises(CheckFailed, match="head"):
        verify(log, KEY)


def test_the_chain_goes_on_after_a_restart(log):
    append(log, "start")
    assert verify(log, KEY).seq == 8


def test_a_torn_last_line_is_set_aside_and_recorded(log):
    with log.open("ab") as stream:
        stream.write(b'{"seq":8,"time":"20')
    append(log, "start")
    assert verify(log, KEY).seq == 9
    assert orjson.loads(rows(log)[7])["event"] == "torn_line"
    assert log.with_name("audit.jsonl.torn").read_bytes() == b'{"seq":8,"time":"20\n'


def test_a_kill_between_row_and_head_is_no_damage(log):
    head = log.with_name(log.name + ".head")
    before = head.read_bytes()
    append(log, "answer")
    head.write_bytes(before)
    assert verify(log, KEY).seq == 8
    append(log, "answer")
    assert verify(log, KEY).seq == 9


def test_a_log_whose_first_and_only_line_is_torn_starts_anew(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b'{"seq":1,"ti')
    append(path, "start")
    assert verify(path, KEY).seq == 2


def test_threads_do_not_break_the_chain(tmp_path):
    with AuditLog(tmp_path / "audit.jsonl", KEY) as audit:
        threads = [threading.Thread(target=lambda: [audit.append("answer") for _ in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert verify(tmp_path / "audit.jsonl", KEY).seq == 40


def test_names_of_the_log_itself_are_refused(tmp_path):
    with AuditLog(tmp_path / "audit.jsonl", KEY) as audit, pytest.raises(InputError, match="seq"):
        audit.append("answer", seq=5)


def test_a_short_key_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 16"):
        AuditLog(tmp_path / "audit.jsonl", b"short")


def test_a_log_that_does_not_exist_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        verify(tmp_path / "none.jsonl", KEY)


def test_a_cut_tail_is_named_by_an_anchor_elsewhere_even_when_the_head_file_was_cut_too(log, tmp_path):
    whole = verify(log, KEY)
    short = tmp_path / "short.jsonl"
    with AuditLog(short, KEY) as audit:
        for line in rows(log)[:3]:
            facts = {k: v for k, v in orjson.loads(line).items() if k in {"policy", "number", "action"}}
            audit.append(orjson.loads(line)["event"], **facts)
    assert verify(short, KEY).seq == 3
    with pytest.raises(CheckFailed, match="4 rows are missing at the end"):
        verify(short, KEY, Head(whole.seq, whole.mac))
    with pytest.raises(CheckFailed, match="row 3 is not the one"):
        verify(short, KEY, Head(3, "f" * 64))


def test_a_head_file_cannot_be_made_to_fit_a_cut_log_without_the_key(log):
    lines = rows(log)
    log.write_bytes(b"".join(lines[:5]))
    head = orjson.loads(head_path(log).read_bytes())
    head_path(log).write_bytes(orjson.dumps({**head, "seq": 5, "mac": orjson.loads(lines[4])["mac"]}))
    with pytest.raises(CheckFailed, match=r"head was changed"):
        verify(log, KEY)


def test_a_log_that_was_deleted_is_missing_not_new(log):
    log.unlink()
    with pytest.raises(CheckFailed, match="7 rows of it are on record"):
        AuditLog(log, KEY)


def test_two_processes_cannot_write_one_log(log):
    with AuditLog(log, KEY), pytest.raises(EnvironmentLacks, match="--replica"):
        AuditLog(log, KEY)


def test_a_jump_of_the_clock_is_recorded_and_breaks_nothing(tmp_path):
    path, wall, monotonic = tmp_path / "audit.jsonl", [1_800_000_000.0], [100.0]
    with AuditLog(path, KEY, clock=Clock(lambda: wall[0], lambda: monotonic[0])) as audit:
        for wall_step, step in ((1, 1), (-86_400, 1), (30, 30), (7_200, 2)):
            wall[0] += wall_step
            monotonic[0] += step
            audit.append("answer")
    found = [orjson.loads(line) for line in rows(path)]
    assert [row.get("by_s") for row in found if row["event"] == "clock_jump"] == [-86_401.0, 7_198.0]
    assert [row["event"] for row in found] == ["answer", "clock_jump", "answer", "answer", "clock_jump", "answer"]
    assert verify(path, KEY).seq == 6


def test_many_callers_share_one_fsync(tmp_path, monkeypatch):
    n_syncs, sync = [0], os.fsync

    def counted(file):
        n_syncs[0] += 1
        time.sleep(0.01)
        sync(file)

    monkeypatch.setattr(os, "fsync", counted)
    with AuditLog(tmp_path / "audit.jsonl", KEY) as audit:
        waiting: list[Future[Head]] = [audit.submit("answer", number=number) for number in range(200)]
        assert [future.result().seq for future in waiting] == list(range(1, 201))
    assert n_syncs[0] < 20


@contextlib.contextmanager
def files_of_at_most(n_bytes: int):
    """As on a full disk: the kernel refuses to let a file of this process grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_fails_every_event_until_there_is_room_and_then_the_chain_goes_on(log):
    with AuditLog(log, KEY) as audit:
        with files_of_at_most(log.stat().st_size + 1000):
            with pytest.raises(OSError, match="large"):
                [audit.append("answer", reply="word " * 20) for _ in range(10)]
            written = audit.head.seq - 7
            assert audit.failure is not None
            with pytest.raises(OSError, match="large"):
                audit.append("answer")
            assert verify(log, KEY).seq == 7 + written
        ends = time.monotonic() + 3
        while audit.failure is not None and time.monotonic() < ends:
            time.sleep(0.05)
        audit.append("answer")
    assert orjson.loads(rows(log)[-2])["event"] == "written_again"
    assert verify(log, KEY).seq == 7 + written + 2


def test_a_log_that_is_moved_away_under_the_writer_fails_rather_than_writing_where_nobody_looks(log):
    with AuditLog(log, KEY) as audit:
        log.rename(log.with_suffix(".away"))
        with pytest.raises(FileNotFoundError):
            audit.append("answer")
        log.with_suffix(".away").rename(log)


def test_rows_are_exported_by_time_and_as_csv(log):
    times = [orjson.loads(line)["time"] for line in rows(log)]
    assert [row["seq"] for row in read_rows(log, since=times[2])][-1] == 7
    assert list(read_rows(log, until="2000")) == []
    lines = "".join(as_csv(read_rows(log))).splitlines()
    assert lines[0].startswith("log,seq,time,monotonic,event")
    assert len(lines) == 8
    assert "private" not in "".join(lines)


def test_texts_are_kept_only_in_a_box_encrypted_without_identifiers_and_deleted_in_time(tmp_path):
    pytest.importorskip("cryptography")
    from cryptography.fernet import Fernet

    key, now = Fernet.generate_key().decode(), [1_800_000_000.0]
    box = TextBox(tmp_path / "texts", key, hours=2)
    with AuditLog(tmp_path / "audit.jsonl", KEY, box, Clock(lambda: now[0], lambda: now[0])) as audit:
        audit.append("answer", request="r1", prompt="I am at ada@example.org and my knee hurts", reply="Rest it.")
        assert box.read("r1") == [{"prompt": "I am at [EMAIL] and my knee hurts", "reply": "Rest it."}]
        stored = b"".join(path.read_bytes() for path in (tmp_path / "texts").iterdir())
        assert b"knee" not in stored + (tmp_path / "audit.jsonl").read_bytes()
        now[0] += 2 * 3600
        audit.append("answer", request="r2", prompt="Later", reply="Yes.")
        assert box.read("r1")
        now[0] += 3600
        audit.append("answer", request="r3", prompt="Much later", reply="Yes.")
    assert box.read("r1") == []
    assert box.read("r2")
    assert verify(tmp_path / "audit.jsonl", KEY).seq == 3
    with pytest.raises(InputError, match="another key"):
        TextBox(tmp_path / "texts", Fernet.generate_key().decode(), 2).read("r2")
    with pytest.raises(InputError, match="OSLER_TEXT_KEY"):
        open_texts(tmp_path / "texts", None, 2)


@pytest.mark.parametrize("lacks", [("monotonic",), ("monotonic", "previous", "mac", "seq")])
def test_a_log_of_an_older_form_is_called_so_and_not_changed(tmp_path, lacks):
    path = tmp_path / "audit.jsonl"
    row = {
        "seq": 1,
        "time": "2026-01-01T00:00:00",
        "event": "start",
        "monotonic": 1.0,
        "previous": "0" * 64,
        "mac": "f" * 64,
    }
    kept = {name: value for name, value in row.items() if name not in lacks}
    path.write_bytes(orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE))
    head_path(path).write_bytes(b'{"seq":1,"mac":"%b"}' % (b"f" * 64))
    with pytest.raises(CheckFailed, match="older form: not chained") as found:
        verify(path, KEY)
    assert "was changed" not in str(found.value)


def test_a_row_made_to_look_older_in_a_chained_log_is_still_a_changed_one(log):
    lines = rows(log)
    row = orjson.loads(lines[2])
    del row["monotonic"]
    log.write_bytes(b"".join([*lines[:2], orjson.dumps(row) + b"\n", *lines[3:]]))
    with pytest.raises(CheckFailed, match="row 3 was changed"):
        verify(log, KEY)


def test_who_waits_in_an_event_loop_is_told_of_a_failure_and_one_who_left_breaks_nothing(log, monkeypatch):
    async def wait(audit: AuditLog) -> None:
        waiting = [asyncio.ensure_future(audit.write("answer")) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        with pytest.raises(FileNotFoundError):
            await asyncio.wait_for(waiting[1], 3)

    monkeypatch.setattr("osler.guard.audit.GATHER_S", 0.05)
    with AuditLog(log, KEY) as audit:
        log.rename(log.with_suffix(".away"))
        began = time.monotonic()
        asyncio.run(wait(audit))
        assert time.monotonic() - began < 2
        log.with_suffix(".away").rename(log)
        ends = time.monotonic() + 3
        while audit.failure is not None and time.monotonic() < ends:
            time.sleep(0.05)
        assert audit.submit("answer").result(3).seq == 9


def test_a_fact_that_is_no_json_fails_its_caller_and_not_the_log_nor_the_note_of_a_jump(tmp_path):
    path, wall = tmp_path / "audit.jsonl", [1_800_000_000.0]
    with AuditLog(path, KEY, clock=Clock(lambda: wall[0], lambda: 100.0)) as audit:
        wall[0] += 60
        with pytest.raises(TypeError):
            audit.append("answer", number=object())
        audit.append("answer")
    assert [orjson.loads(line)["event"] for line in rows(path)] == ["clock_jump", "answer"]


def test_what_is_no_row_is_named_wherever_it_is_read(log):
    lines = rows(log)
    log.write_bytes(b"not a row\n" + b"".join(lines[1:]))
    assert id_of(log) == ""
    with pytest.raises(CheckFailed, match="row 1 is torn or not a row"):
        verify(log, KEY)
    with pytest.raises(CheckFailed, match="row 1 is not a row"):
        list(read_rows(log))


def test_a_head_file_with_strange_letters_was_changed(log):
    head = orjson.loads(head_path(log).read_bytes())
    head_path(log).write_bytes(orjson.dumps({**head, "seal": "é"}))
    with pytest.raises(CheckFailed, match="head was changed"):
        verify(log, KEY)


def test_texts_behind_a_row_that_a_killed_server_did_not_end_can_be_read(tmp_path):
    pytest.importorskip("cryptography")
    from cryptography.fernet import Fernet

    box, now = TextBox(tmp_path, Fernet.generate_key().decode()), 1_800_000_000.0
    box.keep("r1", {"prompt": "One"}, now)
    (file,) = tmp_path.iterdir()
    with file.open("ab") as stream:
        stream.write(b'{"request":"r2","bo')
    box.keep("r3", {"prompt": "Three"}, now)
    assert [box.read(name) for name in ("r1", "r2", "r3")] == [[{"prompt": "One"}], [], [{"prompt": "Three"}]]
