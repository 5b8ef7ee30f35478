"""The `serve` section of a recipe: where the gateway listens and what it accepts."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StrictBool, StrictInt, field_validator, model_validator

from osler.runs.local_only import is_loopback
from osler.runs.section import Section

Count = Annotated[StrictInt, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
BackendName = Literal["gguf", "hf", "upstream", "library"]


class UpstreamConfig(Section):
    """An OpenAI-compatible server that answers in place of the run's own model."""

    url: str = Field(description="Where its API starts, with /v1 (http://127.0.0.1:8000/v1).")
    model: str = Field("osler", min_length=1, description="The name under which it knows the model.")
    key: str = Field("", description="Environment variable that holds its key; empty: no key.")

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ValueError(f"{value!r} is not an address; expected something like http://127.0.0.1:8000/v1")
        return value.rstrip("/")


class PatienceConfig(Section):
    """How long the model may be silent."""

    connect_s: Seconds = Field(5.0, description="Seconds to reach an upstream server.")
    first_token_s: Seconds = Field(30.0, description="Seconds until the first token.")
    idle_s: Seconds = Field(15.0, description="Seconds between two tokens.")


class LimitsConfig(Section):
    """How much is taken on. The limits of a key stand with the key (`osler keys create`)."""

    answers: Count = Field(256, description="Answers under way at once in one process; one more gets 429.")
    address_requests: Count = Field(
        300, description="Requests a minute from one address of another machine, over all replicas."
    )
    address_tokens: Count = Field(
        200_000, description="Tokens a minute for one such address, of questions and answers."
    )
    address_concurrency: Count = Field(32, description="Answers under way at once for one such address.")


class ServeConfig(Section):
    """Where the gateway listens and what it accepts."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; loopback only unless allow_remote.")
    port: Annotated[StrictInt, Field(ge=0, le=65535)] = Field(8710, description="Port; 0 takes a free one.")
    allow_remote: StrictBool = Field(
        default=False,
        description="Listen on an address that other machines reach. Put TLS in front: keys and questions travel in clear.",
    )
    backend: BackendName | None = Field(
        None,
        description="gguf: llama.cpp in a process of its own; hf: transformers in this process; upstream: the server named below; "
        "library: no model, only answers of curated records, word for word. null: upstream where one is named, hf with a GPU, else "
        "gguf where the extra is installed, else hf.",
    )
    upstream: UpstreamConfig | None = Field(None, description="A server that answers instead of a model of this run.")
    passages: Annotated[StrictInt, Field(ge=0, le=20)] = Field(
        3,
        description="Curated records that are looked up for each question and given to the model, with their sources; 0: none.",
    )
    max_tokens: Count = Field(
        256, description="Most tokens of an answer. A request for more gets so many, and its response says so."
    )
    max_body_bytes: Count = Field(65536, description="Largest request body.")
    max_turns: Count = Field(20, description="Most messages in one conversation.")
    limits: LimitsConfig = Field(LimitsConfig(), description="How much is taken on, in all and from one address.")
    timeout_s: Seconds = Field(60.0, description="Seconds until an unfinished answer is broken off.")
    patience: PatienceConfig = Field(
        PatienceConfig(), description="Silences of the model after which it is broken off."
    )
    metrics_port: Annotated[StrictInt, Field(ge=0, le=65535)] | None = Field(
        None, description="Port on loopback for Prometheus; 0 takes a free one. null: none."
    )
    drain_s: float = Field(10.0, ge=0, le=600, description="Seconds that open answers get to finish after SIGTERM.")
    consent_required: StrictBool = Field(
        default=True,
        description="Answer only callers that accepted the current terms; crisis and emergency replies always go out.",
    )

    @model_validator(mode="after")
    def _upstream_is_named(self) -> "ServeConfig":
        if self.backend == "upstream" and self.upstream is None:
            raise ValueError("backend is upstream, and upstream.url is not given")
        return self

    @model_validator(mode="after")
    def _loopback_unless_allowed(self) -> "ServeConfig":
        if not self.allow_remote and not is_loopback(self.host):
            raise ValueError(
                f"host is {self.host!r}, which other machines may reach; "
                "use 127.0.0.1, ::1 or localhost, or set allow_remote: true"
            )
        return self
