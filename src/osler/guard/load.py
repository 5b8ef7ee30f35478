"""Reading a policy: one versioned YAML file that says what the guard looks for, what it does then, and what it says.

The file carries its own tests. `load_policy` checks its shape, runs every test, looks for regular expressions that a
hostile text could stall, and refuses emergency numbers past their date. A policy that fails anything is not loaded.
"""

import gc
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from osler.errors import InputError
from osler.guard.classify import load_classifier
from osler.guard.patterns import Compiler
from osler.guard.policy import CLASSIFIER, Language, Policy, Rule, Sense, TriggerIndex
from osler.guard.schema import ChangesSpec, IntentSpec, LanguageSpec, PolicySpec, RuleSpec
from osler.guard.selftest import prove
from osler.guard.vocabulary import vocabulary_of
from osler.models.action import ACTIONS, Action

SHIPPED = ("education", "clinician")
"""Names of the policies that come with the package."""

_ESCAPE = re.compile(r"\\[a-z]")
_FOLDER = Path(__file__).parent / "policies"


def load_policy(name_or_path: str | Path, today: date, *, rules_alone: bool = False) -> Policy:
    """Read, compile and test a policy.

    Args:
        name_or_path: a policy that ships (`education`) or a file.
        today: the day on which the emergency numbers must still hold.
        rules_alone: leave the classifier out.

    All that the process holds by then is set apart from its garbage collector (`gc.freeze`).

    Raises:
        InputError: the file is absent, its shape is wrong, a test fails, an expression can be stalled, or the numbers are
            out of date. Names policy, rule and test.
    """
    spec, content, tests = _read(str(name_or_path))
    if rules_alone:
        spec = spec.model_copy(update={"classifier": None})
    if spec.numbers.expires < today:
        raise InputError(
            f"policy {spec.policy.id}: its emergency numbers hold until {spec.numbers.expires}, today is {today}. "
            "Look the numbers up again and move numbers.expires."
        )
    policy = _compiled(spec, content, tests)
    prove(policy)
    # A policy's many expressions and tables stay: set apart, the garbage collector no longer stops a check to walk through them.
    gc.collect()
    gc.freeze()
    return policy


def _read(name: str) -> tuple[PolicySpec, bytes, Mapping[Action, list[str]]]:
    """The policy, the bytes that its digest covers, and the whole texts it is tested with."""
    path = _FOLDER / f"{name}.yaml" if name in SHIPPED else Path(name)
    if not path.is_file():
        raise InputError(f"policy {name}: no such file. Give {' or '.join(SHIPPED)}, or the path of a policy file.")
    content = path.read_bytes()
    try:
        # The C loader reads the file ten times as fast; it is there wherever PyYAML comes as a wheel.
        raw: Any = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
        if not isinstance(raw, dict) or "base" not in raw:
            return PolicySpec.model_validate(raw), content, {}
        changes = ChangesSpec.model_validate(raw)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"policy {name}: not YAML{place}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise InputError(f"policy {name}: " + "; ".join(lines)) from error
    if changes.base not in SHIPPED or changes.base == name:
        raise InputError(f"policy {name}: base {changes.base!r} is not a policy that ships: {', '.join(SHIPPED)}")
    base, base_content, _ = _read(changes.base)
    return _changed(base, changes), base_content + b"\0" + content, changes.tests


def _changed(base: PolicySpec, changes: ChangesSpec) -> PolicySpec:
    named = {*changes.actions, *changes.intent_templates, *changes.thresholds} - {"default"}
    ids = {rule.id for intent in base.intents.values() for rule in intent.rules}
    unknown = sorted((named - set(base.intents)) | (set(changes.drop_rules) - ids))
    if unknown:
        raise InputError(f"policy {changes.policy.id}: {changes.base} has no intent or rule {', '.join(unknown)}")
    intents = {}
    for name, intent in base.intents.items():
        own = changes.intent_templates.get(name)
        kept = [rule for rule in intent.rules if rule.id not in changes.drop_rules]
        rules = [rule.model_copy(update={"template": None}) for rule in kept] if own else kept
        facts = {"action": changes.actions.get(name, intent.action), "template": own or intent.template, "rules": rules}
        intents[name] = intent.model_copy(update=facts)
    update: dict[str, Any] = {
        "policy": changes.policy,
        "intents": intents,
        "templates": base.templates | changes.templates,
        "disclaimer": changes.disclaimer or base.disclaimer,
        "gates": base.gates | changes.gates,
        "max_chars": changes.max_chars or base.max_chars,
    }
    if base.classifier is not None:
        thresholds = base.classifier.thresholds | changes.thresholds
        update["classifier"] = base.classifier.model_copy(update={"thresholds": thresholds})
    return base.model_copy(update=update)


