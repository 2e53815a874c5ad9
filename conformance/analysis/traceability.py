"""The ledger: for each requirement its cases, their verdicts, and the mutants that they detect."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from conformance.cases.catalogue import all_cases
from conformance.core.roles import Role
from conformance.core.verdicts import Verdict
from conformance.core.versions import FIRST_VERSION, version_key
from conformance.harness.case import Case
from conformance.protocol import schemas
from conformance.protocol.files import read_json
from conformance.protocol.requirements import Requirement, load, section_link
from conformance.protocol.vectors import load as load_vectors

FORMAT = "ipc-conformance-ledger/1"
MUTANTS_FORMAT = "ipc-conformance-mutants/1"
NOT_EXECUTED = "not executed"
UNTRIED = "none of its cases was executed"


@dataclass(frozen=True)
class Killing:
    """A mutant, and the case that detected it; none if it survived."""

    mutant: str
    killer: str


@dataclass
class Evidence:
    """The evidence for one requirement.

    Attributes:
        rule: the requirement.
        cases: ids of the cases that check it.
        verdicts: by target, the worst verdict of the executed cases, or ``not executed``.
        mutants: servers or clients that break it on purpose.
        reason: why there can be no mutant, or why the requirement cannot be observed.
        problems: the gaps.
    """

    rule: Requirement
    cases: list[str]
    verdicts: dict[str, str] = field(default_factory=dict)
    mutants: list[Killing] = field(default_factory=list)
    reason: str = ""
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        return {
            "id": self.rule.id,
            "level": self.rule.level,
            "text": self.rule.text,
            "link": section_link(self.rule),
            "cases": self.cases,
            "verdicts": self.verdicts,
            "mutants": [vars(each) for each in self.mutants],
            "reason": self.reason,
            "problems": self.problems,
        }


@dataclass
class Ledger:
    """The evidence for every requirement in force that binds a role, and further problems."""

    role: Role
    targets: list[str]
    entries: list[Evidence]
    problems: list[str]

    @property
    def all_problems(self) -> list[str]:
        """All gaps and problems, one per line."""
        found = [f"{each.rule.id}: {problem}" for each in self.entries for problem in each.problems]
        return [*found, *self.problems]

    def as_json(self) -> dict[str, Any]:
        """Return the ledger's content (schema ``tools/ledger``)."""
        return {
            "format": FORMAT,
            "role": self.role,
            "targets": self.targets,
            "requirements": [each.as_json() for each in self.entries],
            "problems": self.problems,
        }


