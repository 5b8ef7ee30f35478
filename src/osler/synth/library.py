"""The documents that are written from: read, cut into passages, and indexed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from osler.documents.page import Page
from osler.documents.read import document_paths, read_document
from osler.documents.scan import recognizer
from osler.models.embed import embedder
from osler.records.io import write_rows
from osler.runs.progress import Progress
from osler.synth.config import RetrievalConfig, SynthConfig
from osler.synth.index import DenseIndex, FusedIndex, Index, LexicalIndex
from osler.synth.passage import Passage, passages_of


@dataclass(frozen=True, slots=True)
class Library:
    """The documents, read and indexed."""

    documents: tuple[tuple[str, tuple[Page, ...]], ...]
    passages: tuple[Passage, ...]
    index: Index | None


def read_library(config: SynthConfig, progress: Progress) -> Library:
    """Read, cut and index the folder of documents; an empty library when the recipe names none."""
    documents: list[tuple[str, tuple[Page, ...]]] = []
    passages: list[Passage] = []
    if config.documents is not None:
        paths = document_paths(config.documents.folder)
        recognize = recognizer() if config.documents.ocr else None
        for number, path in enumerate(paths):
            progress("read documents", number, len(paths), "documents")
            name = path.relative_to(config.documents.folder).as_posix()
            document = read_document(path, name, recognize)
            facts = config.documents.facts_of(name)
            documents.append((name, document.pages))
            passages += passages_of(name, document.pages, config.retrieval.max_words, facts.license, facts.access)
        progress("read documents", len(paths), len(paths), "documents")
    index = _index(config.retrieval, passages) if passages else None
    return Library(tuple(documents), tuple(passages), index)


def _index(config: RetrievalConfig, passages: Sequence[Passage]) -> Index:
    if config.method == "bm25":
        return LexicalIndex(passages)
    dense = DenseIndex(
        passages, embedder(config.embedder, config.embedder_at, config.embedder_model, config.embedder_key)
    )
    return dense if config.method == "dense" else FusedIndex([LexicalIndex(passages), dense])


def write_library(folder: Path, library: Library) -> None:
    """Write `documents.jsonl` and `passages.jsonl`."""
    pages = (
        {"document": name, "page": page.number, "problem": page.problem, "text": page.text}
        for name, document in library.documents
        for page in document
    )
    write_rows(folder / "documents.jsonl", pages)
    write_rows(folder / "passages.jsonl", map(asdict, library.passages))


def document_counts(library: Library, config: SynthConfig) -> list[dict[str, Any]]:
    """Pages, pages without text and passages of each document, with its facts."""
    documents = []
    for name, pages in library.documents:
        problems = Counter(page.problem for page in pages if page.problem)
        n_recognised = problems.pop("recognised", 0)
        of_document = [passage for passage in library.passages if passage.document == name]
        facts = config.documents.facts_of(name) if config.documents is not None else None
        documents.append(
            {
                "document": name,
                "title": facts.title if facts else "",
                "license": facts.license if facts else "",
                "access": facts.access if facts else "",
                "pages": len(pages),
                "without_text": dict(sorted(problems.items())),
                "recognised": n_recognised,
                "passages": len(of_document),
            }
        )
    return documents
