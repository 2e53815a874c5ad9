"""Runs one case on a target and returns the result, without a test runner."""

from __future__ import annotations

import shlex
import time
import traceback
import zlib

from conformance.core.options import as_arguments
from conformance.core.verdicts import (
    SERVER_ENDED,
    SERVER_STOPPED,
    GraveViolation,
    Late,
    TargetError,
    Unsupported,
    Verdict,
    Violation,
)
from conformance.core.versions import version_key
from conformance.harness.case import Case
from conformance.harness.client_context import ClientContext
from conformance.harness.context import CaseContext
from conformance.harness.server_context import ServerContext
from conformance.protocol.codec import contrast
from conformance.results.case_result import CaseResult
from conformance.specification import drafts
from conformance.targets.base import Target
from conformance.targets.client import ClientTarget
from conformance.targets.driver import DriverError
from conformance.targets.server import Loss, ServerTarget


def run_case(case: Case, target: Target) -> CaseResult:
    """Run ``case`` on ``target``.

    In any event, the connections of the case are closed, and a server process that died or stopped serving is replaced.

    Args:
        case: the case; its random seed is derived from the run's seed and its id.
        target: an entered target of the case's role. Its settings apply.

    Raises:
        TargetError: the server, or the client's driver, cannot be started or restarted.
    """
    result = try_case(case, target)
    _look_after(target, result)
    return result


def try_case(case: Case, target: Target) -> CaseResult:
    """Run ``case`` without replacing a server that does not survive it; else like :func:`run_case`."""
    context = _context(case, target)
    case = case.binding(target.protocol)
    result = CaseResult(case.id, list(case.requirements), case.level, Verdict.PASS, expected=True, duration_ms=0.0)
    result.purpose = case.summary
    start = time.monotonic()
    try:
        _check_needs(case, target)
        _judge(case, context, result)
    except Unsupported as reason:
        result.verdict, result.message = Verdict.UNSUPPORTED, str(reason)
    finally:
        context.close()
    # Two runs must say the same, or no known failure would fit the second one.
    result.message, result.step = map(target.without_names, (result.message, result.step))
    result.chance, result.watched = context.has_drawn, context.has_watched
    result.duration_ms = round((time.monotonic() - start) * 1000, 3)
    if target.settings.traces or result.verdict is not Verdict.PASS:
        result.trace = context.trace.as_json()
    result.reproduce = _reproduce(case, target)
    return result


def _context(case: Case, target: Target) -> CaseContext:
    seed = zlib.crc32(case.id.encode()) ^ target.settings.seed
    if isinstance(target, ClientTarget):
        return ClientContext(target, seed=seed)
    assert isinstance(target, ServerTarget), f"{case.id} is tried on neither a server nor a client"  # noqa: S101
    return ServerContext(target, seed=seed)


def _judge(case: Case, context: CaseContext, result: CaseResult) -> None:
    """Run the case function and turn its exceptions into a verdict; first check that the target has what it needs."""
    try:
        case.run(context)
        if context.first_attempt:
            result.verdict = Verdict.SLOW
            result.message = f"it failed at first ({context.first_attempt}), and passed with more time"
    except Violation as violation:
        breaks_must = case.level == "must" or isinstance(violation, GraveViolation)
        result.verdict = Verdict.FAIL if breaks_must else Verdict.WARN
        result.message = violation.message
        result.wanted, result.received = contrast(violation.expected, violation.received)
        result.step, result.needed = violation.step, violation.ability
        result.late, result.stopped = isinstance(violation, Late), violation.stopped
        printed = context.output() if result.late else ""
        result.received += f"\nIts last output:\n{printed}" if printed else ""
    except DriverError as error:
        result.verdict, result.message = Verdict.ERROR, str(error)
    except TargetError as error:
        result.verdict, result.message = Verdict.FAIL, str(error)
    except Unsupported:
        raise
    except Exception:  # noqa: BLE001 - the kit's own fault must show as such, and the run goes on
        result.verdict, result.message = Verdict.ERROR, traceback.format_exc()


def _reproduce(case: Case, target: Target) -> str:
    """Return the command that runs only this case again, with the same settings."""
    words = [word for pair in as_arguments(target.settings, is_rerun=True) for word in pair if word is not None]
    before = drafts.chosen_options()
    if case.profile in target.options.profiles:  # the server may not announce it
        before += ["--profile", str(case.profile)]
    start = " ".join(["ipc-conformance run", target.options.reproduce, *([shlex.join(before)] if before else [])])
    return f"{start} --case '{case.id}' {shlex.join(words)}"


def _check_needs(case: Case, target: Target) -> None:
    if version_key(case.since) > version_key(target.protocol):
        how = "is judged by" if target.settings.protocol else "states"
        raise Unsupported(f"the {case.role} {how} protocol {target.protocol}, and the rule is of {case.since}")
    if case.profile and case.profile not in target.profiles:
        raise Unsupported(f"the server does not announce the profile {case.profile}")
    missing = [name for name in case.needs if name not in target.responder]
    if missing:
        channels = ", ".join(f"conformance.{name}" for name in missing)
        raise Unsupported(f"the server has no handler on {channels} in the application conformance")
    if case.spawned and not target.process:
        raise Unsupported("needs a server that the kit starts itself (--server-cmd)")


def _look_after(target: Target, result: CaseResult) -> None:
    """Replace a server process that this case killed or hung, and record this in the result."""
    if not isinstance(target, ServerTarget):
        return  # a client's process ended with its case
    loss = target.recover(is_suspect=not result.verdict.is_clean)
    if loss and loss.has_ended:
        result.verdict, result.message, result.received = Verdict.FAIL, SERVER_ENDED, loss.text
        result.late = False
    elif loss:
        _note_stop(result, loss)


def _note_stop(result: CaseResult, loss: Loss) -> None:
    """Record that the server served nobody after a case, which is a failure even in a case about a SHOULD."""
    if result.verdict in (Verdict.WARN, Verdict.SLOW):
        result.verdict = Verdict.FAIL
        if not result.late:
            result.received = f"Before that: {result.message}\n{result.received}".rstrip()
            result.message = result.step = SERVER_STOPPED
            result.wanted = result.needed = ""
    result.received += f"\n{loss.text}"
    result.stopped, result.ends_run = True, loss.is_final
