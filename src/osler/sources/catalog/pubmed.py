"""PubMed: titles and abstracts of the biomedical literature, from the baseline files, E-utilities or the hub's JSON shape.

Baseline and `efetch` documents are the same XML (`PubmedArticle`); `ncbi/pubmed`, whose loading script no longer runs, gave
objects of the same nesting. E-utilities has no JSON with abstracts. The sections of a structured abstract are joined in
order. What a record asks for, and why not for the abstract, stands in `abstract.py`. Retracted articles are set aside.
"""

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.catalog.abstract import (
    abstract_record,
    flat_markup,
    flat_text,
    labelled,
    plain_title,
)
from osler.sources.fields import as_object, kind_of, optional_text, texts_of
from osler.sources.read import read_rows, read_xml
from osler.sources.source import NativeRow, Place, SourceFile

_RETRACTED = frozenset({"Retracted Publication", "Retraction of Publication", "Retraction Notice"})


def to_records(row: Any, place: Place) -> list[Record]:
    """One record an abstract."""
    row = as_object(row)
    if "MedlineCitation" in row:
        row = _from_nested(row)
    if not _RETRACTED.isdisjoint(texts_of(row, "types")):
        raise RowError("retracted", "the publication is retracted, or is a notice of a retraction", "types")
    if not isinstance(row.get("abstract"), list):
        raise RowError("wrong_type", f"is {kind_of(row.get('abstract'))}; expected a list of sections", "abstract")
    parts = [as_object(part) for part in row["abstract"]]
    sections = [
        labelled(optional_text(part, "label"), text, optional_text(part, "category"))
        for part in parts
        if (text := optional_text(part, "text").strip())
    ]
    pmid = optional_text(row, "pmid")
    url = f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/" if pmid else ""
    title = plain_title(optional_text(row, "title"))
    return abstract_record(title, sections, place, url, group=f"pmid:{pmid}" if pmid else "")


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The articles of a file, located by PMID."""
    if ".json" in file.name:
        rows = ((native, native.value) for native in read_rows(file))
    else:
        rows = ((native, _from_xml(native.value)) for native in read_xml(file, "PubmedArticle"))
    for native, value in rows:
        pmid = _pmid(value)
        if isinstance(value, dict) and not pmid.isdecimal():
            yield NativeRow(native.file, native.row, RowError("bad_pmid", "the article has no PMID", "PMID"))
        else:
            yield NativeRow(native.file, pmid or native.row, value)


def _from_xml(element: Element | RowError) -> Any:
    if isinstance(element, RowError):
        return element
    article = element.find("MedlineCitation/Article")
    retracted_in = element.find("MedlineCitation/CommentsCorrectionsList/CommentsCorrections[@RefType='RetractionIn']")
    types = [flat_text(one) for one in element.iterfind("MedlineCitation/Article/PublicationTypeList/PublicationType")]
    return {
        "pmid": flat_text(element.find("MedlineCitation/PMID")),
        "title": flat_text(article.find("ArticleTitle")) if article is not None else "",
        "types": [*types, *(["Retracted Publication"] if retracted_in is not None else [])],
        "abstract": [
            {"label": part.get("Label", ""), "category": part.get("NlmCategory", ""), "text": flat_text(part)}
            for part in element.iterfind("MedlineCitation/Article/Abstract/AbstractText")
        ],
    }


def _from_nested(row: dict[str, Any]) -> dict[str, Any]:
    """The hub's nesting under the names that `_from_xml` uses."""
    citation = as_object(row["MedlineCitation"])
    article = as_object(citation.get("Article"))
    types = as_object(article.get("PublicationTypeList") or {"PublicationType": []})
    text = optional_text(as_object(article.get("Abstract") or {}), "AbstractText")
    return {
        "pmid": _pmid(row),
        "title": flat_markup(optional_text(article, "ArticleTitle")),
        "types": texts_of(types, "PublicationType"),
        "abstract": [{"text": flat_markup(text)}],
    }


def _pmid(row: Any) -> str:
    if not isinstance(row, dict):
        return ""
    citation = row.get("MedlineCitation", row)
    pmid = (citation.get("PMID") or citation.get("pmid")) if isinstance(citation, dict) else ""
    return str(pmid) if isinstance(pmid, int | str) else ""
