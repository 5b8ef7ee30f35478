"""Croissant 1.0 metadata of an export: which files there are, with digests, and what a row of them holds.

Written by hand after https://docs.mlcommons.org/croissant/docs/croissant-spec.html; `url` and `creator` are the publisher's to add.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from osler.runs.files import digest_folder, read_json, write_json

_FORMATS = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".parquet": "application/x-parquet",
    ".arrow": "application/vnd.apache.arrow.stream",
}
_DESCRIBED = {
    "prompt-completion": ("prompt", "completion", "id", "source", "license"),
    "parquet": ("id", "source", "license", "task", "group", "access", "url", "revision", "row", "generator"),
}
"""Forms whose rows are plain columns, so that every Croissant reader can load them; the first one exported is described."""


def write_croissant(run: Path, exported: dict[str, Any], folder: Path) -> None:
    """Write `croissant.json` into an export that is otherwise whole.

    Args:
        exported: what `export.json` says.
    """
    digests = {path: digest for path, digest in digest_folder(folder).items() if Path(path).suffix in _FORMATS}
    described = next((name for name in _DESCRIBED if name in exported["forms"]), None)
    metadata = {
        "@context": orjson.loads(files("osler.export").joinpath("croissant_context.json").read_bytes()),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": run.name,
        "description": f"Training set of the Osler run {run.name}: "
        + ", ".join(f"{n:,} {split}" for split, n in exported["rows"].items())
        + " rows of medical questions and answers, for education and research.",
        "license": exported["license"]["expression"],
        "version": "1.0.0",
        # The day on which the training set was finished: a fact of the run, so that a second export gives the same bytes.
        "datePublished": read_json(run / "curate" / "done").get("finished", "")[:10],
        "isLiveDataset": False,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": path,
                "name": path,
                "contentUrl": path,
                "encodingFormat": _FORMATS[Path(path).suffix],
                "sha256": digest,
            }
            for path, digest in digests.items()
        ],
        "recordSet": [
            _record_set(described, split, path)
            for split in exported["rows"]
            for path in digests
            if described and path.startswith(f"{described}/{split}.")
        ],
    }
    write_json(folder / "croissant.json", metadata)


def _record_set(form: str, split: str, path: str) -> dict[str, Any]:
    fields = [_text_field(f"{split}/{column}", column, path) for column in _DESCRIBED[form]]
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}


def _text_field(identity: str, column: str, path: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": identity,
        "name": column,
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": path}, "extract": {"column": column}},
    }
