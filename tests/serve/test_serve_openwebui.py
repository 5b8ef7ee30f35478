"""What Open WebUI sends to an OpenAI connection, replayed: list, streamed chat, its background tasks, and fields of its settings.

After what Open WebUI 0.12.4 was seen to send, and its routers/openai.py, utils/payload.py and utils/middleware.py.
Consent: Open WebUI sends no such header, so the key that it holds is one whose holder accepted the terms.
"""

import json

import pytest

from osler.serve.keys import new_key

CHAT = [
    {"role": "system", "content": "You are a helpful assistant. Current date: 2026-11-21."},
    {"role": "user", "content": "What is asthma?"},
    {"role": "assistant", "content": "Asthma narrows the airways."},
    {"role": "user", "content": "Can it go away?"},
]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "get_current_timestamp", "parameters": {"properties": {}, "type": "object"}},
    }
]
TITLE = "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Chat History:\n"


@pytest.fixture
def webui(bench):
    """Posts as Open WebUI does: its headers, its key, JSON made by Python's own writer."""
    made = new_key("open-webui")
    store = bench.gateway.board.store
    store.add_key(made.row)
    store.accept(made.row.id, bench.gateway.terms.version)
    bench.gateway.board.look()
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {made.secret}",
        "X-OpenWebUI-User-Name": "Ada%20Lovelace",
        "X-OpenWebUI-User-Id": "7b9f",
        "X-OpenWebUI-User-Email": "ada@example.org",
        "X-OpenWebUI-User-Role": "user",
        "X-OpenWebUI-Chat-Id": "c0ffee",
    }

    def send(**body):
        content = json.dumps({"model": "osler", **body})
        return bench.client.post("/v1/chat/completions", headers=headers, content=content)

    send.models = lambda: bench.client.get("/v1/models", headers=headers)
    return send


def test_the_connection_is_verified_and_lists_the_model(webui):
    listed = webui.models().json()
    assert [one["id"] for one in listed["data"]] == ["osler"]
    assert listed["object"] == "list"


def test_a_chat_streams_with_usage_as_its_parser_reads_it(webui, bench):
    response = webui(stream=True, messages=CHAT, stream_options={"include_usage": True})
    assert response.status_code == 200
    assert "text/event-stream" in response.headers["content-type"]
    text, usage = "", None
    for line in response.text.splitlines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = json.loads(line[len("data: ") :])
        usage = event.get("usage") or usage
        for choice in event.get("choices", []):
            text += choice.get("delta", {}).get("content") or ""
    assert text == "Asthma narrows the airways. Ask a doctor."
    assert usage["total_tokens"] > 0
    assert bench.guard.seen[-1][0].content.startswith("OUR RULES")


def test_the_tools_that_it_offers_with_every_question_are_not_used(webui, bench):
    response = webui(stream=True, messages=CHAT[-1:], tools=TOOLS, tool_choice="auto", parallel_tool_calls=False)
    assert response.status_code == 200
    assert "tool_calls" not in response.text
    assert "timestamp" not in str(bench.guard.seen[-1])


def test_its_titles_which_ask_for_more_tokens_than_there_are_get_an_answer_that_says_how_many_it_could_have(webui):
    task = [{"role": "user", "content": TITLE + "USER: What is asthma?"}]
    assert "max_tokens" not in webui(stream=False, messages=task).json()["osler"]
    title = webui(stream=False, messages=task, max_completion_tokens=1000).json()
    assert title["choices"][0]["message"]["content"]
    assert title["osler"]["max_tokens"] == 256


def test_parameters_set_in_its_settings_are_honoured_or_named(webui):
    for honoured in ({"temperature": 0}, {"max_tokens": 100}, {"top_p": 0.9}, {"seed": 1}, {}):
        assert webui(stream=True, messages=CHAT, **honoured).status_code == 200
    for refused in (
        {"frequency_penalty": 0.5},
        {"stop": ["x"]},
        {"reasoning_effort": "low"},
    ):
        error = webui(stream=True, messages=CHAT, **refused).json()["error"]
        assert error["param"] in refused
        assert isinstance(error["message"], str)


def test_an_image_in_a_message_is_refused_by_name(webui):
    picture = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    response = webui(stream=True, messages=[{"role": "user", "content": picture}])
    assert response.status_code == 400
    assert "AAAA" not in response.text


def test_an_emergency_comes_through_as_a_chat_message(webui):
    response = webui(stream=True, messages=[{"role": "user", "content": "I have chest pain"}])
    assert "Call 911 now." in response.text
