"""Documents come in reading order, with tables as rows, and without what repeats on every page."""

import difflib
from pathlib import Path

import pytest
from tests.documents.tiny_pdf import Picture, Stroke, Text, pdf

from osler.documents.page import Box, Line
from osler.documents.read import Document, document_paths, read_document
from osler.documents.scan import recognizer
from osler.errors import InputError

LEFT = [f"the left column says thing {n} in plain prose" for n in "abcdefgh"]
RIGHT = [f"the right column says thing {n} in plain prose" for n in "ijklmnop"]


def _read(tmp_path: Path, pages: list[list[Text | Stroke | Picture]]) -> Document:
    path = tmp_path / "doc.pdf"
    path.write_bytes(pdf(pages))
    return read_document(path, "doc.pdf")


def _columns(interleaved: bool) -> list[Text]:
    left = [Text(50, 700 - 12 * n, text) for n, text in enumerate(LEFT)]
    right = [Text(320, 700 - 12 * n, text) for n, text in enumerate(RIGHT)]
    return [one for pair in zip(left, right, strict=True) for one in pair] if interleaved else [*left, *right]


@pytest.mark.parametrize("interleaved", [False, True])
def test_two_columns_are_read_one_after_the_other_however_the_file_has_them(tmp_path: Path, interleaved: bool):
    text = _read(tmp_path, [_columns(interleaved)]).pages[0].text
    assert [text.index(line) for line in [*LEFT, *RIGHT]] == sorted(text.index(line) for line in [*LEFT, *RIGHT])


def test_running_heads_and_page_numbers_are_left_out_and_text_at_the_edge_stays(tmp_path: Path):
    pages = []
    for n in range(1, 7):
        body = [
            Text(50, 700 - 30 * k, f"Sentence {k} of page {'abcdef'[n - 1]} tells something new here.")
            for k in range(9)
        ]
        pages.append([Text(50, 810, f"Guideline on burns {n}"), *body, Text(280, 30, str(n))])
    document = _read(tmp_path, pages)
    for page in document.pages:
        assert "Guideline on burns" not in page.text
        assert page.text.count("tells something new") == 9
        assert not page.text.rstrip().endswith(str(page.number))


def test_broken_words_are_mended_and_hyphens_of_compounds_stay(tmp_path: Path):
    lines = [
        "The wound needs disin-",
        "fection and a follow-up.",
        "Later a follow-",
        "up visit, then 10-",
        "12 days of rest; disinfection again.",
    ]
    text = _read(tmp_path, [[Text(50, 700 - 12 * n, line) for n, line in enumerate(lines)]]).pages[0].text
    assert (
        text
        == "The wound needs disinfection and a follow-up. Later a follow-up visit, then 10-12 days of rest; disinfection again."
    )


def test_a_ruled_table_gives_one_line_a_row_and_merged_cells_once(tmp_path: Path):
    rules = [Stroke(50, y, 450, y) for y in (700, 660, 580)] + [Stroke(150, 620, 450, 620)]
    rules += [Stroke(x, 580, x, 700) for x in (50, 150, 300, 450)]
    texts = [Text(60, 675, "Age"), Text(160, 675, "Drug"), Text(310, 675, "Dose")]
    texts += [
        Text(60, 635, "Adult"),
        Text(160, 640, "Aspirin for"),
        Text(160, 628, "chest pain"),
        Text(310, 635, "300 mg"),
    ]
    texts += [Text(160, 595, "Adrenaline"), Text(310, 595, "0.5 mg")]
    (page,) = _read(tmp_path, [[Text(50, 760, "Doses by age and drug are these."), *rules, *texts]]).pages
    table = next(block for block in page.blocks if block.kind == "table")
    assert table.text.split("\n") == [
        "Age | Drug | Dose",
        "Adult | Aspirin for chest pain | 300 mg",
        "Adrenaline | 0.5 mg",
    ]


def test_headings_and_list_items_are_told_apart(tmp_path: Path):
    texts = [Text(50, 760, "Treatment of burns", 16.0), Text(50, 730, "Cool the burn at once with running water.")]
    texts += [Text(50, 730 - 12, "Go on for as long as the guideline says.")]
    texts += [Text(60, 690, "1. Remove rings and"), Text(75, 678, "watches near it."), Text(60, 666, "2. Cover it.")]
    (page,) = _read(tmp_path, [texts]).pages
    assert [(block.kind, block.text) for block in page.blocks] == [
        ("heading", "Treatment of burns"),
        ("paragraph", "Cool the burn at once with running water. Go on for as long as the guideline says."),
        ("list", "1. Remove rings and watches near it.\n2. Cover it."),
    ]
    for block, start in zip(page.blocks, page.starts, strict=True):
        assert page.text[start : start + len(block.text)] == block.text


def test_scans_and_blank_pages_are_named_as_such(tmp_path: Path):
    document = _read(tmp_path, [[Picture()], [], [Text(50, 700, "Text.")]])
    assert [page.problem for page in document.pages] == ["scanned", "blank", ""]


