"""A bad row of each set of the second batch is set aside alone, with the field and the reason."""

import json
from pathlib import Path

import pytest

from osler.errors import RowError
from osler.sources.catalog import source_named
from osler.sources.files import find_files
from osler.sources.source import records_of

COPIES = Path(__file__).parent / "copies"
MESSAGES = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]
DIALOGUE = b"ID,section_header,section_text,dialogue\n"
VISIT = b"dataset,encounter_id,dialogue,note\n"
MIMIC_IV = b"note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text\n"
NOTE = b'<deIdi2b2><TEXT>Mr. Doe.</TEXT><TAGS><NAME id="P0" start="%s" end="%s" text="Doe" TYPE="PATIENT"/></TAGS></deIdi2b2>'


def line(**row: object) -> bytes:
    return json.dumps(row).encode() + b"\n"


def bioasq(**question: object) -> bytes:
    return json.dumps({"questions": [{"id": "9", "body": "Invented?", "type": "factoid", **question}]}).encode()


CASES = [
    ("aci_bench", "train.csv", VISIT + b"aci,D1,[doctor] hi,\n", "empty_answer", "note: is empty"),
    ("aci_bench", "train.csv", VISIT + b"aci,D1,hi\n", "wrong_columns", "line 2 has 3 columns; expected 4"),
    ("alzheimer_pubmed", "a.csv", b"title,text\nT,A\n", "missing_field", None),
    ("alzheimer_pubmed", "a.csv", b"title,abstract\n,One piece.\n", "no_conclusion", None),
    ("bioasq_taskb", "1_golden.json", bioasq(), "hidden_label", "ideal_answer: the answer is not published"),
    (
        "bioasq_taskb",
        "1_golden.json",
        bioasq(type="yesno", exact_answer="perhaps"),
        "answer_not_an_option",
        'exact_answer: is "perhaps"; expected yes or no',
    ),
    ("bioasq_taskb", "1_golden.json", bioasq(type=["x"]), "unknown_type", None),
    ("bioasq_taskb", "1_golden.json", bioasq(exact_answer=[[3]]), "wrong_type", None),
    ("biorxiv_medrxiv", "a.xml", b"<article><front/></article>", "no_article_id", "article-id: the article has no doi"),
    (
        "counsel_chat",
        "counsel_chat.csv",
        b"questionID,questionTitle,answerText\n1,,Yes.\n",
        "empty_question",
        "questionTitle: is empty",
    ),
    ("first_aid_qa", "train.jsonl", line(question="Q?"), "missing_field", None),
    (
        "i2b2_2014",
        "1.xml",
        NOTE % (b"0", b"3"),
        "tag_outside_text",
        "tags[0]: does not point at its own text",
    ),
    ("i2b2_2014", "1.xml", NOTE % (b"4", b"99"), "tag_outside_text", "tags[0]: its offsets are not in the note"),
    (
        "ii_medical_reasoning",
        "train.jsonl",
        line(messages=MESSAGES[:1]),
        "empty_answer",
        "messages: the last turn is not by the assistant",
    ),
    (
        "ii_medical_reasoning",
        "train.jsonl",
        line(messages=[{"role": "bot", "content": "A."}]),
        "bad_role",
        'messages[0].role: is "bot"; expected one of system, user, assistant',
    ),
    (
        "ii_medical_reasoning",
        "train.jsonl",
        line(messages=[MESSAGES[0], {"role": "assistant", "content": "<think>x</think> "}]),
        "empty_answer",
        "messages: there is no answer, or nothing after the reasoning",
    ),
    ("ii_medical_reasoning", "train.jsonl", line(messages="x"), "wrong_type", None),
    ("k_qa", "x_MedLFQA.jsonl", line(Question="Q?", Free_form_answer="A.", Must_have="x"), "wrong_type", None),
    ("medical_training_84k", "train.jsonl", line(input="Q?", context="", output="A."), "missing_field", None),
    (
        "mimic_iii",
        "NOTEEVENTS.csv",
        b"ROW_ID,SUBJECT_ID,ISERROR,TEXT\n1,,,Invented note.\n",
        "no_patient",
        "SUBJECT_ID: is text of 0 characters; expected the patient's number",
    ),
    ("mimic_iv_note", "radiology.csv", MIMIC_IV + b"1-RR-1,1,2,RR,1,,,\n", "empty_note", "text: is empty"),
    ("mqp", "mqp.csv", b"1,Q?,R?,2\n", "answer_not_an_option", 'label: is "2"; expected 0 or 1'),
    ("mqp", "mqp.csv", b"1,Q?,R?\n", "wrong_columns", "line 1 has 3 columns; expected 4"),
    ("mqp", "mqp.csv", b"1,Q?,caf\xe9?,1\n", "bad_encoding", "question_2: line 1: 0xe9 at character 4 is not UTF-8"),
    ("mqp", "mqp.csv", b'1,"Q"?,R?,1\n', "not_csv", "line 1: ',' expected after '\"'"),
    ("mts_dialog", "TrainingSet.csv", DIALOGUE + b"0,MOOD,Good.,Hi.\n", "unknown_section", None),
    ("pmc_open_access", "a.xml", b"<article><front>", "bad_xml", None),
    ("pubmed", "a.xml", b"<PubmedArticle><X/></PubmedArticle>", "bad_pmid", "PMID: the article has no PMID"),
    ("pubmed", "a.jsonl", line(MedlineCitation={"PMID": 1, "Article": 3}), "not_an_object", None),
]


