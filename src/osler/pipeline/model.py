"""The stages that make and examine a model: train, evaluate, redteam, gate, export."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from osler.errors import InputError
from osler.pipeline.stages import Plan, Run, finished, own_digests, questions_of, stage_for
from osler.recipe import Recipe
from osler.records.io import read_records
from osler.runs.files import sha256_file, sha256_json
from osler.runs.signatures import FOLDER, signature_of
from osler.serve.start import artefact_of, load_run_policy

if TYPE_CHECKING:
    from osler.models.local import LocalModel
    from osler.models.protocol import Model


def plan_train(run: Run) -> Plan:
    """Train the adapter on the curated rows."""
    from osler.train.train import train

    recipe, config = run.recipe, run.recipe.train
    if config is None:
        raise InputError("the recipe has no section `train:`")
    options = {"train": config.model_dump(mode="json"), "model": recipe.model.model_dump(mode="json")}
    curated = finished(run, "curate", "train")
    inputs = {name: curated[name] for name in ("curate/train.jsonl", "curate/validation.jsonl")}
    stage = stage_for(run, "train", options, inputs)
    folder = run.folder / "curate"
    return Plan(
        stage,
        lambda: train(
            (folder / "train.jsonl", folder / "validation.jsonl"),
            recipe.model,
            config,
            recipe.machine,
            recipe.seed,
            stage.folder,
            run.progress,
        ),
    )


def plan_evaluate(run: Run) -> Plan:
    """Ask base and adapter the benchmarks."""
    from osler.evaluate.bertscore import encoder_digest
    from osler.evaluate.latency import measure_latency
    from osler.evaluate.score import Asking, evaluate

    config = run.recipe.evaluate
    if config is None:
        raise InputError("the recipe has no section `evaluate:`")
    inputs = (
        finished(run, "collect", "evaluate") | finished(run, "train", "evaluate") | finished(run, "curate", "evaluate")
    )
    inputs |= own_digests(run.recipe) | encoder_digest(config.encoder)
    # Where the user's questions lie is no part of the key: what they are is.
    stage = stage_for(run, "evaluate", config.model_dump(mode="json", exclude={"own"}), inputs)

    def work() -> None:
        model = replace(_model(run), token_budget=config.batch_tokens)
        training = read_records(run.folder / "curate" / "train.jsonl")
        questions, asking = questions_of(run.recipe, run.folder), Asking(config, run.recipe.seed)
        evaluate({"base": model.bare(), "tuned": model}, questions, training, asking, stage.folder, run.progress)
        if config.latency_questions:
            measure_latency(model, questions, config, stage.folder / "metrics.jsonl")

    return Plan(stage, work)


def plan_redteam(run: Run) -> Plan:
    """Try to break the bare and the guarded model."""
    from osler.evaluate.redteam.prompts import load_prompts
    from osler.evaluate.redteam.run import redteam
    from osler.guard.stronger import stronger_of
    from osler.guard.wrap import guarded

    config = run.recipe.redteam
    if config is None:
        raise InputError("the recipe has no section `redteam:`")
    policy, stronger = load_run_policy(run.recipe.guard), stronger_of(run.recipe.guard)
    prompts = load_prompts()
    artefact = _artefact(run)
    inputs = finished(run, "train", "redteam") | {
        "artefact": artefact,
        "prompts": sha256_json(prompts.model_dump(mode="json")),
    }
    if stronger is not None:
        inputs["stronger"] = stronger.model.name
    stage = stage_for(run, "redteam", config.model_dump(mode="json"), inputs)

    def work() -> None:
        model = _model(run)
        arms: dict[str, Model] = {"bare": model, "guarded": guarded(model, policy, stronger=stronger)}
        redteam(arms, prompts, config, run.recipe.seed, stage.folder, run.progress, artefact)

    return Plan(stage, work)


def plan_gate(run: Run) -> Plan:
    """Decide on what the examinations found."""
    from osler.evaluate.evidence import evidence_files, read_evidence
    from osler.evaluate.gate import gate, write_verdict

    config = run.recipe.gate
    if config is None:
        raise InputError("the recipe has no section `gate:`")
    artefact = _artefact(run)
    inputs = {"artefact": artefact}
    stages = {name for name in ("evaluate", "redteam") if getattr(run.recipe, name) is not None} | {"review"}
    files = evidence_files(run.folder, stages)
    inputs |= {name: sha256_file(path) for name, path in files.items()}
    signed = tuple(signature_of(run.folder / FOLDER, name, artefact) for name in config.signatures)
    inputs |= {f"signature of {one.document}": sha256_json(asdict(one)) for one in signed}
    stage = stage_for(run, "gate", config.model_dump(mode="json", exclude={"own"}), inputs)
    verdict = stage.folder / "verdict.json"
    return Plan(
        stage,
        lambda: write_verdict(verdict, gate(replace(read_evidence(files), signatures=signed), artefact, config)),
    )


def plan_export(run: Run) -> Plan:
    """Hand the model over in the formats that the recipe names."""
    from osler.export.model import Choices
    from osler.handover import hand_over

    config = run.recipe.export
    if config is None:
        raise InputError("the recipe has no section `export:`")
    gate_file = run.folder / "gate" / "verdict.json"
    inputs = finished(run, "train", "export") | {
        "artefact": _artefact(run),
        "gate/verdict.json": sha256_file(gate_file) if gate_file.is_file() else "not run",
    }
    stage = stage_for(run, "export", config.model_dump(mode="json"), inputs)
    choices = Choices(config.formats, config.precisions, config.verify)

    def work() -> None:
        hand_over(run.folder, choices, config.parity_prompts, config.override, stage.folder, run.progress)

    return Plan(stage, work)


def _artefact(run: Run) -> str:
    return artefact_of(run.recipe.model, load_run_policy(run.recipe.guard), run.folder)


def _model(run: Run) -> "LocalModel":
    """Base and adapter, loaded once for all stages of this process."""
    if run.model is None:
        run.model = load_run_model(run.recipe, run.folder)
    return run.model


def load_run_model(recipe: Recipe, folder: Path) -> "LocalModel":
    """The trained model of a run."""
    from osler.train.result import load_trained

    return load_trained(folder / "train", recipe.model)
