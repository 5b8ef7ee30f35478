"""The recipe's `collect` section: every mistake is told apart, with what is allowed."""

import pytest
from pydantic import ValidationError

from osler.sources.catalog import SOURCE_NAMES, source_named
from osler.sources.collect import absent_sources
from osler.sources.config import SAMPLE_SOURCES, CollectConfig
from osler.sources.files import has_files, sample_root


def mistakes(context=None, **options) -> dict[tuple, str]:
    with pytest.raises(ValidationError) as caught:
        CollectConfig.model_validate(options, context=context)
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


def test_the_default_is_the_sample_and_all_that_it_has():
    config = CollectConfig()
    assert (config.root, config.max_rows, config.max_malformed_share) == ("sample", None, 0.05)
    assert config.sources == SAMPLE_SOURCES
    assert tuple(name for name in SOURCE_NAMES if has_files(source_named(name), sample_root())) == SAMPLE_SOURCES


def test_a_source_that_must_not_train_is_a_mistake_of_the_recipe():
    for name in (name for name in SOURCE_NAMES if "train" not in source_named(name).use):
        assert mistakes(sources=[name]) == {
            ("sources", 0): f"{name} is not for training (osler sources show {name}); use it in evaluate"
        }


def test_every_field_is_described_and_the_schema_is_made():
    schema = CollectConfig.model_json_schema()
    assert all(field["description"] for field in schema["properties"].values())
    assert len(schema["properties"]) <= 15


def test_several_wrong_names_are_several_mistakes_with_the_nearest_right_name():
    told = mistakes(sources=["medquadd", "medqa", "xyz"])
    allowed = f"The sources are: {', '.join(SOURCE_NAMES)}"
    assert told == {
        ("sources", 0): f"there is no source 'medquadd'. Did you mean 'medquad'? {allowed}",
        ("sources", 2): f"there is no source 'xyz'. {allowed}",
    }


def test_a_relative_root_starts_at_the_recipes_folder(tmp_path):
    (tmp_path / "data").mkdir()
    config = CollectConfig.model_validate({"root": "data"}, context={"folder": tmp_path})
    assert config.root == (tmp_path / "data").resolve()
    assert CollectConfig.model_validate({"root": str(tmp_path)}).root == tmp_path.resolve()


def test_a_root_that_is_not_there_is_named_as_written_and_as_found(tmp_path):
    told = mistakes(context={"folder": tmp_path}, root="gone")
    assert told == {
        (
            "root",
        ): f"there is no folder '{tmp_path}/gone' (from 'gone'); expected a folder with one folder per source, or "
        "'sample'. `osler collect NAME` downloads what is open to ~/.cache/osler/sources ($OSLER_CACHE/sources), which is such a "
        "folder; correct the path, or give --set collect.root=FOLDER."
    }
    (tmp_path / "file").write_text("")
    assert ("root",) in mistakes(context={"folder": tmp_path}, root="file")


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"max_rows": 0}, "max_rows"),
        ({"max_rows": -5}, "max_rows"),
        ({"max_rows": True}, "max_rows"),
        ({"max_rows": "many"}, "max_rows"),
        ({"max_malformed_share": 1.5}, "max_malformed_share"),
        ({"max_malformed_share": True}, "max_malformed_share"),
        ({"max_malformed_share": float("nan")}, "max_malformed_share"),
        ({"sources": []}, "sources"),
        ({"sources": ["medqa", "medqa"]}, "sources"),
        ({"sources": "medqa"}, "sources"),
        ({"rows": 3}, "rows"),
        ({"root": 3}, "root"),
    ],
)
def test_a_wrong_value_is_a_mistake_of_its_field(options, place):
    assert {where[0] for where in mistakes(**options)} == {place}


def test_a_whole_number_is_a_share_too():
    assert CollectConfig(max_malformed_share=1).max_malformed_share == 1.0


def test_only_sources_of_the_recipe_may_be_absent():
    with pytest.raises(ValidationError, match="may_be_absent names meddialog"):
        CollectConfig(sources=("medqa",), may_be_absent=("meddialog",))


def test_sources_that_may_be_absent_are_those_without_files():
    config = CollectConfig(root="sample", sources=("medqa", "meddialog"), may_be_absent=("medqa", "meddialog"))
    assert absent_sources(config) == {"meddialog"}