def test_a_scan_is_read_where_a_recognizer_is_given_and_says_so(tmp_path: Path):
    (tmp_path / "scan.pdf").write_bytes(pdf([[Picture()], [Text(50, 700, "Text.")]]))
    line = Line("Press on the wound.", Box(50, 690, 200, 702), 12.0)
    document = read_document(tmp_path / "scan.pdf", "scan.pdf", lambda _: [line])
    assert [(page.problem, page.text) for page in document.pages] == [
        ("recognised", "Press on the wound."),
        ("", "Text."),
    ]


def test_the_words_of_a_real_page_are_told_from_its_picture(tmp_path: Path, shared_data: Path):
    pytest.importorskip("rapidocr", reason="the extra `ocr` is not installed")
    pypdfium2, images = pytest.importorskip("pypdfium2"), pytest.importorskip("PIL.Image")
    with pypdfium2.PdfDocument(shared_data / "rag_pdfs" / "doc_004.pdf") as opened:
        picture = images.fromarray(opened[5].render(scale=200 / 72).to_numpy()[:, :, ::-1])
        said = opened[5].get_textpage().get_text_range().split()
    picture.save(tmp_path / "scan.pdf", resolution=200)
    (page,) = read_document(tmp_path / "scan.pdf", "scan.pdf", recognizer()).pages
    found = difflib.SequenceMatcher(None, said, page.text.split(), autojunk=False)
    assert page.problem == "recognised"
    assert sum(block.size for block in found.get_matching_blocks()) / len(said) > 0.9


def test_html_markdown_and_text_give_the_same_kinds_of_blocks(tmp_path: Path):
    (tmp_path / "a.html").write_text(
        "<html><head><title>x</title><style>p{}</style></head><body><nav>menu</nav><h1>Burns</h1><p>Cool &amp; cover.</p>"
        "<ul><li>Water</li><li>Film <b>loosely</b></li></ul><table><tr><th>Age</th><td>1</td></tr></table>"
        "<script>no()</script></body></html>"
    )
    (tmp_path / "b.md").write_text("# Burns\n\nCool & cover.\n\n- Water\n- Film loosely\n\n| Age | 1 |\n|---|---|\n")
    (tmp_path / "c.txt").write_text("Cool\n& cover.\n\n- Water\n- Film loosely\n")
    html, markdown, text = (read_document(path, path.name).pages[0] for path in document_paths(tmp_path))
    expected = [
        ("heading", "Burns"),
        ("paragraph", "Cool & cover."),
        ("list", "- Water\n- Film loosely"),
        ("table", "Age | 1"),
    ]
    assert [(block.kind, block.text) for block in html.blocks] == expected
    assert [(block.kind, block.text) for block in markdown.blocks] == expected
    assert [(block.kind, block.text) for block in text.blocks] == expected[1:3]


def test_html_that_leaves_out_the_ends_it_may_leave_out_loses_nothing(tmp_path: Path):
    (tmp_path / "a.html").write_text(
        "<!doctype html><head><title>x</title><meta charset=utf-8><body><p>Cool it.<ul><li>one<li>two</ul><p>Then cover.</p>"
        "<table><tr><td>Dose<td>1 g</table><p>End."
    )
    blocks = read_document(tmp_path / "a.html", "a.html").pages[0].blocks
    assert [(block.kind, block.text) for block in blocks] == [
        ("paragraph", "Cool it."),
        ("list", "- one\n- two"),
        ("paragraph", "Then cover."),
        ("table", "Dose | 1 g"),
        ("paragraph", "End."),
    ]


def test_an_item_that_runs_over_several_lines_is_one_line_of_its_list(tmp_path: Path):
    (tmp_path / "a.md").write_text("- cool the burn\n  with water\n- cover it\n")
    assert read_document(tmp_path / "a.md", "a.md").pages[0].blocks[0].text == "- cool the burn with water\n- cover it"


def test_what_cannot_be_read_says_so(tmp_path: Path):
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 cut")
    with pytest.raises(InputError, match=r"bad.pdf: not a readable PDF"):
        read_document(tmp_path / "bad.pdf", "bad.pdf")
    with pytest.raises(InputError, match="is no document Osler reads"):
        read_document(tmp_path / "x.docx", "x.docx")
    with pytest.raises(InputError, match="there is no folder of documents"):
        document_paths(tmp_path / "none")


def test_real_guidelines_have_the_words_of_the_text_layer_in_order(shared_data: Path):
    """PDFium's own order of words is the reference; running heads and mended words are the differences allowed."""
    import pypdfium2

    path = shared_data / "rag_pdfs" / "doc_004.pdf"
    pages = read_document(path, path.name).pages
    raw = pypdfium2.PdfDocument(path)
    same = total = 0
    for number in (6, 9, 13, 17):
        text = raw[number - 1].get_textpage().get_text_range().replace("\ufffe", "")
        expected = text.replace("Version 2.3 - September 2016", "").split()
        ours = pages[number - 1].text.split()
        matcher = difflib.SequenceMatcher(None, expected, ours, autojunk=False)
        same += sum(block.size for block in matcher.get_matching_blocks())
        total += len(expected) - 1  # the page's number
    raw.close()
    assert same >= 0.98 * total
