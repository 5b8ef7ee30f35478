"""What replicas share: the same promises for SQLite and for a real PostgreSQL."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from osler.errors import EnvironmentLacks, InputError
from osler.guard.chain import Head
from osler.serve.board import KILL_FILE, Board
from osler.serve.fault import Fault
from osler.serve.keys import Keys, key_ring, new_key
from osler.serve.limits import Limits, Ticket, tokens_of
from osler.serve.session import LIFETIME_S, Session, Sessions
from osler.serve.store import Limit, open_store
from osler.serve.switch import Switch


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """The same empty store for every connection of one test."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def connect(url, tmp_path):
    made = []

    def make():
        made.append(open_store(url, tmp_path))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def board(connect, tmp_path):
    made = Board(connect(), tmp_path)
    yield made
    made.close()


def test_a_share_is_never_more_than_what_the_limit_leaves(connect):
    one, other = connect(), connect()
    assert one.take("k", "requests", 7, 6, 10).n == 6
    assert (other.take("k", "requests", 7, 6, 10).n, other.take("k", "requests", 7, 6, 10).n) == (4, 0)
    assert other.take("k", "tokens", 7, 6, 10).n == 6
    assert one.take("k", "requests", 8, 6, 10).n == 6
    assert one.take("k", "requests", 7, 6, 10).n == 4, "a clock that went back does not open a new minute"


def test_many_at_once_take_the_limit_and_no_more(connect):
    stores = [connect() for _ in range(4)]
    with ThreadPoolExecutor(4) as workers:
        taken = list(workers.map(lambda i: stores[i % 4].take("k", "requests", 1, 3, 50).n, range(40)))
        places = list(workers.map(lambda i: stores[i % 4].take_slots("k", f"r{i % 4}", 1, 7), range(20)))
    assert sum(taken) == 50
    assert sum(places) == 7


def test_places_of_a_replica_that_is_gone_are_free_again(connect, monkeypatch):
    store = connect()
    assert store.take_slots("k", "gone", 5, 5) == 5
    assert store.take_slots("k", "here", 1, 5) == 0
    monkeypatch.setattr("osler.serve.store.LOST_S", 0.0)
    assert store.take_slots("k", "here", 5, 5) == 5
    monkeypatch.undo()
    store.beat("here", {"k": 3})
    assert store.take_slots("k", "here", 5, 5) <= 3


def test_keys_are_kept_as_hashes_with_their_limits_and_end(connect, board):
    made = new_key("ward", ("chat",), Limit(60, 1000, 2))
    ended = new_key("old", expires=time.time() - 1)
    for key in (made, ended):
        board.store.add_key(key.row)
    board.look()
    keys = Keys(board, key_ring(["a-long-key-given-at-the-start"]))
    found = keys.find(made.secret)
    assert found.name == "ward"
    assert found.limit == Limit(60, 1000, 2)
    assert keys.find("a-long-key-given-at-the-start").name == "given"
    for wrong in (ended.secret, made.secret[:-1], made.secret + "x", f"osler-{made.row.id}-", "osler", "", "\ud800"):
        assert keys.find(wrong) is None
    assert made.secret not in repr(connect().all_keys())
    assert made.secret.rsplit("-", 1)[-1] not in repr(connect().all_keys())
    assert connect().revoke_key(made.row.id)
    assert not connect().revoke_key(made.row.id)
    board.look()
    assert keys.find(made.secret) is None


def test_a_change_made_elsewhere_is_known_within_half_a_second(connect, board):
    key = new_key("ward")
    other = connect()
    other.add_key(key.row)
    other.accept(key.row.id, "v7")
    other.turn("halt", "wrong dose")
    time.sleep(0.5)
    assert board.seen.keys[key.row.id].accepted == {"v7"}
    assert (board.level, board.seen.turn.reason) == ("halt", "wrong dose")


@pytest.mark.parametrize(
    ("level", "new", "fixed", "running"),
    [
        ("off", True, True, True),
        ("drain", False, False, True),
        ("template-only", False, True, False),
        ("halt", False, False, False),
    ],
)
def test_every_level_of_the_switch_stops_what_it_says(board, level, new, fixed, running):
    board.store.turn(level, "why")
    board.look()
    switch = Switch(board)
    allowed = (switch.may_begin() is None, switch.may_begin(is_fixed=True) is None, switch.may_go_on() is None)
    assert allowed == (new, fixed, running)
    assert switch.is_killed == (level != "off")


