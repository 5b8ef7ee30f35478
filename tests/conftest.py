"""Fixtures that several rooms' tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

from osler.records.record import Message, Origin, Record, record_id

REPOSITORY = Path(__file__).resolve().parent.parent

# A machine that is busy is not a wrong answer; what must be fast has a test of its own.
settings.register_profile("osler", deadline=None)
settings.load_profile("osler")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files of publishers, one folder a source; they are not part of the project."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no local copies of data sets at {folder}")
    return folder


@pytest.fixture(scope="session")
def few_records() -> list[Record]:
    """Forty short question-and-answer records, invented."""
    organs = ("heart", "liver", "kidney", "lung", "skin", "eye", "ear", "thyroid")
    asked = (
        "What does the {} do?",
        "Where is the {}?",
        "Who looks after the {}?",
        "Can the {} hurt?",
        "Is the {} one organ?",
    )
    told = (
        "The {} keeps the body well, day and night.",
        "The {} has its own place; a picture shows it best.",
        "A doctor who knows the {} well, after your own doctor.",
        "Yes, the {} can hurt. Ask a nurse when it does not pass in 24 hours.",
        "People speak of the {} as one organ.",
    )
    return [
        Record(
            id=record_id("invented", f"{organ} {number}"),
            task="qa",
            messages=(Message("user", question.format(organ)), Message("assistant", answer.format(organ))),
            origin=Origin("invented", f"{organ} {number}"),
        )
        for organ in organs
        for number, (question, answer) in enumerate(zip(asked, told, strict=True))
    ]


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory, few_records: list[Record]) -> Path:
    """A scratch base built from `few_records`: real files, random weights."""
    from osler.models.libraries import quiet_libraries
    from osler.train.scratch import build_scratch_base

    folder = tmp_path_factory.mktemp("base") / "base"
    with quiet_libraries():
        build_scratch_base((turn.content for record in few_records for turn in record.messages), folder, seed=1)
    return folder


@pytest.fixture(scope="session")
def tiny_adapter(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """An adapter for `tiny_base` with random weights, so that it changes every answer."""
    import torch

    from osler.models.chat import plain_template, template_fingerprint
    from osler.models.libraries import quiet_libraries
    from osler.models.local import load_weights
    from osler.runs.files import write_json

    folder = tmp_path_factory.mktemp("adapter") / "adapter"
    with quiet_libraries():
        from peft import LoraConfig, get_peft_model

        options = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(load_weights(tiny_base), options)
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_" in name:
                    weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
        model.save_pretrained(str(folder))
    write_json(
        folder / "template.json", {"fingerprint": template_fingerprint(plain_template()), "system_prompt": "Be brief."}
    )
    return folder
