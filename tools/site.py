"""The documents as a small site of plain HTML: no fonts, no scripts, nothing from elsewhere.

    python tools/site.py site/

Pages and their order stand in docs/pages.yaml. A link to a file of the repository that is no page goes to the repository's address.
"""

import html
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
REPOSITORY = "https://github.com/osler-ai/osler/blob/main"
STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --ground: #fff; --shade: #f5f7f9; --link: #0b5cad }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e7ec; --soft: #9aa5b3; --line: #333c47; --ground: #14181d; --shade: #1c2229; --link: #7db7f0 }
}
* { box-sizing: border-box }
body { margin: 0; color: var(--ink); background: var(--ground); font: 1rem/1.6 system-ui, sans-serif }
a { color: var(--link) }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
.skip { position: absolute; left: -99rem } .skip:focus { left: 1rem; top: 1rem }
.pages { display: none }
.frame { display: grid; grid-template-columns: 15rem minmax(0, 46rem); gap: 3rem; max-width: 68rem; margin: 0 auto; padding: 2rem 1.5rem }
nav h2 { font-size: .8rem; letter-spacing: .04em; color: var(--soft); margin: 1.2rem 0 .3rem }
nav ul { list-style: none; margin: 0; padding: 0 } nav li { margin: .15rem 0 }
nav a { text-decoration: none } nav a:hover { text-decoration: underline } nav a[aria-current] { font-weight: 600; color: var(--ink) }
nav .name { font-size: 1.2rem; font-weight: 650; color: var(--ink) }
h1 { line-height: 1.2; margin-top: 0 } h2 { margin-top: 2.2rem } h1, h2, h3 { scroll-margin-top: 1rem }
pre { background: var(--shade); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; overflow-x: auto }
code { font: .88em/1.5 ui-monospace, monospace; background: var(--shade); border-radius: 3px; padding: .1em .25em }
pre code { padding: 0; background: none }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .94rem } th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line) }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem }
@media (max-width: 52rem) { .frame { grid-template-columns: minmax(0, 1fr); gap: 1rem } nav { order: 2; border-top: 1px solid var(--line); padding-top: 1rem } .pages { display: inline-block; padding: 1rem 1.5rem 0 } }
"""
_REMARK = "For education and research. Osler is not a medical device, and nothing it makes has been shown to be safe or clinically valid."


@dataclass(frozen=True, slots=True)
class Page:
    """One document and where it goes on the site."""

    part: str
    title: str
    file: str
    """From the repository's root."""
    target: str
    """From the site's root."""


def main(folder: Path) -> None:
    """Write the site; the folder is made when it is not there."""
    found = list(pages())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.css").write_text(STYLE.strip() + "\n", encoding="utf-8")
    for page in found:
        path = folder / page.target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_whole(page, found), encoding="utf-8")
    print(f"{len(found)} pages in {folder}")


def pages() -> Iterator[Page]:
    """The pages in their order."""
    for part, entries in yaml.safe_load((ROOT / "docs" / "pages.yaml").read_text(encoding="utf-8")).items():
        for title, file in entries.items():
            target = (
                "index.html" if file == "docs/index.md" else f"{file.removeprefix('docs/').removesuffix('.md')}.html"
            )
            yield Page(part, title, file, target.lower().replace("/readme", ""))


def _whole(page: Page, pages: list[Page]) -> str:
    up = "../" * page.target.count("/")
    parts = ""
    for part in dict.fromkeys(other.part for other in pages):
        entries = "".join(
            f'<li><a href="{up}{other.target}"{" aria-current=page" if other == page else ""}>{html.escape(other.title)}</a></li>'
            for other in pages
            if other.part == part
        )
        parts += f"<h2>{html.escape(part)}</h2><ul>{entries}</ul>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'self'; img-src 'self'\">"
        f'<title>{html.escape(page.title)} · Osler</title><link rel="stylesheet" href="{up}site.css"></head><body>'
        f'<a class="skip" href="#text">To the text</a><a class="pages" href="#pages">All pages</a><div class="frame">'
        f'<nav id="pages" aria-label="Pages"><a class="name" href="{up}index.html">Osler</a>{parts}</nav>'
        f'<main id="text">{_body(page, pages, up)}<footer>{_REMARK}</footer></main></div></body></html>\n'
    )


def _body(page: Page, pages: list[Page], up: str) -> str:
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse((ROOT / page.file).read_text(encoding="utf-8"))
    seen: dict[str, int] = {}
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            name = anchor(tokens[at + 1].content)
            seen[name] = seen.get(name, -1) + 1
            token.attrSet("id", f"{name}-{seen[name]}" if seen[name] else name)
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("href", _link(str(child.attrGet("href")), page, pages, up))
    rendered: str = parser.renderer.render(_wide(tokens), parser.options, {})
    return rendered


def _wide(tokens: list[Token]) -> list[Token]:
    """Tables in a box that scrolls by itself, so that a narrow screen does not."""
    result: list[Token] = []
    for token in tokens:
        if token.type == "table_open":
            result.append(Token("html_block", "", 0, content='<div class="wide" tabindex="0">'))
        result.append(token)
        if token.type == "table_close":
            result.append(Token("html_block", "", 0, content="</div>"))
    return result


def anchor(heading: str) -> str:
    """The name of a heading in links, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _link(href: str, page: Page, pages: list[Page], up: str) -> str:
    if re.match(r"[a-z]+:|#", href):
        return href
    path, _, part = href.partition("#")
    file = normpath(f"{Path(page.file).parent.as_posix()}/{path}")
    target = next((up + other.target for other in pages if other.file == file), f"{REPOSITORY}/{file}")
    return f"{target}#{part}" if part else target


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "site"))
