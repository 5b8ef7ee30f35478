"""The recipe's section `synth:`."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StrictInt, ValidationInfo, model_validator

from osler.records.record import Access
from osler.runs.section import PositiveInt, Section, seen_from_recipe

_Path = Annotated[Path, AfterValidator(seen_from_recipe)]


def _name_or_path(use: str, info: ValidationInfo) -> str:
    return use if re.fullmatch(r"\w+", use) else str(seen_from_recipe(use, info))


class DocumentFacts(Section):
    """What is known of one document, or of all of a folder."""

    license: str = Field(
        "LicenseRef-unclear", description="SPDX id, or LicenseRef-...; goes on every record made from the document."
    )
    access: Access = Field(
        "unclear",
        description="open, unclear, application or credentialed. The last two never leave this machine.",
    )
    title: str = Field("", description="Title for citations; empty: the file's name.")


class DocumentsConfig(Section):
    """The folder of guidelines."""

    folder: _Path = Field(description="Folder of PDF, HTML, Markdown or text files.")
    facts: DocumentFacts = Field(
        default_factory=DocumentFacts, description="Holds for every file not named in `files`."
    )
    ocr: StrictBool = Field(
        default=False,
        description="Read scanned pages by text recognition (extra `ocr`); else they are skipped and counted.",
    )
    files: dict[str, DocumentFacts] = Field(default_factory=dict, description="Facts of single files, by file name.")

    def facts_of(self, name: str) -> DocumentFacts:
        """What holds for one file."""
        return self.files.get(name, self.facts)


class RetrievalConfig(Section):
    """How passages are found."""

    method: Literal["bm25", "dense", "fused"] = Field(
        "bm25", description="bm25 needs no model; dense asks an embedder; fused ranks by both."
    )
    passages: PositiveInt = Field(3, description="Passages shown to the generator for one item.")
    max_words: Annotated[StrictInt, Field(ge=20, le=2000)] = Field(220, description="Words in a passage at most.")
    embedder: Literal["openai", "cohere", "local"] = Field(
        "local", description="For dense and fused: an OpenAI-compatible or Cohere endpoint, or a local model folder."
    )
    embedder_at: str = Field("", description="The endpoint's address with /v1, or the folder of the local model.")
    embedder_model: str = Field("", description="Name of the embedding model at the endpoint.")
    embedder_key: str = Field("", description="Environment variable that holds the endpoint's key; empty: none.")


class EndpointConfig(Section):
    """The model that writes."""

    url: str = Field(
        "http://127.0.0.1:11434/v1", description="OpenAI-compatible address with /v1 (Ollama, vLLM, llama.cpp, hosted)."
    )
    model: str = Field(description="Name of the model to ask; stands in every record it wrote.")
    terms: str = Field(
        "",
        description="License or terms of the model's output as SPDX id or LicenseRef-...; empty: told from the model's name where "
        "its family has terms (Gemma, Llama), else none.",
    )
    key: str = Field("", description="Environment variable that holds the key; empty: none.")
    structured: Literal["schema", "json", "none"] = Field(
        "schema", description="How a reply is held to its form: JSON schema, JSON mode, or by asking only."
    )
    temperature: Annotated[float, Field(ge=0, le=2)] = Field(0.7, description="Sampling temperature.")
    concurrency: Annotated[StrictInt, Field(ge=1, le=256)] = Field(4, description="Calls at once.")
    requests_per_minute: PositiveInt | None = Field(None, description="Rate limit; null: none.")
    attempts: Annotated[StrictInt, Field(ge=1, le=20)] = Field(
        6, description="Times one call is tried, with growing waits, before the run stops."
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(300.0, description="Seconds to wait for one reply.")
    input_price: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Price of a million prompt tokens, for the estimate."
    )
    output_price: Annotated[float, Field(ge=0)] = Field(0.0, description="Price of a million reply tokens.")
    tokens_per_second: Annotated[float, Field(gt=0)] = Field(
        30.0, description="Reply tokens per second of one call, for the estimate of time."
    )


class GeneratorConfig(Section):
    """One generator at work."""

    use: Annotated[str, AfterValidator(_name_or_path)] = Field(
        description="Name of a generator that ships (emergency_scenario, term_qa, choice_explanation, symptom_reasoning) or path of "
        "a generator file; a relative path starts at the recipe's folder."
    )
    source: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_]{0,47}$",
        description="Name of the source that its records make (first_aid_generated).",
    )
    count: PositiveInt | None = Field(None, description="Items to ask about at most, drawn with the seed; null: all.")
    topics: tuple[str, ...] = Field((), description="Items: topics or terms, for generators that take them.")
    topics_file: _Path | None = Field(None, description="Items, one a line.")
    records: str = Field(
        "", description="Items: the records of this collected source, for generators that take records."
    )

    @model_validator(mode="after")
    def _one_kind_of_item(self) -> Self:
        if sum([bool(self.topics), self.topics_file is not None, bool(self.records)]) > 1:
            raise ValueError("topics, topics_file and records exclude one another; give one of them")
        return self


class SynthConfig(Section):
    """New records from documents."""

    documents: DocumentsConfig | None = Field(None, description="What passages are taken from.")
    endpoint: EndpointConfig = Field(description="The model that writes.")
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig, description="How passages are found.")
    generators: tuple[GeneratorConfig, ...] = Field(min_length=1, description="What is written.")
    may_be_absent: StrictBool = Field(
        default=False,
        description="Leave the whole section out, and say so, where the folder of documents or the endpoint is not there.",
    )
    quote_similarity: Annotated[float, Field(ge=0.5, le=1)] = Field(
        0.9, description="Share of a quote's words that must stand on the page in order; its numbers must all."
    )
    near_threshold: Annotated[float, Field(ge=0.5, le=1)] = Field(
        0.8, description="Jaccard similarity from which a generated record repeats another, or a collected one."
    )
    review_sample: Annotated[StrictInt, Field(ge=0)] = Field(
        50, description="Records drawn, evenly over generators, for clinicians to review."
    )

    @model_validator(mode="after")
    def _sources_differ(self) -> Self:
        names = [one.source for one in self.generators]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the source {twice[0]!r} is made by two generators; give each a name of its own")
        if self.retrieval.method != "bm25" and not self.retrieval.embedder_at:
            raise ValueError("retrieval.embedder_at is needed for dense and fused; give an address or a model folder")
        return self