def test_the_switch_stays_on_after_a_restart_and_every_turn_goes_into_the_log(connect, tmp_path, fake_audit):
    audit = fake_audit()
    connect().turn("halt", "wrong dose seen")
    for _ in range(2):
        board = Board(connect(), tmp_path, audit)
        assert board.level == "halt"
        board.close()
    connect().turn("off", "mended")
    connect().turn("drain", "again")
    Board(connect(), tmp_path, audit).close()
    told = [(row["level"], row["reason"]) for row in audit.rows if row["event"] == "switch"]
    assert told == [("halt", "wrong dose seen"), ("off", "mended"), ("drain", "again")]
    assert connect().heads()[audit.id] == (Head(3, "f" * 64), 3)


def test_the_kill_file_counts_as_halt_and_is_on_record(connect, tmp_path, fake_audit):
    audit = fake_audit()
    board = Board(connect(), tmp_path, audit)
    (tmp_path / KILL_FILE).touch()
    board.look()
    assert board.level == "halt"
    (tmp_path / KILL_FILE).unlink()
    board.look()
    board.close()
    assert [row["level"] for row in audit.rows] == ["halt", "off"]


def test_a_board_that_cannot_reach_the_store_says_so_and_recovers(board, monkeypatch):
    def away():
        raise EnvironmentLacks("gone")

    monkeypatch.setattr("osler.serve.board.STALE_S", 0.3)
    look = board.store.look
    monkeypatch.setattr(board.store, "look", away)
    time.sleep(0.6)
    switch = Switch(board)
    assert switch.may_begin().code == switch.may_go_on().code == "store_unavailable"
    assert not switch.is_known
    monkeypatch.setattr(board.store, "look", look)
    time.sleep(0.5)
    assert switch.may_begin() is None


def test_one_secret_for_all_so_that_a_cookie_of_one_replica_opens_the_other(connect):
    one, other = Sessions(connect().secret("sessions")), Sessions(connect().secret("sessions"))
    cookie = one.spend(one.token)
    assert one.spend(one.token or "") is None
    assert other.read(cookie).accepted == ""
    accepted = other.accept(cookie, "v3")
    assert one.read(accepted).accepted == "v3"
    assert one.read(accepted).id == one.read(cookie).id
    assert Sessions().read(cookie) is None
    name, ends, version, signature = accepted.split(".")
    for forged in (f"{name}.{int(ends) + 9}.{version}.{signature}", f"{name}.{ends}.v4.{signature}", "", "a.b", "..."):
        assert one.read(forged) is None
    assert one.accept("forged", "v3") is None
    assert one.read(one.cookie(Session("x", int(time.time()) - 1))) is None
    assert int(ends) <= time.time() + LIFETIME_S


def run(board, scenario):
    """One replica's limits, on an event loop of their own."""

    async def inside():
        limits = Limits(board)
        try:
            return await scenario(limits)
        finally:
            limits.close()

    return asyncio.run(inside())


async def count(limits, account, n):
    """How many of `n` requests are let in, and the last refusal."""
    passed, fault = 0, None
    for _ in range(n):
        ticket = Ticket()
        try:
            await ticket.enter(account)
            passed += 1
        except Fault as refused:
            fault = refused
        ticket.close()
    return passed, fault


def still(board):
    """A board on which the minute does not end during the test."""
    now = board.now()
    board.now = lambda: now - now % 60 + 20
    return board


