"""`osler doctor`: what is installed, what the machine has, and which feature lacks what."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from osler import __version__
from osler.cli.options import AsJson
from osler.cli.screen import say, say_json
from osler.errors import install_command
from osler.runs.facts import installed_version

_FEATURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "curate": ("", ("pyarrow", "numpy", "ftfy", "defusedxml", "xxhash")),
    "curate on a cluster": ("ray", ("ray",)),
    "train, evaluate, export": (
        "train",
        ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors"),
    ),
    "train in 4 bits": ("qlora", ("bitsandbytes",)),
    "export to and serve from GGUF": ("gguf", ("gguf", "xllamacpp")),
    "records from guidelines": ("synth", ("pypdfium2", "bm25s", "jsonschema")),
    "scanned guidelines": ("ocr", ("rapidocr", "onnxruntime")),
    "Presidio beside our recognizers": ("presidio", ("presidio-analyzer",)),
    "serve": ("serve", ("starlette", "uvicorn", "httptools")),
    "develop": ("dev", ("pytest", "ruff", "mypy", "import-linter", "hypothesis")),
}
_GIB = 2**30


def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, what this machine has, and which features lack a package.

    Example: osler doctor
    """
    facts: dict[str, Any] = {
        "osler": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "disk_free_gib": round(shutil.disk_usage(Path.cwd()).free / _GIB, 1),
        "gpus": _gpus(),
        "features": [_feature(name, extra, packages) for name, (extra, packages) in _FEATURES.items()],
    }
    if as_json:
        say_json(facts)
        return
    say(f"osler {facts['osler']} on Python {facts['python']}, {facts['platform']}")
    memory = "unknown" if facts["memory_gib"] is None else f"{facts['memory_gib']} GiB"
    say(f"{facts['cpus']} CPUs, {memory} of memory, {facts['disk_free_gib']} GiB free on this disk")
    say("GPU: " + ("; ".join(facts["gpus"]) or "none found; training of full-size models needs one, the demo does not"))
    for feature in facts["features"]:
        if feature["missing"]:
            say(
                f"lacks  {feature['feature']}: {', '.join(feature['missing'])}. Install with: {install_command(feature['extra'])}"
            )
        else:
            versions = ", ".join(f"{name} {version}" for name, version in feature["installed"].items())
            say(f"ready  {feature['feature']}: {versions}")


def _feature(name: str, extra: str, packages: tuple[str, ...]) -> dict[str, Any]:
    versions = {package: installed_version(package) for package in packages}
    return {
        "feature": name,
        "extra": extra,
        "installed": {package: version for package, version in versions.items() if version is not None},
        "missing": [package for package, version in versions.items() if version is None],
    }


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _gpus() -> list[str]:
    """Name and memory of NVIDIA cards, as the driver's own tool tells them; importing torch for this would take seconds."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ["Apple GPU (MPS)"] if platform.system() == "Darwin" and platform.machine() == "arm64" else []
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603  (no user input)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()] if answer.returncode == 0 else []
