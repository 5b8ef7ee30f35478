"""llama.cpp itself, in two ways: as a library that reads a GGUF file for checks, and as the user's own folder of its tools.

The library comes with the extra `gguf` and runs on the CPU. The tools convert what osler has no layout for, and quantise further.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from osler.errors import CheckFailed, EnvironmentLacks, missing_package
from osler.export.gguf_file import Precision
from osler.models.chat import as_dicts
from osler.models.endpoint import Endpoint
from osler.models.protocol import Conversation

OWN_PRECISIONS: tuple[Precision, ...] = ("f32", "f16", "q8_0")
_LAST_LINES = 8


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A GGUF file behind llama.cpp's own server."""

    url: str

    def render(self, conversation: Conversation) -> str:
        """The conversation by the file's chat template, in llama.cpp's own reading of it."""
        return str(Endpoint(self.url).post("apply-template", {"messages": as_dicts(conversation)})["prompt"])

    def tokenize(self, text: str, *, with_bos: bool = False) -> list[int]:
        """Tokens of a text whose control tokens are meant as such.

        Args:
            with_bos: put the first token before it, if the file says so; else nothing is.
        """
        body = {"content": text, "add_special": with_bos, "parse_special": True}
        found: list[int] = Endpoint(self.url).post("tokenize", body)["tokens"]
        return found

    def next_token(self, prompt: Sequence[int], n_vocabulary: int) -> dict[int, float]:
        """Log-probabilities of the token after a prompt, without those held for impossible; empty where llama.cpp tells none."""
        body = {
            "prompt": list(prompt),
            "n_predict": 1,
            "temperature": 0,
            "n_probs": n_vocabulary,
            "cache_prompt": False,
        }
        steps = Endpoint(self.url).post("completion", body).get("completion_probabilities", [])
        told = steps[0]["top_logprobs"] if steps else []
        return {one["id"]: one["logprob"] for one in told if one["logprob"] is not None}


@contextmanager
def llama_server(path: Path, n_context: int = 2048) -> Iterator[LlamaServer]:
    """Serve a GGUF file on a free port of this machine alone, on the CPU, for the length of the block.

    Raises:
        EnvironmentLacks: the library is not installed.
        CheckFailed: llama.cpp does not take the file.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise missing_package("xllamacpp", "Checking a GGUF file with llama.cpp", "gguf") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = params.n_batch = params.n_ubatch = n_context
    params.n_parallel = params.cpuparams.n_threads = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.use_jinja = True
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise CheckFailed(f"llama.cpp does not take {path}: {error}") from error
    try:
        yield LlamaServer(server.listening_address)
    finally:
        del server


@dataclass(frozen=True, slots=True)
class Tools:
    """A folder of llama.cpp: its converter, and its quantiser where it was built."""

    converter: Path
    quantizer: Path | None


def find_tools(folder: Path) -> Tools:
    """The tools in a checkout of llama.cpp.

    Raises:
        EnvironmentLacks: the converter is not there.
    """
    converter = folder / "convert_hf_to_gguf.py"
    if not converter.is_file():
        raise EnvironmentLacks(f"{folder} holds no convert_hf_to_gguf.py; give the folder of a checkout of llama.cpp.")
    places = (folder / "build" / "bin" / "llama-quantize", folder / "build" / "bin" / "Release" / "llama-quantize.exe")
    found = next((place for place in (*places, folder / "llama-quantize") if place.is_file()), None)
    return Tools(converter, found)


def convert_with_tools(tools: Tools, model: Path, out: Path, precision: str) -> Path:
    """Convert and, for a precision other than f16 and q8_0, quantise.

    Raises:
        EnvironmentLacks: the quantiser was not built.
        CheckFailed: a tool failed; its last lines are in the message.
    """
    own = precision in OWN_PRECISIONS
    if not own and tools.quantizer is None:
        raise EnvironmentLacks(
            f"{precision} needs llama-quantize, which is not built in {tools.converter.parent}. Build it (cmake -B build; cmake --build "
            f"build --target llama-quantize), or choose {' or '.join(OWN_PRECISIONS)}."
        )
    converted, kind = (out, precision) if own else (out.with_suffix(".f16"), "f16")
    _run([sys.executable, str(tools.converter), str(model), "--outfile", str(converted), "--outtype", kind])
    if not own:
        _run([str(tools.quantizer), str(converted), str(out), precision.upper()])
        converted.unlink()
    return out


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's own tools
    if done.returncode != 0:
        last = "\n".join(f"  {line}" for line in (done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:])
        raise CheckFailed(f"{Path(command[1] if command[0] == sys.executable else command[0]).name} failed:\n{last}")
