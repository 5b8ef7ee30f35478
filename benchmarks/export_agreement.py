"""Every family of models, tiny, exported: does the merged model, the GGUF file and the Modelfile say what was trained?

    PYTHONPATH=. python benchmarks/export_agreement.py [--llama-cpp FOLDER]

Random weights (peaked, see tests/families.py) with a random adapter: what is measured is the export, not the model. With a checkout of
llama.cpp, each f16 file is also compared tensor by tensor with what llama.cpp's own converter makes of the same folder.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from tests.export.test_export_families import ASKED, SYSTEM
from tests.export.test_export_merge import adapter_on
from tests.families import FAMILIES, Family, build

from osler.export.gguf_check import check_gguf
from osler.export.gguf_file import write_gguf
from osler.export.merge import export_merged
from osler.export.ollama import chat_parts
from osler.models.libraries import quiet_libraries
from osler.models.local import load_local
from osler.runs.progress import silent

RESULT = Path(__file__).parent / "results" / "export_agreement.json"
ARMS = (
    ("", "float32", False),
    ("", "float32", True),
    ("", "bfloat16", False),
    ("nf4", "float32", False),
    ("nf4", "bfloat16", False),
)
CONVERT = """
import sys
sys.path.insert(0, sys.argv[1])
sys.argv = ["convert_hf_to_gguf.py", sys.argv[2], "--outfile", sys.argv[3], "--outtype", "f16"]
import runpy, conversion.base as base
from conversion import gemma, llama, phi, qwen
for one in (base.TextModel, gemma.Gemma3Model, llama.LlamaModel, phi.Phi3MiniModel, qwen.Qwen3Model, qwen.Qwen2Model):
    one.set_vocab = lambda self: self.gguf_writer.add_tokenizer_model("none")
runpy.run_path(sys.path[0] + "/convert_hf_to_gguf.py", run_name="__main__")
"""
"""The converter knows a tokenizer by a digest of what it makes of a text, and no tiny one; weights and facts do not depend on it."""


def merges(one: Family, base: Path, folder: Path) -> list[dict[str, Any]]:
    rows = []
    for quantized, dtype, dora in ARMS:
        out = folder / f"{quantized}-{dtype}-{dora}"
        adapter = adapter_on(base, out / "adapter", quantized, dora=dora)
        found = export_merged(base, adapter, ASKED[:20], out, silent, dtype=dtype)
        rows.append(
            {
                "family": one.name,
                "trained_on": quantized or dtype,
                "computed_in": dtype,
                "dora": dora,
                "positions": found.tokens,
                "kl_mean": found.kl_mean,
                "top1": found.top1_agreement,
                "decided": found.decided,
                "top1_decided": found.top1_decided,
            }
        )
    return rows


def files(one: Family, merged: Path, folder: Path, llama_cpp: Path | None) -> list[dict[str, Any]]:
    model = load_local(merged, dtype="float32", system_prompt=SYSTEM)
    parts = chat_parts(model.tokenizer)
    rows = []
    for precision in ("f16", "q8_0"):
        file = write_gguf(merged, folder / f"{one.name}-{precision}.gguf", precision, one.name, silent)
        found = check_gguf(file, precision, model, ASKED, parts, 1024, silent)
        row: dict[str, Any] = {"family": one.name, "precision": precision}
        row |= {name: getattr(found, name) for name in type(found).__slots__ if name not in ("file", "passed")}
        if precision == "f16" and llama_cpp is not None:
            row["converter"] = against_converter(file, merged, llama_cpp, folder / "theirs.gguf")
        rows.append(row)
    return rows


def against_converter(ours: Path, merged: Path, llama_cpp: Path, theirs: Path) -> dict[str, Any]:
    import numpy as np
    from gguf import GGUFReader

    command = [sys.executable, "-c", CONVERT, str(llama_cpp), str(merged), str(theirs)]
    subprocess.run(command, check=True, capture_output=True)
    mine, other = GGUFReader(ours), GGUFReader(theirs)
    held = {tensor.name: tensor for tensor in other.tensors}
    same = [t.name for t in mine.tensors if t.name in held and np.array_equal(t.data, held[t.name].data)]
    close = [t.name for t in mine.tensors if t.name in held and np.allclose(t.data, held[t.name].data, rtol=1e-6)]
    skipped = ("general.", "tokenizer.", "GGUF.")
    facts, others = (
        {k: f.contents() for k, f in reader.fields.items() if not k.startswith(skipped)} for reader in (mine, other)
    )
    differ = {
        key: [facts.get(key), others.get(key)] for key in sorted({*facts, *others}) if facts.get(key) != others.get(key)
    }
    return {
        "tensors": len(mine.tensors),
        "theirs": len(held),
        "equal": len(same),
        "equal_to_1e-6": len(close),
        "facts": len(facts),
        "facts_that_differ": differ,
    }


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--llama-cpp", type=Path)
    llama_cpp = parser.parse_args().llama_cpp
    began = time.process_time()
    result: dict[str, Any] = {"prompts": len(ASKED), "merges": [], "files": []}
    with tempfile.TemporaryDirectory() as name:
        for one in FAMILIES:
            folder = Path(name) / one.name
            with quiet_libraries():
                build(one, ["What does the heart do? It keeps the body well, day and night."] * 3, folder / "base")
            result["merges"] += merges(one, folder / "base", folder)
            if one.gguf:
                result["files"] += files(one, folder / "-float32-False" / "merged", folder, llama_cpp)
            print(json.dumps([row for row in result["files"] if row["family"] == one.name]))
    result["cpu_s"] = round(time.process_time() - began, 1)
    result["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