def _compiled(spec: PolicySpec, content: bytes, tests: Mapping[Action, list[str]]) -> Policy:
    name = spec.policy.id
    try:
        compiler = Compiler(spec.lexicons)
        facts = {fact: compiler.compile_all(patterns) for fact, patterns in spec.facts.items()}
    except InputError as error:
        raise InputError(f"policy {name}: {error}") from error
    if spec.numbers.default not in spec.numbers.countries:
        raise InputError(f"policy {name}: numbers.default {spec.numbers.default!r} is not among numbers.countries")
    sense, words = _sense(spec, compiler), vocabulary_of([_ESCAPE.sub(" ", content.decode("utf-8"))])
    rules, output_rules = _rules(spec, spec.intents, compiler), _rules(spec, spec.output, compiler)

    def index(of: tuple[Rule, ...]) -> TriggerIndex:
        triggers = [trigger for rule in of for trigger in rule.triggers()]
        return TriggerIndex(triggers, lambda word: compiler.gate.present((word,), compiler.marks))

    return Policy(
        id=name,
        version=spec.policy.version,
        sha256=hashlib.sha256(content).hexdigest(),
        rules=rules,
        output_rules=output_rules,
        triggers=index(rules),
        output_triggers=index(output_rules),
        facts=facts,
        gate=compiler.gate,
        marks=compiler.marks,
        vocabulary=replace(words, more=sense.classifier.words) if sense is not None else words,
        sense=sense,
        languages=tuple(_language(code, language) for code, language in spec.languages.items()),
        templates=spec.templates,
        template_of={rule.id: rule.template for rule in (*rules, *output_rules)}
        | {f"{CLASSIFIER}.{intent}": entry.template for intent, entry in spec.intents.items()},
        numbers=spec.numbers.countries,
        default_country=spec.numbers.default,
        expires=spec.numbers.expires,
        disclaimer=spec.disclaimer.text,
        disclaimer_unless=re.compile(spec.disclaimer.unless, re.IGNORECASE),
        gates=spec.gates,
        max_chars=spec.max_chars,
        timeout_s=spec.timeout_s,
        tests=tests,
    )


def _sense(spec: PolicySpec, compiler: Compiler) -> Sense | None:
    if spec.classifier is None:
        return None
    chosen, intents = spec.classifier, spec.intents
    unknown = sorted(
        {
            *chosen.thresholds,
            *chosen.kinds,
            *chosen.doubts,
            *chosen.yields,
            *chosen.yields.values(),
            *([chosen.softer] if chosen.kinds else []),
        }
        - {"default", *intents}
    )
    if unknown or "default" not in chosen.thresholds:
        raise InputError(
            f"policy {spec.policy.id}: classifier.thresholds needs `default`; it, kinds, doubts, yields and softer may name intents of this policy; "
            f"unknown: {', '.join(unknown) or 'none'}"
        )
    return Sense(
        load_classifier(),
        {intent: entry.action for intent, entry in intents.items()},
        {intent: chosen.thresholds.get(intent, chosen.thresholds["default"]) for intent in intents},
        compiler.compile(chosen.story).need if chosen.story else 0,
        {intent: compiler.compile(pattern) for intent, pattern in chosen.kinds.items()},
        compiler.compile(chosen.about) if chosen.kinds else None,
        compiler.compile(chosen.whether) if chosen.whether else None,
        chosen,
    )


def _rules(spec: PolicySpec, intents: Mapping[str, IntentSpec], compiler: Compiler) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    seen: set[str] = set()
    for intent, entry in intents.items():
        for rule in entry.rules:
            where = f"policy {spec.policy.id}, rule {rule.id}"
            template = rule.template or entry.template
            if template not in spec.templates:
                raise InputError(f"{where}: template {template!r} is not among templates")
            if rule.fact is not None and rule.fact not in spec.facts:
                raise InputError(f"{where}: fact {rule.fact!r} is not among facts")
            if rule.id in seen:
                raise InputError(f"{where}: two rules have this id")
            seen.add(rule.id)
            try:
                rules.append(_rule(rule, intent, entry.action, template, compiler))
            except InputError as error:
                raise InputError(f"{where}: {error}") from error
    return tuple(sorted(rules, key=lambda rule: ACTIONS.index(rule.action)))


def _rule(spec: RuleSpec, intent: str, action: Action, template: str, compiler: Compiler) -> Rule:
    also = compiler.compile_all(spec.also)
    return Rule(
        id=spec.id,
        intent=intent,
        action=action,
        template=template,
        any=compiler.compile_all(spec.any),
        also=also,
        unless=compiler.compile_all(spec.unless),
        fact=spec.fact,
        tests=spec.tests,
        also_need=reduce(or_, (pattern.need for pattern in also), 0),
    )


def _language(code: str, spec: LanguageSpec) -> Language:
    def joined(patterns: list[str]) -> re.Pattern[str] | None:
        # Words of a Latin script end somewhere; Chinese has no spaces and Hindi and Arabic add endings.
        edge = "" if spec.letters else r"\b"
        return re.compile(edge + "(?:" + "|".join(patterns) + ")" + edge) if patterns else None

    return Language(
        code=code,
        letters=re.compile(f"[{spec.letters}]") if spec.letters else None,
        stop_words=frozenset(spec.stop_words),
        crisis=joined(spec.crisis),
        emergency=joined(spec.emergency),
        replies=spec.replies,
        disclaimer=spec.disclaimer,
        tests=spec.tests,
    )