def read(paths: Sequence[Path], role: Role) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the results and mutants files of a role.

    Returns:
        the results files by their names without folder and suffix, and the mutants files.

    Raises:
        ValueError: a file cannot be read, is neither, or two targets have the same name; the message says why.
    """
    results, mutants = dict[str, Any](), list[dict[str, Any]]()
    for path in paths:
        content = read_json(path, "tools/evidence", "evidence")
        if content["format"] == MUTANTS_FORMAT:
            mutants += [content] if content["role"] == role else []
        elif content["target"]["role"] == role:
            if path.stem in results:
                raise ValueError(f"two results files are named {path.stem}; rename one, the name identifies the target")
            results[path.stem] = content
    return results, mutants


def build(role: Role, results: Mapping[str, Any], mutants: Sequence[Mapping[str, Any]]) -> Ledger:
    """Combine results and mutants to a ledger.

    Args:
        role: the role that the requirements bind.
        results: contents of results files of that role, by the name of their target.
        mutants: contents of mutants files of that role.
    """
    cases = [each for each in all_cases().values() if each.role == role]
    verdicts = {target: _worst(content["results"]) for target, content in results.items()}
    rules = [rule for rule in load().values() if rule.is_in_force and rule.binds(role)]
    entries = [Evidence(rule, [each.id for each in cases if rule.id in each.requirements]) for rule in rules]
    for entry in entries:
        entry.verdicts = {target: found.get(entry.rule.id, NOT_EXECUTED) for target, found in verdicts.items()}
        entry.mutants = [
            Killing(each["name"], each["killer"])
            for content in mutants
            for each in content["mutants"]
            if each["requirement"] == entry.rule.id
        ]
        entry.reason = _reason(entry.rule, mutants)
        entry.problems = list(_lacks(entry, has_mutants=bool(mutants)))
        if entry.verdicts and _is_of_other_targets(entry, cases, results):
            entry.problems = [each for each in entry.problems if each != UNTRIED]
    partial = [
        f"the results file {name} is of an interrupted run; run it again"
        for name, content in results.items()
        if content.get("interrupted")
    ]
    others = [*_strangers(cases), *_unused_vectors(cases), *_unused_schemas()]
    return Ledger(role, list(results), entries, [*partial, *others])


def _is_of_other_targets(entry: Evidence, cases: Iterable[Case], results: Mapping[str, Any]) -> bool:
    """Return true if each case of a requirement is for a profile that no target has, or itself of a later version."""
    targets = [content["target"] for content in results.values()]
    has = {profile for target in targets for profile in target["profiles"]}
    newest = max(version_key(target.get("protocol") or FIRST_VERSION) for target in targets)
    profiles = {each.profile for each in cases if each.id in entry.cases}
    return version_key(entry.rule.since) > newest or not profiles & {None, *has}


def _worst(results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the worst verdict of the executed cases, by requirement."""
    found = dict[str, Verdict]()
    for each in results:
        verdict = Verdict(each["verdict"])
        for rule in each["requirements"] if verdict.is_executed else ():
            found[rule] = max(found.get(rule, Verdict.PASS), verdict, key=lambda either: either.severity)
    return {rule: str(verdict) for rule, verdict in found.items()}


def _reason(rule: Requirement, mutants: Sequence[Mapping[str, Any]]) -> str:
    reasons = [each["reason"] for content in mutants for each in content["without"] if each["requirement"] == rule.id]
    return " ".join([*([rule.reason] if rule.reason else []), *reasons])


def _lacks(entry: Evidence, *, has_mutants: bool) -> Iterable[str]:
    """Yield the gaps of a MUST."""
    if not entry.rule.is_must or entry.rule.verify == "excluded":
        return
    if not entry.cases:
        yield "no case checks it"
    elif entry.verdicts and all(verdict == NOT_EXECUTED for verdict in entry.verdicts.values()):
        yield UNTRIED
    if has_mutants and not entry.mutants and not entry.reason:
        yield "it has no mutant, and no reason for having none"
    for each in entry.mutants:
        if not each.killer:
            yield f"the mutant {each.mutant} survived"


def _strangers(cases: Iterable[Case]) -> Iterable[str]:
    known = load()
    for case in cases:
        for rule in case.requirements:
            if rule not in known or not known[rule].is_in_force:
                yield f"case {case.id} names {rule}, which is not a requirement in force"


def _unused_vectors(cases: Iterable[Case]) -> Iterable[str]:
    """Yield vectors that no case sends; vectors are for servers only."""
    golden = Counter(case.chapter for case in cases)["golden"]
    if golden and golden != len(load_vectors()):
        yield f"{len(load_vectors()) - golden} golden vectors are not sent by any case"


def _unused_schemas() -> Iterable[str]:
    """Yield wire schemas that neither a chapter nor a linked schema refers to."""
    chapters = [file.read_text("utf-8") for file in files("ipc_spec").iterdir() if file.name.endswith(".md")]
    used, found = set[str](), set(re.findall(r"\(\.\./schemas/([a-z-]+)\.schema\.json", " ".join(chapters)))
    while found:
        used |= found
        referred = (re.findall(r'"([a-z-]+)\.schema\.json', json.dumps(schemas.document(name))) for name in found)
        found = {name for names in referred for name in names} - used
    for name in sorted(set(schemas.wire_schemas()) - used):
        yield f"the schema {name} is unused: no chapter and no other schema refers to it"
