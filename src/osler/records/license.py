"""What the license of a row permits, and what a mix of licenses permits as a whole.

Identifiers are those of the SPDX list (https://spdx.org/licenses/), in any case, or `LicenseRef-...` where there is none.
The facts, from the licenses' own texts: Creative Commons by the parts of the name (https://creativecommons.org/share-your-work/cclicenses/);
open data licenses from https://opendatacommons.org/licenses/ and https://cdla.dev/; software licenses from the permissions and
conditions at https://choosealicense.com/appendix/; CC BY-SA 4.0 into GPL-3.0 from https://creativecommons.org/compatiblelicenses/.

What is not known counts as not permitted for commerce. This is arithmetic over published conditions, not legal advice: it knows
nothing of contracts on generated text, of patients' consent, or of rights that a publisher did not hold.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from osler.records.record import Access

Use = Literal["research", "commercial"]

_CREATIVE_COMMONS = re.compile(r"(cc-by(?P<nc>-nc)?(?P<nd>-nd)?(?P<sa>-sa)?)-\d\.\d(?:-[a-z]{2,5})?")
_VERSION_CHOICE = re.compile(r"-only$|-or-later$|\+$")
_FREE = frozenset(["0bsd", "cc0-1.0", "cc-pddc", "nist-pd", "pddl-1.0", "unlicense"])
_ATTRIBUTION = frozenset(
    "apache-2.0 bsd-2-clause bsd-3-clause cdla-permissive-1.0 cdla-permissive-2.0 isc mit odc-by-1.0".split()
)
_SHARE_ALIKE = frozenset(
    "agpl-3.0 cdla-sharing-1.0 gfdl-1.1 gfdl-1.2 gfdl-1.3 gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 mpl-2.0 odbl-1.0".split()
)
_PUBLIC_DOMAIN_REFERENCE = re.compile(r"licenseref-.*(public-domain|us-gov)")
_RESEARCH_REFERENCE = re.compile(r"licenseref-.*(research|non-?commercial|physionet)")
_JOINED_BY_COMPATIBILITY = (frozenset(["cc-by-sa", "gpl-3.0"]),)


@dataclass(frozen=True, slots=True)
class Terms:
    """What one license, or several together, permit and ask."""

    commercial: bool
    """Whether commercial use is permitted."""
    adaptations: bool
    """Whether changed text may be passed on. A curated row is changed text."""
    share_alike: bool
    """Whether what is made of it must be passed on under the same license."""
    attribution: bool
    """Whether its origin must be named."""
    is_known: bool = True

    @property
    def strictness(self) -> int:
        """0 asks nothing, 1 attribution, 2 share alike, 3 no commerce, 4 no adaptations, 5 unknown."""
        if not self.is_known:
            return 5
        if not self.adaptations:
            return 4
        return 3 if not self.commercial else 2 if self.share_alike else 1 if self.attribution else 0


FREE = Terms(commercial=True, adaptations=True, share_alike=False, attribution=False)
UNKNOWN = Terms(commercial=False, adaptations=True, share_alike=False, attribution=True, is_known=False)


@dataclass(frozen=True, slots=True)
class Mix:
    """The strictest effective license of a set of rows."""

    expression: str
    """All licenses of the set, as an SPDX expression: each holds for its rows, all hold for the whole."""
    strictest: str
    """The one that permits least."""
    terms: Terms
    """What the whole permits: what every row permits. It asks what any row asks."""
    conflicts: tuple[tuple[str, str], ...]
    """Pairs of which one asks share alike and the other cannot be passed on under it. Rows side by side in a collection stay
    under their own licenses; one work made of both cannot be passed on."""


def terms_of(license_id: str, access: Access = "open") -> Terms:
    """The terms of one row's license: an SPDX id or expression with AND and OR (no brackets). Of a choice, the freest counts.

    Args:
        access: how the source is given out; where that is unclear, so are the terms.
    """
    if access == "unclear":
        return UNKNOWN
    choices = [combine(_single(part) for part in choice.split(" AND ")) for choice in license_id.split(" OR ")]
    return min(choices, key=lambda terms: terms.strictness)


def combine(several: Iterable[Terms]) -> Terms:
    """The terms of a whole: permits what all permit, asks what any asks. Of nothing: asks nothing."""
    parts = list(several)
    return Terms(
        commercial=all(terms.commercial for terms in parts),
        adaptations=all(terms.adaptations for terms in parts),
        share_alike=any(terms.share_alike for terms in parts),
        attribution=any(terms.attribution for terms in parts),
        is_known=all(terms.is_known for terms in parts),
    )


def mix_of(licenses: Mapping[str, Terms]) -> Mix:
    """The effective license of rows under these licenses.

    Args:
        licenses: the terms of each license that occurs.
    """
    ids = sorted(licenses)
    pairs = [
        (one, other)
        for one, other in combinations(ids, 2)
        if not (
            _accepts(one, licenses[one], other, licenses[other])
            and _accepts(other, licenses[other], one, licenses[one])
        )
    ]
    bracketed = [f"({name})" if " OR " in name else name for name in ids]
    return Mix(
        expression=" AND ".join(bracketed),
        strictest=max(ids, key=lambda name: (licenses[name].strictness, name), default=""),
        terms=combine(licenses.values()),
        conflicts=tuple(pairs),
    )


def why_forbidden(terms: Terms, use: Use) -> str:
    """Why an export for this use may not hold a row of these terms; empty when it may.

    Research is barred by what a license says. Commerce needs a license that permits it: unknown terms bar it.
    """
    if not terms.adaptations:
        return "no derivatives: changed text may not be passed on"
    if use == "commercial" and not terms.is_known:
        return "unknown license: nothing permits commercial use"
    return "no commercial use" if use == "commercial" and not terms.commercial else ""


def _single(license_id: str) -> Terms:
    name = _folded(license_id)
    if found := _CREATIVE_COMMONS.fullmatch(name):
        return Terms(not found["nc"], not found["nd"], bool(found["sa"]), attribution=True)
    if name in _FREE or _PUBLIC_DOMAIN_REFERENCE.match(name):
        return FREE
    if name in _ATTRIBUTION or name in _SHARE_ALIKE:
        return Terms(True, True, name in _SHARE_ALIKE, attribution=True)
    if _RESEARCH_REFERENCE.match(name):
        return Terms(commercial=False, adaptations=True, share_alike=False, attribution=True)
    return UNKNOWN


def _folded(license_id: str) -> str:
    return _VERSION_CHOICE.sub("", license_id.strip().lower())


def _accepts(name: str, terms: Terms, other_name: str, other: Terms) -> bool:
    """Whether a work with text of both may be passed on, as far as the first asks share alike."""
    if not terms.share_alike:
        return True
    if other.share_alike:
        families = {_family(name), _family(other_name)}
        return len(families) == 1 or families in _JOINED_BY_COMPATIBILITY
    return other.adaptations and other.is_known and (other.commercial or not terms.commercial)


def _family(license_id: str) -> str:
    """Versions of a Creative Commons license are one family: each lets what is made of it go out under a later one."""
    name = _folded(license_id)
    found = _CREATIVE_COMMONS.fullmatch(name)
    return found[1] if found else name
