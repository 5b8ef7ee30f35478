"""Full-text articles in JATS XML: the PMC open access subset, and the preprints of bioRxiv and medRxiv.

A record is made of the abstract (see `abstract.py`). Licences differ from article to article: each record carries its own,
read from the article's `<license>`. Articles that name no Creative Commons licence, several, or one that forbids derived
works are set aside as `license_not_open`; those for non-commercial use are kept and say so in `origin.license`. A preprint's
passage begins with the remark that it has not been peer reviewed.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.catalog.abstract import Section, abstract_record, flat_text, labelled, plain_title
from osler.sources.fields import as_object, kind_of, optional_text, texts_of
from osler.sources.read import read_xml
from osler.sources.source import NativeRow, Place, SourceFile

_PREPRINT = "This is a preprint; it has not been peer reviewed."
_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-nd|-sa)?)/(\d\.\d)(?:/([a-z]{2,3})\b)?|publicdomain/(zero|mark)/1\.0)",
    re.IGNORECASE,
)
_RETRACTION_LINKS = frozenset({"retracted-article", "retraction-forward", "retraction"})


def to_records(row: Any, place: Place, remark: str = "") -> list[Record]:
    """One record an article.

    Args:
        remark: a sentence that is shown before the abstract.
    """
    row = as_object(row)
    if row.get("retracted") is True:
        raise RowError("retracted", "the article is retracted, or is a notice of a retraction", "related-article")
    license_id = open_license(texts_of(row, "licenses"))
    sections = [_section(part) for part in _listed(row, "abstract")]
    pmid, url = optional_text(row, "pmid"), optional_text(row, "url")
    group = f"pmid:{pmid}" if pmid else f"article:{optional_text(row, 'id') or place.row}"
    title = plain_title(optional_text(row, "title"))
    return abstract_record(title, sections, replace(place, license=license_id), url, group, remark)


def preprint_records(row: Any, place: Place) -> list[Record]:
    """As `to_records`, with the remark that it is a preprint."""
    return to_records(row, place, _PREPRINT)


def open_license(statements: list[str]) -> str:
    """SPDX id of the one licence that an article's statements name.

    Raises:
        RowError: `license_not_open`.
    """
    found = {_spdx(match) for text in statements for match in _CREATIVE_COMMONS.finditer(text)}
    if not found:
        raise RowError("license_not_open", "names no Creative Commons licence", "license")
    if len(found) > 1:
        raise RowError("license_not_open", f"names several licences: {', '.join(sorted(found))}", "license")
    license_id = found.pop()
    if "-ND" in license_id:
        raise RowError("license_not_open", f"is {license_id}, which forbids derived works", "license")
    return license_id


def _spdx(match: re.Match[str]) -> str:
    kind, version, port, public = match.groups()
    if public:
        return "CC0-1.0" if public.lower() == "zero" else "LicenseRef-public-domain"
    return "-".join(part for part in ("CC", kind.upper(), version, (port or "").upper()) if part)


def _listed(row: dict[str, Any], field: str) -> list[dict[str, Any]]:
    if not isinstance(row.get(field), list):
        raise RowError("wrong_type", f"is {kind_of(row.get(field))}; expected a list of sections", field)
    return [as_object(part) for part in row[field]]


def _section(part: dict[str, Any]) -> Section:
    return labelled(optional_text(part, "label"), optional_text(part, "text"))


def _reader(id_type: str, url: str) -> Callable[[SourceFile], Iterator[NativeRow]]:
    def read(file: SourceFile) -> Iterator[NativeRow]:
        for native in read_xml(file, "article"):
            if isinstance(native.value, RowError):
                yield native
                continue
            value = _from_xml(native.value)
            own = value["ids"].get(id_type, "")
            if not own:
                problem = RowError("no_article_id", f"the article has no {id_type}", "article-id")
                yield NativeRow(native.file, native.row, problem)
            else:
                yield NativeRow(native.file, own, {**value, "id": own, "url": url.format(own)})

    return read


read_pmc = _reader("pmcid", "https://pmc.ncbi.nlm.nih.gov/articles/{}/")
read_preprints = _reader("doi", "https://doi.org/{}")


def _from_xml(article: Element) -> dict[str, Any]:
    meta = article.find("front/article-meta")
    if meta is None:
        meta = Element("article-meta")
    ids = {one.get("pub-id-type", ""): flat_text(one) for one in meta.findall("article-id")}
    if "pmcid" not in ids and ids.get("pmc"):  # the older name, mostly without its letters
        ids["pmcid"] = f"PMC{ids['pmc'].removeprefix('PMC')}"
    links = {link.get("related-article-type", "") for link in meta.findall("related-article")}
    return {
        "ids": ids,
        "pmid": ids.get("pmid", ""),
        "title": flat_text(meta.find("title-group/article-title")),
        "licenses": [
            text
            for statement in meta.findall("permissions/license") + meta.findall("permissions/{*}free_to_read")
            for part in statement.iter()
            for text in (part.text or "", *part.attrib.values())
        ],
        "retracted": article.get("article-type") == "retraction" or not _RETRACTION_LINKS.isdisjoint(links),
        "abstract": [part for abstract in meta.findall("abstract") for part in _abstract_parts(abstract)],
    }


def _abstract_parts(abstract: Element) -> Iterator[dict[str, str]]:
    """Labelled sections, or the paragraphs as one; graphical, plain-language and other extra abstracts give none."""
    if abstract.get("abstract-type"):
        return
    loose = " ".join(flat_text(child) for child in abstract if child.tag == "p")
    if loose:
        yield {"label": "", "text": loose}
    for section in abstract.findall("sec"):
        text = " ".join(flat_text(child) for child in section if child.tag != "title")
        if text.strip():
            yield {"label": flat_text(section.find("title")).rstrip(":. "), "text": text}
