"""Who may read what: restricted sources need a local copy and a stated agreement, and some copies are never read at all."""

from collections.abc import Mapping

from osler.errors import EnvironmentLacks, InputError
from osler.runs.local_only import local_only
from osler.sources.source import Source

_MIN_AGREEMENT_CHARS = 10
_SHARED_NOTES = (
    "it is a copy of credentialed clinical notes; their agreement forbids sharing, so a copy on the hub is no lawful source. "
    "Apply at https://physionet.org and use `{source}` with your own download"
)
DENIED: Mapping[str, str] = {
    "amu-cai/cameo": "it is speech for emotion recognition (audio in eight languages), not clinical cases; "
    "the guide that lists it uses no row of it",
    "wangrice/mimic_iii_notesicd_100k": _SHARED_NOTES.format(source="mimic_iii"),
    "dischargesum/radiology": _SHARED_NOTES.format(source="mimic_iv_note"),
}
"""Why a data set of that hub id, in lower case, is not read."""


def why_denied(name: str) -> str | None:
    """Why a data set is never read, by its hub id, its address on the hub or the last part of its id; None when it may be."""
    wanted = name.strip().casefold().rstrip("/").removeprefix("https://huggingface.co/datasets/")
    for denied, reason in DENIED.items():
        if wanted in {denied, denied.partition("/")[2]} - _COMMON_WORDS:
            return f"{denied} is not read: {reason}."
    return None


_COMMON_WORDS = frozenset({"radiology"})
"""Last parts of ids that may mean something else."""


def agreement_for(source: Source, agreements: Mapping[str, str]) -> str:
    """The stated agreement under which a source is read; empty for a source that needs none.

    Raises:
        EnvironmentLacks: the source is restricted and no agreement is stated.
        InputError: what is stated is no agreement.
    """
    if not local_only(source.access):
        return ""
    stated = agreements.get(source.name, "").strip()
    example = f"{source.license.removeprefix('LicenseRef-')}, signed 2026-01-02"
    if not stated:
        raise EnvironmentLacks(
            f"{source.name} is {source.access}: it may be read only under an agreement with its publisher ({source.home}). "
            "If you have one, state it in the recipe,\n"
            f'  collect: {{agreements: {{{source.name}: "{example}"}}}}\n'
            f'or on the command line with --agree {source.name}="...". It is recorded with the run, and the rows stay on '
            "this machine."
        )
    if len(stated) < _MIN_AGREEMENT_CHARS:
        raise InputError(
            f"the agreement stated for {source.name} is {stated!r}; write which agreement and when it was signed, "
            f'as in "{example}"'
        )
    return stated


def refuse_download(source: Source) -> None:
    """Hold that a restricted source is never downloaded by Osler.

    Raises:
        EnvironmentLacks: it is restricted; says how to provide a local copy.
    """
    if local_only(source.access):
        raise EnvironmentLacks(
            f"{source.name} is {source.access} and is never downloaded here. {how_to_provide(source)}"
        )


def how_to_provide(source: Source) -> str:
    """How a user gives Osler a local copy of a source."""
    sets = "; or ".join(" and ".join(group) for group in source.files)
    return (
        f"Get it from {source.home}, put its files ({sets}) into FOLDER/{source.name}/ and give `--from FOLDER`, "
        "or collect.root: FOLDER in a recipe."
    )
