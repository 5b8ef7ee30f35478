"""The client to the model's server, against a real socket that answers as it is told."""

import asyncio
import ssl
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from osler.serve import link as links_module
from osler.serve import stream
from osler.serve.link import Links

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"


@asynccontextmanager
async def answering(*answers, tls=None):
    """A server that gives each request the next answer; None closes the connection instead. Counts connections."""
    left, seen = list(answers), {"connections": 0, "requests": []}

    async def serve(reader, writer):
        seen["connections"] += 1
        try:
            while left:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(next(line[15:] for line in head.split(b"\r\n") if line.startswith(b"content-length:")))
                seen["requests"].append(head + await reader.readexactly(length))
                answer = left.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if b"connection: close" in answer or b"\r\ncontent-length" not in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", seen


async def asked(links, url, body=b"{}", headers=None):
    link = await links.send(url, headers or {}, body, 2.0)
    try:
        parts = []
        while part := await link.take():
            parts.append(part)
        return link.status, b"".join(parts)
    finally:
        links.put_back(link)


def run(main):
    asyncio.run(asyncio.wait_for(main, 10))


def test_one_connection_serves_request_after_request():
    async def main():
        links = Links()
        async with answering(WHOLE, WHOLE, WHOLE) as (url, seen):
            assert [await asked(links, url) for _ in range(3)] == [(200, b"hello")] * 3
            assert seen["connections"] == 1
            links.close()

    run(main())


@pytest.mark.parametrize("closing", ["before", "after"])
def test_a_kept_connection_that_was_closed_is_replaced(closing):
    first = WHOLE.replace(b"200 OK", b"200 OK\r\nconnection: close") if closing == "before" else WHOLE

    async def main():
        links = Links()
        async with answering(first, *([] if closing == "before" else [None]), WHOLE) as (url, seen):
            assert await asked(links, url) == (200, b"hello")
            assert await asked(links, url) == (200, b"hello")
            assert seen["connections"] == 2
            links.close()

    run(main())


def test_a_body_without_a_length_ends_with_the_connection():
    async def main():
        async with answering(b"HTTP/1.1 200 OK\r\n\r\nall of it") as (url, _):
            assert await asked(Links(), url) == (200, b"all of it")

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED,
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\nconnection: close\r\n\r\nhello",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"a" * (1 << 20),
        None,
    ],
    ids=["cut chunks", "cut body", "no http", "upgrade", "endless head", "closed"],
)
def test_what_is_cut_or_no_answer_is_an_error(answer):
    async def main():
        async with answering(answer) as (url, _):
            with pytest.raises(OSError):  # noqa: PT011  (each kind has its own words)
                await asked(Links(), url)

    run(main())


def test_a_body_larger_than_what_may_wait_arrives_whole(monkeypatch):
    monkeypatch.setattr(links_module, "_MAX_HELD", 1000)
    big = b"x" * 3_000_000

    async def main():
        async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + big) as (url, _):
            assert await asked(Links(), url) == (200, big)

    run(main())


def test_bytes_that_nobody_asked_for_do_not_become_the_next_answer():
    async def main():
        links = Links()
        async with answering(WHOLE + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", WHOLE) as (url, seen):
            assert await asked(links, url) == (200, b"hello")
            await asyncio.sleep(0.05)
            assert await asked(links, url) == (200, b"hello")
            assert seen["connections"] == 2
            links.close()

    run(main())


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1 that nobody vouches for, with its key, in one file."""
    x509 = pytest.importorskip("cryptography.x509", reason="the extra texts is not installed")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "model")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, *form)
    path = tmp_path / "model.pem"
    path.write_bytes(pem + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_server_behind_tls_is_asked_only_with_a_certificate_that_holds(certificate, monkeypatch, is_trusted):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    if is_trusted:
        monkeypatch.setattr(links_module, "_tls", lambda: ssl.create_default_context(cafile=certificate))

    async def main():
        links = Links()
        async with answering(WHOLE, tls=tls) as (url, seen):
            if is_trusted:
                assert await asked(links, url.replace("http", "https")) == (200, b"hello")
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await asked(links, url.replace("http", "https"))
                assert seen["requests"] == []
            links.close()

    run(main())


def test_no_header_can_hold_another():
    async def main():
        with pytest.raises(ValueError, match="no header may"):
            await Links().send("http://127.0.0.1:9/v1", {"authorization": "a\r\nx: b"}, b"", 1.0)

    run(main())


def test_a_silent_model_does_not_let_proxies_close_the_stream(make_bench, monkeypatch):

    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.05)

    def slow():
        yield "Asthma narrows "
        time.sleep(0.4)
        yield "the airways."

    text = make_bench(slow).ask(stream=True).text
    silence, _, rest = text.partition("the airways.")
    assert silence.count(": keep-alive\n\n") >= 2
    assert rest.rstrip().endswith("data: [DONE]")
