"""The page: whole, self-contained, escaped, and silent about what was not run."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from osler.errors import InputError
from osler.report.figures import reliability_figures
from osler.report.page import write_report
from osler.report.read import read_run
from osler.runs.files import read_json, write_json

NO_BREAK = "\u00a0"


class Outline(HTMLParser):
    """Tags with their attributes, text by section, and whether tags nest."""

    _VOID = frozenset({"meta", "link", "br", "line", "circle", "rect", "polyline", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.sections: dict[str, str] = {"": ""}
        self._section = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self.open.append(tag)
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.sections[self._section] = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "title", "desc"}:
            self.sections[self._section] += data.replace(NO_BREAK, " ") + " "


def outline(run: Path) -> Outline:
    found = Outline()
    found.feed(write_report(run).read_text("utf-8"))
    found.close()
    assert not found.open
    return found


def sections(run: Path) -> dict[str, str]:
    return {name: " ".join(text.split()) for name, text in outline(run).sections.items()}


def test_the_page_stands_alone(long_run: Path) -> None:
    page = write_report(long_run)
    assert page == long_run / "report.html"
    text = page.read_text("utf-8")
    tags = outline(long_run).tags
    assert not any(tag in {"script", "img", "iframe", "object", "embed", "audio", "video", "form"} for tag, _ in tags)
    for tag, attributes in tags:
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag in {"a", "link", "use", "image"}:
            assert re.match(r"#|data:,$", attributes["href"] or "")
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_the_same_run_gives_the_same_bytes(small_run: Path) -> None:
    first = write_report(small_run).read_bytes()
    assert write_report(small_run).read_bytes() == first


def test_hostile_text_is_shown_and_not_run(small_run: Path) -> None:
    text = write_report(small_run).read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more" in text
    assert "<b>fever" not in text
    assert "a lesson with &lt;invented&gt; questions" in text


def test_text_of_prompts_and_replies_stays_in_the_folder(small_run: Path) -> None:
    assert "STAYS IN THE FOLDER" not in write_report(small_run).read_text("utf-8")


@pytest.mark.parametrize(
    ("section", "shown"),
    [
        ("", ["small", "2026-03-01 12:30 UTC", "no claim that a model is safe or clinically valid", "Gate not passed.", "2 of 3 checks failed: knowledge.medqa, clinician_review"]),
        ("", ["Served in spite of the gate on 2026-03-01 12:50 UTC", "Exported in spite of the gate", "parity is examined on a model that failed"]),
        ("data", ["1,260 rows read + 11 further records", "= 1,165 records + 106 set aside", "1,165 records curated = 1,018 kept + 147 dropped", "Every row is accounted for"]),
        ("data", ["1,203", "101", "1,102", "136", "966", "87.7 %", "87.4 %", "near duplicate", "92", "benchmark text", "44", "too short", "318", "29"]),
        ("data", ["907 (89.1 %)", "59 (5.8 %)", "871 groups, the largest of 14 records", "medqa 1,273 39 44", "PHONE 23", "NAME 17", "question marks 271"]),
        ("data", ["1,165 read 1,091 filter 1,018 dedupe", "bound by first_aid", "at most 1,037 records", "Repeated in training: first_aid"]),
        ("data", ["near copy 71 92 6", "medquad medquad 87", "50 or more 2 141", "3 questions have answers that contradict each other, in 8 records", "medquad:77, medquad:78"]),
        ("data", ["263 (17–1,989)", "205 (19.8 %)", "11.7 (6.5–16.1), n = 39", "en 966", "a word of sex 33 42.9 % (32.4 to 54.0 %)", "77 (7.6 %) of all"]),
        ("data", ["CC-BY-4.0 open 1,018 no yes yes yes", "313 (30.7 %) of the records", "CC-BY-SA-4.0 and GPL-2.0 cannot be made into one work"]),
        ("data", ["Dropped in dedupe: near duplicate", "QUESTION AS COLLECTED? → ANSWER AS COLLECTED", "Changed in clean: question marks", "Gout ?", "Gout?"]),
        ("data", ["medquad:00aa11bb22cc33dd", "kept medquad:ffee", "8 characters", "91,234", "3f2c1a9"]),
        ("training", ["907", "899", "too long 8", "123,456", "98,765", "13.7 %", "3,141,592", "65,536", "7.319", "4.127", "max 7.319", "min 4.127"]),
        ("benchmarks", ["medqa@letters-0shot tuned test 200 31.5 % 25.5 to 38.2 %", "pubmedqa@yesno-0shot tuned test 250 52.4 %", "0.413", "27.7 %", "accuracy 78.0 %, macro-F1 0.722", "Jin 2019", "Invented Questions, 2026"]),
        ("benchmarks", ["k-qa@generate tuned 40 1 2 0.213 (0.180 to 0.250) 0.800 (0.780 to 0.820)", "example/encoder, layer 9 of 12", "3 texts were longer"]),
        ("benchmarks", ["200 35 16 28 121 +6.0 −0.5 to +12.5 0.096"]),
        ("benchmarks", ["invented cardiology tuned 40 25.0 % 14.0 to 40.0 %", "sex 6 of 60: 10.0 % (4.7 to 20.1 %) −5.0 −12.0 to +2.0", "Expected calibration error: base 0.123, tuned 0.123"]),
        ("red-team", ["0 of 120, at most 3.2 %", "83 of 120: 69.2 % (60.4 to 76.7 %)", "7 of 90: 7.8 % (3.8 to 15.2 %)", "0 of 21, at most 15.5 %"]),
        ("red-team", ["role play 5 of 41: 12.2 %", "0 of 41, at most 8.6 %", "medication stop change harmful compliance 7 of 23"]),
        ("review", ["no clinician's judgement is recorded"]),
        ("gate", ["knowledge.medqa 31.5 % at least 55.5 % 25.5 to 38.2 % failed", "safety.harmful_compliance none seen at most 5.0 %", "clinician_review not run", "not run: failed"]),
        ("export", ["33", "777", "100.0 %", "0.0000213", "0.001", "passed"]),
        ("answers", ["refused this model, with exit code 1", "has not passed its gate: knowledge.medqa", "What is a <b>fever</b>?", "Call 112 now.", "emergency-chest-pain", "medication stop change", "200"]),
        ("facts", ["4711", "2.13.0", "3.11.9", "Linux-x86_64", "5eed" * 16, "131c" * 16, "2026-03-01 12:36", "collect: nested.rate 0.25"]),
    ],
)  # fmt: skip
def test_numbers_of_the_run_stand_on_the_page(small_run: Path, section: str, shown: list[str]) -> None:
    text = sections(small_run)[section]
    assert [words for words in shown if words not in text] == []


def test_a_rate_of_nothing_seen_is_never_written_as_zero_percent(small_run: Path) -> None:
    found = sections(small_run)
    for section in ("", "red-team"):
        assert not re.search(r"of \d+: 0\.0 %", found[section])


def test_stages_that_were_not_run_say_so(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    only = {name: content for name, content in small_files.items() if name.startswith("collect/")}
    found = sections(run_of(tmp_path / "only", only))
    assert "The stage curate was not run" in found["data"]
    assert "1,203" in found["data"]
    for section in ("training", "benchmarks", "red-team", "gate", "export", "answers"):
        assert "Not run." in found[section]
        assert not re.search(r"\d", found[section].removeprefix(found[section][:2]))
    assert "Gate not run." in found[""]


def test_a_stage_that_was_stopped_says_so(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    for name in ("train/done", "train/ledger.json"):
        del small_files[name]
    found = sections(run_of(tmp_path / "stopped", small_files))
    assert "The stage train was started and has not finished" in found["training"]
    assert "train 2026-03-01 12:32 not finished" in found["facts"]


def test_counts_that_do_not_add_up_are_named(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    small_files["curate/counts.json"] = {**small_files["curate/counts.json"], "dropped": 146}
    assert "The counts do not add up" in sections(run_of(tmp_path / "uneven", small_files))["data"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("curate/counts.json", b"{", "is not JSON"),
        ("curate/counts.json", b'{"read": "many"}', r'"read" is str; expected a whole number'),
        ("curate/counts.json", b'{"read": -1}', r'"read" is -1; expected a whole number of at least 0'),
        ("curate/counts.json", b'{"read": true}', r'"read" is True'),
        ("curate/examples.jsonl", b'{"id": "a"}\n', r'line 1: "step" is missing'),
        ("train/metrics.jsonl", b'{"step": 1}\nbroken\n{"step": 2}\n', "line 2: not JSON"),
        ("evaluate/scores.json", b'{"scores": [{"benchmark": "b", "model": "m", "n": 3, "accuracy": 1.5}]}', r'scores\[0\]: "accuracy" is 1.5; expected a share'),
        ("evaluate/scores.json", b"[]", "expected an object, found list"),
        ("redteam/summary.json", b'{"prompts": 1, "risky": 1, "benign": 0, "arms": [{"arm": "bare", "harmful_compliance": {"k": 0, "n": 1, "ci95": [1, 0]}}]}', r'"ci95" is list; expected two numbers'),
        ("gate/verdict.json", b'{"passed": 1, "checks": []}', r'"passed" is 1; expected true or false'),
        ("demo/answers.json", b"{}", "expected a list"),
        ("serve/audit.jsonl", b'{"event": "override", "reason": 5}\n', r'"reason" is 5; expected text'),
        ("train/run.json", b'{"environment": []}', "expected an object"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_with_what_is_wrong(small_run: Path, name: str, content: bytes, message: str) -> None:
    (small_run / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        write_report(small_run)
    assert name in str(caught.value)


def test_text_in_the_place_of_a_number_is_not_repeated(small_run: Path) -> None:
    write_json(small_run / "train" / "ledger.json", {"read": "Jane Doe, born 1950"})
    with pytest.raises(InputError) as caught:
        write_report(small_run)
    assert "Jane" not in str(caught.value)


def test_a_finished_stage_without_its_file_is_an_error(small_run: Path) -> None:
    (small_run / "evaluate" / "scores.json").unlink()
    with pytest.raises(InputError, match=r"scores\.json does not exist"):
        write_report(small_run)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="there is no run folder"):
        write_report(tmp_path / "absent")


def test_a_last_line_that_a_kill_cut_off_is_left_out(small_run: Path) -> None:
    with (small_run / "serve" / "audit.jsonl").open("ab") as stream:
        stream.write(b'{"seq": 4, "event": "over')
    assert "a lesson with <invented> questions" in sections(small_run)[""]


def test_an_override_is_shown_once_with_the_time_of_the_first(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    events = [
        {"event": "override", "time": f"2026-03-01T12:30:0{i}.5+00:00", "reason": "again", "failed_checks": []}
        for i in range(3)
    ]
    small_files["serve/audit.jsonl"] = events
    top = sections(run_of(tmp_path / "again", small_files))[""]
    assert top.count("Reason given: “again”") == 1
    assert "Served in spite of the gate on 2026-03-01 12:30 UTC" in top


def test_splits_stand_in_the_order_of_their_use(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    text = sections(run_of(tmp_path / "splits", small_files))["data"]
    assert text.index("train 907") < text.index("validation 59") < text.index("test 52")


def test_steps_without_a_finite_loss_are_counted_and_not_drawn(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    small_files["train/metrics.jsonl"] = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": None}, {"step": 3, "loss": 1.5}]
    assert "1 recorded step has no finite loss" in sections(run_of(tmp_path / "gaps", small_files))["training"]


def test_a_benchmark_without_questions_is_not_measured(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    score = {**small_files["evaluate/scores.json"]["scores"][0], "n": 0, "accuracy": 0.0, "ci95": [0.0, 1.0]}
    small_files["evaluate/scores.json"] = {"scores": [score], "training_records": 9, "comparisons": []}
    assert (
        "medqa@letters-0shot base test 0 not measured" in sections(run_of(tmp_path / "none", small_files))["benchmarks"]
    )


def test_a_gate_that_passed_claims_nothing_beyond_its_checks(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    check = {**small_files["gate/verdict.json"]["checks"][1]}
    small_files["gate/verdict.json"] = {"passed": True, "artefact": "ab", "checks": [check]}
    del small_files["export/override.json"], small_files["serve/audit.jsonl"]
    top = sections(run_of(tmp_path / "passed", small_files))[""]
    assert "Gate passed." in top
    assert "This says what was tested here and nothing beyond it." in top
    assert "Override." not in top


def test_records_that_a_model_wrote_had_no_rows_to_read(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    counts = small_files["curate/counts.json"]
    sources = [*counts["sources"], {"source": "guidelines", "read": 31, "kept": 31, "dropped": {}}]
    small_files["curate/counts.json"] = {**counts, "sources": sources}
    text = sections(run_of(tmp_path / "written", small_files))["data"]
    assert "guidelines written here written here written here 0 31 100.0 %" in text


def test_a_model_of_another_engine_has_a_report_without_steps(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    del small_files["train/metrics.jsonl"]
    known = {"read": 907, "kept": 899, "set_aside": {}, "kept_in_spite": {"contradictory": 6}, "epochs": 2}
    small_files["train/ledger.json"] = {"engine": "llamafactory", **known}
    text = sections(run_of(tmp_path / "engine", small_files))["training"]
    for said in (
        "No points were recorded",
        "another engine llamafactory",
        "same question otherwise 6",
        "Steps not recorded",
    ):
        assert said in text


def test_an_export_without_forms_is_no_damage(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    del small_files["export/parity.json"]
    assert "asks for no form of export" in sections(run_of(tmp_path / "none", small_files))["export"]


def test_overlap_that_was_not_looked_for_is_no_count_of_zero(
    tmp_path: Path, run_of: Callable[[Path, dict[str, Any]], Path], small_files: dict[str, Any]
) -> None:
    small_files["evaluate/scores.json"] = {**small_files["evaluate/scores.json"], "training_records": 0}
    text = sections(run_of(tmp_path / "unheld", small_files))["benchmarks"]
    assert "medqa@letters-0shot tuned test 200 31.5 % 25.5 to 38.2 % not measured 0 not measured 0" in text


def test_the_mean_confidence_of_each_model_stands_in_its_own_row(small_run: Path) -> None:
    scores = read_json(small_run / "evaluate" / "scores.json")
    for share, one in zip((0.31, 0.37), scores["scores"], strict=False):
        one["reliability"] = [{**one["reliability"][0], "confidence": share}]
    write_json(small_run / "evaluate" / "scores.json", scores)
    figures = reliability_figures(read_run(small_run).evaluated.scores)  # type: ignore[union-attr]
    assert figures[0].wide.count("p-diamond") == 2
    del scores["scores"][0]["reliability"][0]["confidence"]
    write_json(small_run / "evaluate" / "scores.json", scores)
    figures = reliability_figures(read_run(small_run).evaluated.scores)  # type: ignore[union-attr]
    assert figures[0].wide.count("p-diamond") == 1


def test_the_page_can_be_read_without_seeing_it(long_run: Path) -> None:
    tags = outline(long_run).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        for name in (attributes.get("aria-labelledby") or "").split():
            assert name in ids
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    n_tables = sum(tag == "table" for tag, _ in tags)
    assert n_tables == sum(tag == "caption" for tag, _ in tags) > 10
    assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in tags if tag == "th")
    assert all(attributes.get("role") == "img" for tag, attributes in tags if tag == "svg")
    assert ("html", {"lang": "en"}) in tags


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_the_contrast_that_wcag_aa_asks_for(repository: Path, scheme: str) -> None:
    style = (repository / "src" / "osler" / "report" / "page.css").read_text("utf-8")
    light, _, rest = style.partition("@media screen and (prefers-color-scheme: dark)")
    colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", light))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", rest))
    for name in ("ink", "quiet", "link", "good", "bad"):
        assert _contrast(colours[name], colours["paper"]) >= 4.5, name
        assert _contrast(colours[name], colours["soft"]) >= 4.5, name
    assert _contrast(colours["warn-ink"], colours["warn-paper"]) >= 4.5
    for name in ("kept", "rest", "first", "second", *(f"part-{i}" for i in range(1, 9))):
        assert _contrast(colours[name], colours["paper"]) >= 3, name
