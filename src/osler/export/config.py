"""The recipe's `export` section."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from osler.runs.section import Section


class ExportConfig(Section):
    """In which forms the trained model leaves the run."""

    formats: tuple[Literal["merged", "gguf", "ollama", "vllm"], ...] = Field(
        default=("merged",),
        description="merged: adapter and base as one folder that transformers loads, which the others are made from; gguf: for "
        "llama.cpp; ollama: gguf with a Modelfile; vllm: a file that starts vLLM. Empty: no export.",
    )
    precisions: tuple[Literal["f16", "q8_0"], ...] = Field(
        default=("q8_0",), min_length=1, description="Number types of gguf; ollama gets the first."
    )
    verify: StrictBool = Field(
        default=False,
        description="Hold gguf and ollama against the trained model with llama.cpp, token by token (extra `gguf`).",
    )
    parity_prompts: Annotated[StrictInt, Field(gt=0, le=1024)] = Field(
        default=16,
        description="Prompts of the run's own records on which the export must agree with the trained model.",
    )
    override: str | None = Field(
        default=None,
        min_length=1,
        description="Reason for exporting a model that has not passed its gate; recorded with the export. null: none.",
    )
