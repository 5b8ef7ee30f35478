"""What licenses permit, alone and together."""

from itertools import permutations

import pytest

from osler.records.license import FREE, UNKNOWN, Terms, combine, mix_of, terms_of, why_forbidden
from osler.runs.local_only import local_only

ATTRIBUTION = Terms(commercial=True, adaptations=True, share_alike=False, attribution=True)
SHARE_ALIKE = Terms(commercial=True, adaptations=True, share_alike=True, attribution=True)
NO_COMMERCE = Terms(commercial=False, adaptations=True, share_alike=False, attribution=True)

FACTS = {
    "CC0-1.0": FREE,
    "PDDL-1.0": FREE,
    "LicenseRef-public-domain": FREE,
    "LicenseRef-US-Gov-Work": FREE,
    "MIT": ATTRIBUTION,
    "Apache-2.0": ATTRIBUTION,
    "CC-BY-2.5": ATTRIBUTION,
    "CC-BY-4.0": ATTRIBUTION,
    "cc-by-4.0": ATTRIBUTION,
    "ODC-By-1.0": ATTRIBUTION,
    "CC-BY-SA-4.0": SHARE_ALIKE,
    "GPL-3.0-or-later": SHARE_ALIKE,
    "GPL-2.0+": SHARE_ALIKE,
    "ODbL-1.0": SHARE_ALIKE,
    "CC-BY-NC-4.0": NO_COMMERCE,
    "LicenseRef-research-only": NO_COMMERCE,
    "LicenseRef-PhysioNet-Credentialed-1.5.0": NO_COMMERCE,
    "CC-BY-NC-SA-3.0-IGO": Terms(commercial=False, adaptations=True, share_alike=True, attribution=True),
    "CC-BY-ND-4.0": Terms(commercial=True, adaptations=False, share_alike=False, attribution=True),
    "CC-BY-NC-ND-4.0": Terms(commercial=False, adaptations=False, share_alike=False, attribution=True),
    "CC-BY-NC": UNKNOWN,  # no such license without a version
    "LicenseRef-unclear": UNKNOWN,
    "all rights reserved": UNKNOWN,
    "": UNKNOWN,
    "MIT AND CC-BY-NC-4.0": NO_COMMERCE,
    "MIT AND Something-1.0": UNKNOWN,
    "MIT OR CC-BY-NC-4.0": ATTRIBUTION,
    "CC-BY-NC-4.0 OR MIT AND CC0-1.0": ATTRIBUTION,
    "(MIT OR CC0-1.0) AND CC-BY-4.0": UNKNOWN,
}


@pytest.mark.parametrize(("license_id", "terms"), FACTS.items())
def test_every_license_has_the_terms_of_its_text(license_id: str, terms: Terms) -> None:
    found = terms_of(license_id)
    if terms.is_known:
        assert found == terms
    else:
        assert (found.is_known, found.commercial) == (False, False)


def test_a_source_given_out_in_an_unclear_way_has_unknown_terms() -> None:
    assert terms_of("MIT", "unclear") == UNKNOWN
    assert terms_of("MIT", "application") == ATTRIBUTION
    assert [local_only(access) for access in ("open", "unclear", "application", "credentialed")] == [
        False,
        False,
        True,
        True,
    ]


def test_a_mix_permits_what_all_rows_permit_and_asks_what_any_row_asks_in_any_order() -> None:
    known = [terms_of(name) for name in ("CC0-1.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0")]
    wholes = {combine(order) for order in permutations(known)}
    assert wholes == {Terms(commercial=False, adaptations=False, share_alike=True, attribution=True)}
    for one in known:
        assert combine([one, one]) == one == combine([one, FREE])
        assert all(combine([one, other]).strictness >= one.strictness for other in known)


def mix(*licenses: str):
    return mix_of({name: terms_of(name) for name in licenses})


def test_a_mix_is_named_by_all_its_licenses_and_the_strictest() -> None:
    found = mix("MIT", "CC-BY-NC-4.0", "CC-BY-4.0")
    assert found.expression == "CC-BY-4.0 AND CC-BY-NC-4.0 AND MIT"
    assert found.strictest == "CC-BY-NC-4.0"
    assert not found.terms.commercial
    assert mix("MIT OR CC0-1.0", "MIT").expression == "MIT AND (MIT OR CC0-1.0)"
    assert mix("MIT", "LicenseRef-unclear").strictest == "LicenseRef-unclear"
    assert (mix().expression, mix().strictest, mix().terms) == ("", "", FREE)


@pytest.mark.parametrize(
    ("one", "other", "is_conflict"),
    [
        ("CC-BY-SA-4.0", "CC-BY-4.0", False),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0", False),
        ("CC-BY-SA-4.0", "GPL-3.0-only", False),
        ("CC-BY-SA-4.0", "GPL-2.0-only", True),
        ("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", True),
        ("CC-BY-SA-4.0", "CC-BY-NC-4.0", True),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", False),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0", True),
        ("CC-BY-SA-4.0", "LicenseRef-unclear", True),
        ("CC-BY-NC-4.0", "MIT", False),
    ],
)
def test_share_alike_that_another_license_cannot_follow_is_a_conflict(one: str, other: str, is_conflict: bool) -> None:
    assert bool(mix(one, other).conflicts) is bool(mix(other, one).conflicts) is is_conflict


@pytest.mark.parametrize(
    ("license_id", "research", "commercial"),
    [
        ("MIT", "", ""),
        ("CC-BY-SA-4.0", "", ""),
        ("CC-BY-NC-4.0", "", "no commercial use"),
        ("CC-BY-NC-ND-4.0", "no derivatives", "no derivatives"),
        ("LicenseRef-unclear", "", "unknown license"),
    ],
)
def test_a_use_is_barred_with_its_reason(license_id: str, research: str, commercial: str) -> None:
    for use, reason in (("research", research), ("commercial", commercial)):
        found = why_forbidden(terms_of(license_id), use)
        assert found.startswith(reason)
        assert bool(found) is bool(reason)