def test_requests_of_two_replicas_together_keep_to_the_limit(board, connect, tmp_path):
    second = Board(connect(), tmp_path)
    try:
        passed = []
        threads = [
            threading.Thread(
                target=lambda one: passed.append(
                    run(still(one), lambda limits: count(limits, limits.account("key a", Limit(requests=100)), 90))
                ),
                args=(one,),
            )
            for one in (board, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        second.close()
    total = sum(n for n, _ in passed)
    assert total <= 100
    assert total >= 100 - 7, "at most a sixteenth lies unused at one replica"
    fault = next(fault for _, fault in passed if fault is not None)
    assert (fault.status, fault.headers["retry-after"]) == (429, "40")


def test_the_headers_say_what_is_left(board):
    async def scenario(limits):
        account = limits.account("key a", Limit(requests=10, tokens=1000))
        ticket = Ticket()
        await ticket.enter(account)
        await ticket.reserve(300)
        reserved = ticket.headers()
        ticket.settle(100)
        settled = ticket.headers()
        return reserved, settled

    reserved, settled = run(still(board), scenario)
    assert reserved == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "40s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "700",
        "x-ratelimit-reset-tokens": "40s",
    }
    assert settled["x-ratelimit-remaining-tokens"] == "900"


def test_tokens_that_were_not_used_can_be_used_by_others(board):
    async def scenario(limits):
        account = limits.account("key a", Limit(tokens=100))
        for n in range(20):
            ticket = Ticket()
            await ticket.enter(account)
            try:
                await ticket.reserve(40)
            except Fault:
                return n
            ticket.settle(10)
            ticket.close()
        return 20

    assert run(still(board), scenario) == 7  # ten each, and the last forty must fit: 60 + 40


def test_answers_at_once_keep_to_the_limit_and_places_come_back(board, monkeypatch):
    monkeypatch.setattr("osler.serve.limits._TEND_S", 0.0)
    monkeypatch.setattr("osler.serve.limits._REFUSED_S", 0.0)

    async def scenario(limits):
        account, tickets = limits.account("key a", Limit(concurrency=3)), [Ticket() for _ in range(5)]
        results = await asyncio.gather(*(ticket.enter(account) for ticket in tickets), return_exceptions=True)
        inside = [ticket for ticket, result in zip(tickets, results, strict=True) if result is None]
        assert len(inside) == 3
        assert [result.code for result in results if result is not None] == ["rate_limit_exceeded"] * 2
        for ticket in inside:
            ticket.close()
            ticket.close()
        assert (await count(limits, account, 5))[0] == 5
        for _ in range(3):
            limits.tend()
            await asyncio.sleep(0.05)
        return account.held

    assert run(board, scenario) == 0
    assert board.store.take_slots("key a", "another", 3, 3) == 3


def test_places_that_could_not_be_given_back_are_given_back_later(board, monkeypatch):
    monkeypatch.setattr("osler.serve.limits._TEND_S", 0.0)
    beat, lost = board.store.beat, []

    def away_once(replica, returned):
        if returned and not lost:
            lost.append(returned)
            raise EnvironmentLacks("gone")
        beat(replica, returned)

    monkeypatch.setattr(board.store, "beat", away_once)

    async def scenario(limits):
        account, ticket = limits.account("key a", Limit(concurrency=1)), Ticket()
        await ticket.enter(account)
        ticket.close()
        for _ in range(4):
            limits.tend()
            await asyncio.sleep(0.05)

    run(board, scenario)
    assert lost == [{"key a": 1}]
    assert board.store.take_slots("key a", "another", 1, 1) == 1


def test_limits_that_cannot_be_checked_let_nobody_in(board, monkeypatch):
    def away(*_):
        raise EnvironmentLacks("gone")

    monkeypatch.setattr(board.store, "take", away)
    monkeypatch.setattr(board.store, "take_slots", away)
    for limit in (Limit(requests=5), Limit(concurrency=5)):
        _, fault = run(board, lambda limits, limit=limit: count(limits, limits.account("key a", limit), 1))
        assert (fault.status, fault.code) == (503, "store_unavailable")


def test_a_wrong_store_is_named_without_its_password(tmp_path):
    with pytest.raises(InputError, match="'mysql'"):
        open_store("mysql://osler:secret@db/osler", tmp_path)
    pytest.importorskip("pg8000")
    with pytest.raises(EnvironmentLacks) as caught:
        open_store("postgresql://osler:secret@127.0.0.1:1/osler", tmp_path)
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("arguments", [{"name": " "}, {"scopes": ("root",)}, {"limit": Limit(requests=0)}])
def test_a_key_that_could_open_nothing_is_refused(arguments):
    with pytest.raises(InputError):
        new_key(**{"name": "ward", **arguments})


def test_tokens_are_estimated_on_the_high_side():
    assert 100 <= tokens_of("word " * 80) <= 101
    assert tokens_of("") == 1
    assert tokens_of("高血压是什么") == 5
