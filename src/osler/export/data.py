"""The training set in the forms that other tools read.

Writes one folder that appears whole or not at all: a folder for each form, `README.md` (the data card), `croissant.json` and
`export.json`. Every file is read back with the reader of its form, and rows and answers are compared, before the folder appears.
A row whose license forbids the use stops the export, or is left out and counted when that is asked for.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from osler.errors import CheckFailed, InputError
from osler.export.data_croissant import write_croissant
from osler.export.data_files import ENDINGS, Write, open_writer, read_back, save_dataset_dict
from osler.export.data_forms import FORM_NAMES, FORMS, Form
from osler.records.io import read_records
from osler.records.license import Mix, Use, mix_of, terms_of, why_forbidden
from osler.records.record import Origin
from osler.runs.files import digest_folder, made_whole, write_bytes, write_json
from osler.runs.local_only import local_only
from osler.runs.progress import Progress
from osler.text import did_you_mean

SPLITS = ("train", "validation", "test")
Card = Callable[[Mapping[str, Any]], str]
_FIRST_IDS = 3
_SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Permission:
    """What may be exported."""

    use: Use
    leave_out_forbidden: bool = False
    """Leave out rows that may not be exported instead of refusing."""
    include_local_only: bool = False
    """Export rows that a publisher gives out by application or to credentialed readers only."""


@dataclass(slots=True)
class Exported:
    """What was exported; the facts of `export.json` and of the data card."""

    run: str
    use: Use
    mix: Mix
    rows: Counter[str] = field(default_factory=Counter)
    """By split."""
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By source and license."""
    tasks: Counter[str] = field(default_factory=Counter)
    generators: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    """By reason, from every form."""
    not_held: dict[str, int] = field(default_factory=dict)
    """Rows that a form cannot hold, by form."""
    written: dict[tuple[str, str], "Tally"] = field(default_factory=dict)
    """By form and split."""

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `export.json`."""
        return {
            "run": self.run,
            "use": self.use,
            "rows": dict(self.rows),
            "sources": [
                {"source": source, "license": name, "rows": n} for (source, name), n in sorted(self.sources.items())
            ],
            "tasks": dict(sorted(self.tasks.items())),
            "generators": dict(sorted(self.generators.items())),
            "left_out": dict(self.left_out),
            "forms": {
                form: {
                    "splits": {split: tally.n for (name, split), tally in self.written.items() if name == form},
                    "turns_do_not_alternate": n,
                }
                for form, n in self.not_held.items()
            },
            "license": {
                "expression": self.mix.expression,
                "strictest": self.mix.strictest,
                **asdict(self.mix.terms),
                "conflicts": [list(pair) for pair in self.mix.conflicts],
            },
        }


@dataclass(slots=True)
class Tally:
    """Rows of one file, and a digest over their answers in order."""

    n: int = 0
    answers: Any = field(default_factory=xxhash.xxh3_128)

    def add(self, answer: str) -> None:
        """Count one row."""
        self.n += 1
        self.answers.update(f"{len(answer)} {answer}".encode("utf-8", "surrogatepass"))


def export_data(
    run: Path, form_names: Sequence[str], permission: Permission, card: Card, out: Path, progress: Progress
) -> Exported:
    """Export a run's training set into `out`, which an earlier export may occupy.

    Args:
        card: draws `README.md`, the data card, from what `export.json` says and the hub's configurations.

    Raises:
        InputError: a form is unknown, the run has no training set, `out` holds other files, or no row is left.
        CheckFailed: a row may not be exported for this use, or a file does not read back as written.
    """
    forms = [_form(name) for name in dict.fromkeys(form_names)]
    curated = run / "curate"
    if not (curated / "done").is_file():
        raise InputError(f"{run.name} has no finished training set to export. Make it with `osler curate RECIPE`.")
    if out.exists() and not (out / "export.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} holds files that are no export of osler; name another folder with --out.")
    exported = _survey(run, permission)
    with made_whole(out) as staging:
        staging.mkdir()
        for split in (name for name in SPLITS if exported.rows[name]):
            _write_split(curated, split, forms, permission, staging, exported, progress)
        for form in forms:
            _finish_form(form, staging, exported)
        shutil.rmtree(staging / _SCRATCH, ignore_errors=True)
        write_bytes(staging / "README.md", card({**exported.to_dict(), "configs": _configs(exported)}).encode())
        write_croissant(run, exported.to_dict(), staging)
        write_json(staging / "export.json", {**exported.to_dict(), "files": digest_folder(staging)})
    return exported


def _form(name: str) -> Form:
    for form in FORMS:
        if form.name == name:
            return form
    raise InputError(
        f"there is no form {name!r}.{did_you_mean(name, FORM_NAMES)} The forms are: {', '.join(FORM_NAMES)}"
    )


def _bar(origin: Origin, permission: Permission) -> str:
    """Why a row may not be exported; empty when it may."""
    if local_only(origin.access) and not permission.include_local_only:
        return f"access {origin.access}: it may not leave this machine (--include-local-only overrides)"
    return why_forbidden(terms_of(origin.license, origin.access), permission.use)


def _survey(run: Path, permission: Permission) -> Exported:
    """Count what would be exported, and refuse before anything is written.

    Raises:
        CheckFailed: a row may not be exported and is not to be left out.
        InputError: no row is left.
    """
    barred: dict[tuple[str, str], list[str]] = {}
    n_barred: Counter[tuple[str, str]] = Counter()
    found = Exported(run.name, permission.use, mix_of({}))
    licenses = {}
    for split in SPLITS:
        for record in read_records(run / "curate" / f"{split}.jsonl"):
            origin = record.origin
            license_id = origin.license or "unknown"
            if reason := _bar(origin, permission):
                n_barred[license_id, reason] += 1
                ids = barred.setdefault((license_id, reason), [])
                if len(ids) < _FIRST_IDS:
                    ids.append(record.id)
            elif not record.target:
                found.left_out["without_answer"] += 1
            else:
                found.rows[split] += 1
                found.sources[origin.source, license_id] += 1
                found.tasks[record.task] += 1
                found.generators[origin.generator or "not stated"] += 1
                licenses[license_id] = terms_of(origin.license, origin.access)
    if barred and not permission.leave_out_forbidden:
        lines = [f"  {n:,} rows, {key[0]}: {key[1]}. First: {', '.join(barred[key])}" for key, n in n_barred.items()]
        raise CheckFailed(
            f"{sum(n_barred.values()):,} rows may not be exported for {permission.use} use:\n"
            + "\n".join(sorted(lines))
            + "\nLeave them out with --leave-out-forbidden, or take their sources out of the recipe."
        )
    for (license_id, reason), n in sorted(n_barred.items()):
        found.left_out[f"{license_id}: {reason.partition(':')[0]}"] += n
    if not found.rows.total():
        raise InputError(f"no row of {run.name} is left to export for {permission.use} use; nothing was written.")
    found.mix = mix_of(licenses)
    return found


def _write_split(
    curated: Path,
    split: str,
    forms: Sequence[Form],
    permission: Permission,
    staging: Path,
    exported: Exported,
    progress: Progress,
) -> None:
    with ExitStack() as stack:
        sinks: list[tuple[Form, Write, Tally]] = []
        for form in forms:
            tally = exported.written[form.name, split] = Tally()
            sinks.append((form, stack.enter_context(open_writer(form.layout, _path(staging, form, split))), tally))
        read = read_records(curated / f"{split}.jsonl")
        may_leave = (one for one in read if one.target and not _bar(one.origin, permission))
        for number, record in enumerate(may_leave, start=1):
            for form, write, tally in sinks:
                row = form.view(record)
                if row is not None:
                    write(row)
                    tally.add(record.target)
            if number % 1000 == 0:
                progress(f"export {split}", number, exported.rows[split])
    for form, _, tally in sinks:
        exported.not_held[form.name] = exported.not_held.get(form.name, 0) + exported.rows[split] - tally.n


def _path(staging: Path, form: Form, split: str) -> Path:
    folder = staging / _SCRATCH if form.layout == "arrow" else staging
    return folder / form.name / f"{form.files[split]}{ENDINGS[form.layout]}"


def _finish_form(form: Form, staging: Path, exported: Exported) -> None:
    """What a form has beside its rows; then read all of it back.

    Raises:
        CheckFailed: a file does not hold what was written.
    """
    tallies = {split: tally for (name, split), tally in exported.written.items() if name == form.name}
    if form.layout == "arrow":
        streams = {split: _path(staging, form, split) for split in tallies}
        save_dataset_dict(streams, staging / form.name)
    if form.llama_factory is not None:
        entries = {
            f"{exported.run}_{split}": {"file_name": _path(staging, form, split).name, **form.llama_factory}
            for split, tally in tallies.items()
            if tally.n
        }
        write_json(staging / form.name / "dataset_info.json", entries)
    for split, tally in tallies.items():
        path = staging / form.name / split if form.layout == "arrow" else _path(staging, form, split)
        read = Tally()
        for row in read_back(form.layout, path):
            read.add(form.answer(row))
        if (read.n, read.answers.digest()) != (tally.n, tally.answers.digest()):
            raise CheckFailed(
                f"{form.name}, {split}: {tally.n:,} rows were written and {read.n:,} read back"
                + ("" if read.n != tally.n else ", with other answers")
                + ". Nothing was exported; check the disk and export again."
            )


def _configs(exported: Exported) -> list[dict[str, Any]]:
    """One configuration for each form that the hub can show; the first is the default."""
    configs: list[dict[str, Any]] = []
    for form in FORMS:
        splits = {split: tally.n for (name, split), tally in exported.written.items() if name == form.name and tally.n}
        if splits and form.layout != "arrow":
            files = [
                {"split": split, "path": f"{form.name}/{form.files[split]}{ENDINGS[form.layout]}"} for split in splits
            ]
            configs.append({"config_name": form.name, "data_files": files, **({} if configs else {"default": True})})
    return configs
