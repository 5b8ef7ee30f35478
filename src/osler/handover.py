"""From a finished run to other programs: its model in their forms, its training in their words, and the hub.

Joins what the rooms below may not know of each other: the gate's permit, the base that was trained on, the data export's licenses.
"""

import shutil
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.models.chat import system_prompt_of
from osler.records.io import read_records
from osler.records.render import as_messages
from osler.runs.files import made_whole, read_json, write_bytes, write_json
from osler.runs.progress import Progress
from osler.serve.permit import permit
from osler.serve.start import ServedSections, artefact_of, load_run_policy, served_sections

if TYPE_CHECKING:
    from osler.export.data import Permission
    from osler.export.hub import Hub
    from osler.export.model import Choices

_SERVED_PROMPTS = 16
"""Prompts of the run's own records on which a served file must agree with the trained model."""
_EXACT_BYTES = 200_000_000
"""A model smaller than this is served without rounding its numbers, so that it says to the letter what it said in training."""
TRAINER_FORMS = ("llamafactory", "mlx")

_HOW_TO_EXPORT = (
    "Mend what failed and run the gate again, or give a reason: in export.override of the recipe or with --override; it is "
    "recorded with the export. Without the section `export:` a recipe exports nothing."
)
_NO_OVERRIDE = (
    "Mend what failed and run the gate again. A model that has not passed is not published, whatever the reason."
)


def hand_over(
    run_folder: Path, choices: "Choices", n_prompts: int, override: str | None, out: Path, progress: Progress
) -> dict[str, Any]:
    """Export a run's trained model; the gate is asked first. Gives what `export.json` holds, nothing where no form is asked for.

    Args:
        run_folder: `runs/<run>`.
        n_prompts: prompts to compare on: of the validation rows, then of the training rows.
        override: reason for exporting a model that has not passed its gate; recorded in `out/override.json`.

    Raises:
        CheckFailed: the gate has not passed, or a form differs from the trained model.
        InputError: the run has no trained model, or it cannot be brought into a form.
        EnvironmentLacks: a package or a tool is missing.
    """
    from osler.export.model import Trained, export_model
    from osler.train.result import trained_parts

    sections = served_sections(run_folder, {})
    artefact = _artefact(run_folder, sections)
    permission = permit(run_folder, artefact, override, _HOW_TO_EXPORT)
    if permission.overridden:
        facts = {"reason": permission.reason, "failed_checks": list(permission.failed_checks)}
        write_json(out / "override.json", facts)
    if not choices.forms:
        return {}
    system_prompt = system_prompt_of(sections.model)
    files = (run_folder / "curate" / f"{split}.jsonl" for split in ("validation", "train"))
    rows = chain.from_iterable(read_records(file) for file in files if file.is_file())
    base, adapter, revision = trained_parts(run_folder / "train", sections.model)
    trained = Trained(
        run=run_folder.name,
        artefact=artefact,
        base=base,
        revision=revision,
        adapter=adapter,
        dtype=sections.model.dtype,
        system_prompt=system_prompt,
        prompts=tuple(as_messages(record, system_prompt)[:-1] for record in islice(rows, n_prompts)),
    )
    return export_model(trained, choices, out, progress)


def served_gguf(run_folder: Path, override: str | None, progress: Progress) -> Path:
    """The run's model as a GGUF file: the stage export's, or one that is made for the server, once, and held against the model.

    Raises:
        CheckFailed, InputError, EnvironmentLacks: as `hand_over`.
    """
    from osler.export.model import Choices

    artefact = _artefact(run_folder, served_sections(run_folder, {}))
    own = run_folder / "serve" / "model"
    for folder in (run_folder / "export", own):
        files = sorted((folder / "gguf").glob("*.gguf"))  # f16 and f32 come before q8_0
        stamp = folder / "merged" / "osler.json"
        if files and stamp.is_file() and read_json(stamp).get("artefact") == artefact:
            return files[0]
    weights = sum(file.stat().st_size for file in (run_folder / "train").rglob("*.safetensors"))
    precision = "f32" if weights < _EXACT_BYTES else "f16"
    choices = Choices(("gguf",), precisions=(precision,), verify=True)
    hand_over(run_folder, choices, _SERVED_PROMPTS, override, own, progress)
    return next((own / "gguf").glob("*.gguf"))


def hand_over_rows(
    run_folder: Path, forms: Sequence[str], permission: "Permission", out: Path, progress: Progress
) -> dict[str, Any]:
    """Export a run's training set with its data card. Gives what `export.json` holds, but for the digests.

    Raises:
        CheckFailed: a row may not be exported, or a file does not read back as written.
        InputError: a form is unknown, or there is nothing to export.
    """
    from osler.export.data import export_data
    from osler.report.cards import data_card
    from osler.report.read import read_run

    def card(exported: Mapping[str, Any]) -> str:
        return data_card(read_run(run_folder), exported)

    return export_data(run_folder, forms, permission, card, out, progress).to_dict()


def hand_over_training(
    run_folder: Path, forms: tuple[str, ...], permission: "Permission", out: Path, progress: Progress
) -> dict[str, int]:
    """Write what trains the same in LLaMA-Factory or mlx-lm, one folder each below `out`. Gives the rows by form.

    Raises:
        CheckFailed: a row may not be exported, or would be read as other tokens there.
        InputError: the run has no trained model.
    """
    from osler.export.trainers import Training, write_llamafactory, write_mlx
    from osler.models.local import load_tokenizer
    from osler.train.result import base_folder

    sections = served_sections(run_folder, {})
    recipe = read_json(run_folder / "recipe.json")
    base = base_folder(run_folder / "train", sections.model)
    training = Training(
        run=run_folder.name,
        model=sections.model.model_copy(update={"base": str(base)}),
        system_prompt=system_prompt_of(sections.model),
        options=recipe["train"],
        ledger=read_json(run_folder / "train" / "ledger.json"),
        seed=recipe["seed"],
    )
    rows = out / "rows.partial"
    hand_over_rows(run_folder, ["messages"], permission, rows, progress)
    written = {}
    for form in forms:
        with made_whole(out / form) as draft:
            draft.mkdir()
            if form == "mlx":
                written[form] = write_mlx(training, rows / "messages", draft)
            else:
                tokenizer = load_tokenizer(base, sections.model.revision)
                written[form] = write_llamafactory(training, rows / "messages", tokenizer, draft)
            shutil.copy(rows / "README.md", draft / "DATA_CARD.md")
    shutil.rmtree(rows)
    return written


def publish(
    run_folder: Path, repository: str, permission: "Permission", acknowledgement: str | None, out: Path, hub: "Hub"
) -> None:
    """Upload `out/merged`, which was exported before, with a model card, to a private repository of the hub.

    Raises:
        CheckFailed: the gate has not passed, or a source forbids it.
        InputError: the run has no trained model.
        EnvironmentLacks: the hub refuses.
    """
    from osler.export.hub import check_sources, push
    from osler.report.cards import model_card
    from osler.report.read import read_run

    sections = served_sections(run_folder, {})
    permit(run_folder, _artefact(run_folder, sections), None, _NO_OVERRIDE)
    check_sources(run_folder, permission.use, acknowledgement)
    write_bytes(out / "merged" / "README.md", model_card(read_run(run_folder)).encode())
    push(hub, repository, out / "merged", run_folder.name, private=True)


def _artefact(run_folder: Path, sections: ServedSections) -> str:
    return artefact_of(sections.model, load_run_policy(sections.guard), run_folder)