@pytest.mark.parametrize(("name", "file", "content", "reason", "message"), CASES)
def test_a_bad_row_says_which_field_and_why(write_copy, name, file, content, reason, message):
    root = write_copy(name, {file: content})
    source = source_named(name)
    [native] = [native for found in find_files(source, root) for native in source.read(found)]
    with pytest.raises(RowError) as caught:
        records_of(source, native)
    assert caught.value.reason == reason
    assert message is None or str(caught.value) == message


def test_every_set_of_the_batch_has_a_bad_row():
    assert {case[0] for case in CASES} >= {folder.name for folder in COPIES.iterdir()} & {
        *(
            "aci_bench",
            "alzheimer_pubmed",
            "bioasq_taskb",
            "biorxiv_medrxiv",
            "counsel_chat",
            "first_aid_qa",
            "i2b2_2014",
        ),
        *("ii_medical_reasoning", "k_qa", "medical_training_84k", "mimic_iii", "mimic_iv_note", "mqp", "mts_dialog"),
        *("pmc_open_access", "pubmed"),
    }


@pytest.mark.parametrize("name", ["mqp", "bioasq_taskb", "pubmed", "pmc_open_access", "mimic_iii"])
def test_a_bad_row_leaves_its_neighbours_alone(write_copy, name):
    """The invented copy with something broken put before it gives the same records."""
    bad = {
        "mqp": ("mqp.csv", b"", b'1,"x"y,z,0\n'),
        "bioasq_taskb": ("9B9_golden.json", b'"questions": [', b'3, {"type": null}, '),
        "pubmed": ("pubmed26n0001.xml", b"<PubmedArticleSet>", b"<PubmedArticle><MedlineCitation/></PubmedArticle>"),
        "pmc_open_access": ("PMC9000000.xml", b"", b"<article><a></article>"),
        "mimic_iii": ("NOTEEVENTS.csv", b"TEXT\n", b"1,2\n"),
    }
    source = source_named(name)

    def rows(root):
        found = []
        for native in (native for file in find_files(source, root) for native in source.read(file)):
            try:
                found += [record.messages for record in records_of(source, native)]
            except RowError:
                continue
        return found

    file, before, broken = bad[name]
    folder = COPIES / name
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    whole = files.get(file, b"")
    files[file] = whole.replace(before, before + broken, 1) if before else broken + whole
    assert rows(write_copy(name, files)) == rows(COPIES)
