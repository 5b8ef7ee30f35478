"""Tables of what a training set looks like, from `curate/profile.json` and `curate/counts.json`."""

from dataclasses import dataclass

from osler.report.fields import Fields
from osler.report.format import NO_BREAK, count, listed, many, number, part, percent, percent_interval, words
from osler.report.read_data import Curated, Example
from osler.report.table import Cell, Table, make_table, table_of

_NONE = Cell("none", "quiet")
_N_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A heading with a note and tables."""

    title: str
    note: str
    tables: tuple[Table, ...]
    is_beside: bool = False
    """Whether the tables stand side by side where there is room."""


def parts(curated: Curated) -> list[Part]:
    """The parts of the data report below the counts."""
    profile = curated.profile
    return [
        _copies(curated, profile),
        Part("Lengths and readability", _LENGTHS, (_lengths_table(curated, profile),)),
        _licenses(profile),
        Part("Languages and topics", _TOPICS, (_languages_table(profile), *_named_tables(profile, ("topics",))), True),
        Part("Who is named", _BALANCE, tuple(_named_tables(profile, ("sex", "age", "ethnicity"))), True),
    ]


_LENGTHS = (
    "Characters of the answers: the median, and in brackets what 5 and 95 % of them do not exceed; as they were collected, and as they "
    "are kept. The grade is the school year by the formula of Coleman and Liau (1975), over English answers of at least 50 words; it "
    "looks at lengths of words and sentences alone."
)
_COMPARED = "Only answers that choose among the same options were compared; free text was not."
_TOPICS = (
    "Languages are told by letters and common words. Topics are words in the questions, from a small list "
    "(curate/profile_words.yaml); a question may name several, and many name none. They show what is named, not what is taught."
)
_BALANCE = (
    "Words of sex, age and ethnicity in the whole text, from the same list. Shares are of the records that name any word of that "
    "list, and add up to more than all where records name several. The 95 % intervals (Wilson) take records as independent; those of "
    "one source page are not, so the truth is wider. What is not written in a text is not known here."
)


def examples(curated: Curated) -> dict[str, list[Example]]:
    """Dropped and changed records by what was done to them, in the order of the steps."""
    found: dict[str, list[Example]] = {}
    for one in curated.examples:
        done = "changed" if one.is_change else "dropped"
        reason = words(one.reason.replace("+", ", "))
        found.setdefault(f"{done} in {words(one.step)}: {reason}", []).append(one)
    return found


def mix_note(curated: Curated) -> str:
    """A sentence on the mix: which source bound it, and what was repeated."""
    mix = curated.counts.child("mix") if curated.counts.has("mix") else None
    if mix is None:
        return ""
    capped = {
        source.source: source.dropped.get("source_cap", 0) + source.dropped.get("source_share", 0)
        for source in curated.sources
    }
    said = []
    if mix.has("largest"):
        binding = mix.maybe_text("binding") or "the sources without a share"
        said.append(
            f"The shares of the mix are bound by {binding}: without repeats it has at most {many(mix.count('largest'), 'record', 'records')}."
        )
    if any(capped.values()):
        said.append(f"Left out by caps and shares: {listed(capped)}.")
    if repeated := mix.counts("repeated"):
        said.append(f"Repeated in training: {listed(repeated)}.")
    return " ".join(said)


def contradictions_note(curated: Curated) -> str:
    """A sentence on answers that contradict each other."""
    found = curated.counts.child("contradictions") if curated.counts.has("contradictions") else None
    if found is None:
        return ""
    if not found.count("questions"):
        return f"No question has answers that contradict each other. {_COMPARED}"
    first = found.children("first")[:_N_SHOWN]
    named = "; ".join(", ".join(row.texts("ids")) for row in first)
    n = many(found.count("questions"), "question has", "questions have")
    return (
        f"{n} answers that contradict each other, in {many(found.count('records'), 'record', 'records')}. None was chosen: they are "
        f"kept, each question in one leakage group, for a reviewer to decide. The first: {named}. {_COMPARED}"
    )


def _copies(curated: Curated, profile: Fields) -> Part:
    clusters = profile.child("clusters")
    kinds = table_of(
        clusters.children("kinds"),
        "clusters",
        "Copies. Of each cluster one record is kept: the better licensed, human-written, longer-standing one.",
        {
            "Kind": lambda row: words(row.text("reason")),
            "#Clusters": lambda row: count(row.count("clusters")),
            "#Records dropped": lambda row: count(row.count("dropped")),
            "#Largest": lambda row: count(row.count("largest")),
        },
        is_narrow=True,
    )
    between = table_of(
        clusters.children("between")[:_N_SHOWN],
        "between",
        "Sources of the copies dropped, and of the records kept for them.",
        {
            "Dropped from": lambda row: row.text("dropped_from"),
            "Kept in": lambda row: row.text("kept_in"),
            "#Records": lambda row: count(row.count("records")),
        },
        is_narrow=True,
    )
    groups = table_of(
        profile.children("groups"),
        "groups",
        "Leakage groups of the records kept, by their size. A group stands in one split as a whole.",
        {
            "Records in a group": _bounds,
            "#Groups": lambda row: count(row.count("groups")),
            "#Records": lambda row: count(row.count("records")),
        },
        is_narrow=True,
    )
    return Part("Copies, groups and contradictions", contradictions_note(curated), (kinds, between, groups))


def _bounds(row: Fields) -> str:
    low, high = row.count("from"), row.maybe_count("to")
    return f"{low} or more" if high is None else str(low) if low == high else f"{low} to {high}"


def _lengths_table(curated: Curated, profile: Fields) -> Table:
    grades = {row.text("source"): row for row in profile.children("grade")}
    outside = curated.counts.counts("outside_guide_lengths")
    flow = profile.child("flow")
    steps = flow.texts("steps")
    within = {
        row.text("source"): row.numbers("after")[steps.index("filter")] if "filter" in steps else 0
        for row in flow.children("sources")
    }
    rows = []
    for row in profile.children("answer_chars"):
        source = row.text("source")
        grade = grades.get(source)
        rows.append(
            (
                source,
                _spread(row.child("before")),
                _spread(row.child("after")),
                part(outside.get(source, 0), int(within.get(source, 0))),
                f"{_spread(grade)}, n{NO_BREAK}={NO_BREAK}{count(grade.count('n'))}" if grade else _NONE,
            )
        )
    caption = (
        "Lengths of answers. Outside the guides: answers, among those that the filter kept, that the recommended 10 to 1,500 characters "
        "would have dropped; answers that are an option of their question are not held to it."
    )
    return make_table(
        "lengths", caption, ("Source", "#As collected", "#Kept", "#Outside the guides", "#Grade of those kept"), rows
    )


def _spread(row: Fields) -> str | Cell:
    if not row.count("n"):
        return _NONE
    low, middle, high = (number(row.number(name)) for name in ("p5", "median", "p95"))
    return f"{middle} ({low}–{high})"


def _licenses(profile: Fields) -> Part:
    whole = profile.child("whole")
    rows = profile.children("licenses")
    n = sum(row.count("records") for row in rows)
    table = make_table(
        "licenses",
        "Records kept, by license, and what it permits. Computed from the publishers' stated licenses; this is no legal advice.",
        ("License", "Access", "#Records", "Commercial use", "Changed text passed on", "Share alike", "Name the origin"),
        [
            (Cell(row.text("license"), "whole"), row.text("access"), count(row.count("records")), *_permits(row))
            for row in rows
        ]
        + [("The whole", "", count(n), *_permits(whole))],
        has_total=True,
    )
    commercial = part(whole.count("commercial_records"), n)
    note = (
        f"The strictest part is {whole.maybe_text('strictest') or 'none'}; it binds the whole. On their own {commercial} of the records may be "
        "used in commerce: osler export --for commercial refuses the others, or leaves them out when asked."
    )
    conflicts = [
        f"{' and '.join(map(str, pair))} cannot be made into one work that is passed on; side by side they can stand."
        for pair in whole.values.get("conflicts", [])
    ]
    return Part("License of the result", " ".join([note, *conflicts]), (table,))


def _permits(row: Fields) -> tuple[str | Cell, ...]:
    unknown = Cell("unknown", "quiet")
    known = row.flag("is_known")
    commercial = ("yes" if row.flag("commercial") else "no") if known else unknown
    return (
        commercial,
        "yes" if row.flag("adaptations") else Cell("no derivatives", "bad"),
        ("yes" if row.flag("share_alike") else "no") if known else unknown,
        "yes" if row.flag("attribution") else "no",
    )


def _languages_table(profile: Fields) -> Table:
    languages = profile.child("languages")
    return table_of(
        sorted(languages.values),
        "languages",
        "Languages of the records kept, by source.",
        {
            "Source": lambda source: source,
            "Languages": lambda source: listed(_by_count(languages.counts(source))) or _NONE,
        },
        is_narrow=True,
    )


def _by_count(found: dict[str, int]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def _named_tables(profile: Fields, dimensions: tuple[str, ...]) -> list[Table]:
    return [_named_table(row) for row in profile.children("named") if row.text("dimension") in dimensions]


def _named_table(row: Fields) -> Table:
    dimension, naming, records = row.text("dimension"), row.count("naming"), row.count("records")
    word, of = dimension, f"of the {count(naming)} records that name any"
    entries = row.children("entries") if naming else []
    if dimension == "topics":
        word, of = "topic", f"of {count(records)} records"
        entries.sort(key=lambda entry: -entry.count("k"))
    return table_of(
        entries,
        f"named-{dimension}",
        f"Records with words of {word}: {part(naming, records)} of all. Shares are {of}.",
        {
            word.capitalize(): lambda entry: entry.text("name"),
            "#Records": lambda entry: count(entry.count("k")),
            "#Share (95 % interval)": lambda entry: (
                f"{percent(entry.count('k') / entry.count('n'))} ({percent_interval(*entry.interval('ci95'))})"
            ),
        },
    )
