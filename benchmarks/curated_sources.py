"""What curation does to every local source that can go into training: rows in, kept, and dropped by reason.

    python benchmarks/curated_sources.py /path/to/data

Curates the two recipes for real mixes as they ship, and then all sources together with the default options, for which MedQA's and
MedMCQA's development questions are kept out. Writes docs/curated-sources.md and benchmarks/results/curated_sources.json.
"""

import argparse
import json
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from osler.pipeline.run import run_stages
from osler.recipe import Recipe, load_recipe
from osler.recipe.load import parse_recipe
from osler.runs.files import read_json
from osler.runs.progress import silent
from osler.sources.catalog import catalog_sources
from osler.sources.files import has_files

REPOSITORY = Path(__file__).resolve().parent.parent
RESULT = REPOSITORY / "benchmarks" / "results" / "curated_sources.json"
PAGE = REPOSITORY / "docs" / "curated-sources.md"
SHIPPED = ("biomistral-medical", "medical-84k")
EVERYTHING = "every-source"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data.resolve()
    settings = [f"collect.root={data}"]
    recipes = [load_recipe(REPOSITORY / "recipes" / f"{name}.yaml", settings) for name in SHIPPED]
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        for recipe in [*recipes, everything(data)]:
            runs[recipe.name] = curated(recipe, Path(folder) / recipe.name)
    result = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": platform.platform(), "runs": runs}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(result), encoding="utf-8")


def everything(data: Path) -> Recipe:
    """A recipe of all sources for training that `data` holds."""
    names = [source.name for source in catalog_sources() if "train" in source.use and has_files(source, data)]
    text = {
        "name": EVERYTHING,
        "seed": 7,
        "collect": {"root": str(data), "sources": names},
        "curate": {},
        "evaluate": {"benchmarks": ["medqa:validation", "medmcqa:validation"]},
    }
    return parse_recipe(json.dumps(text).encode(), EVERYTHING, data)


def curated(recipe: Recipe, folder: Path) -> dict:
    """Counts of one run."""
    began = time.process_time()
    for _ in run_stages(recipe, folder, "curate", silent):
        pass
    collected, counts = read_json(folder / "collect" / "counts.json"), read_json(folder / "curate" / "counts.json")
    left = {row["source"]: row for row in counts["sources"]}
    keys = ("source", "license", "access", "read", "set_aside", "records")
    return {
        "cpu_seconds": round(time.process_time() - began, 1),
        "absent": collected.get("absent", []),
        "splits": counts["splits"],
        "sources": [
            {
                **{key: row[key] for key in keys},
                "kept": left[row["source"]]["kept"],
                "dropped": left[row["source"]]["dropped"],
            }
            for row in collected["sources"]
            if row["source"] in left
        ],
    }


def page(result: dict) -> str:
    """The page of the documentation."""
    intro = (
        "# Curated sources\n\nWhat becomes of the rows of each source that is trained on, on the local copies that osler is developed "
        "with: half sets and development splits in many cases (docs/local-copies.md), not what the publishers have in full. Made by "
        f"`benchmarks/curated_sources.py` on {result['date']}; do not edit. `osler trace RUN ID` tells of one row, `report.html` of the "
        "run shows examples.\n\n"
        "A row is set aside when it gives no record (an empty answer, a hidden label); a record is dropped by a step of curation. "
        "Published validation and test splits are dropped: they are for examination."
    )
    parts = [intro]
    told = {
        EVERYTHING: "## Every source\n\nAll sources for training together, with the default options. MedQA's and MedMCQA's "
        "development questions are kept out of the rest.",
    }
    for name, run in result["runs"].items():
        head = told.get(name, f"## `recipes/{name}.yaml`")
        absent = f" Absent here: {', '.join(run['absent'])}." if run["absent"] else ""
        splits = ", ".join(f"{n:,} {split}" for split, n in run["splits"].items())
        parts.append(
            f"{head}\n\nKept: {splits}.{absent} {run['cpu_seconds']:,.0f} s of processor time.\n\n"
            + _table(run["sources"])
        )
    return "\n\n".join(parts) + "\n"


def _table(sources: list[dict]) -> str:
    lines = ["| source | license | rows in | set aside | records | kept | dropped |", "|---|---|--:|---|--:|--:|---|"]
    for row in sources:
        cells = [row["source"], row["license"], f"{row['read']:,}", _reasons(row["set_aside"]), f"{row['records']:,}"]
        lines.append("| " + " | ".join([*cells, f"{row['kept']:,}", _reasons(row["dropped"])]) + " |")
    total = [f"{sum(row[key] for row in sources):,}" for key in ("read", "records", "kept")]
    lines.append(f"| all | | {total[0]} | | {total[1]} | {total[2]} | |")
    return "\n".join(lines)


def _reasons(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in ordered if n) or "none"


if __name__ == "__main__":
    main()
