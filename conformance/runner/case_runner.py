"""Runs one case on a target and returns the result, without a test runner."""

from __future__ import annotations

import shlex
import time
import traceback
import zlib

from conformance.core.options import as_arguments
from conformance.core.verdicts import SERVER_ENDED, BrokenFrame, TargetError, Unsupported, Verdict, Violation
from conformance.harness.case import Case
from conformance.harness.client_context import ClientContext
from conformance.harness.context import CaseContext
from conformance.harness.server_context import ServerContext
from conformance.results.case_result import CaseResult
from conformance.targets.base import Target
from conformance.targets.client import ClientTarget
from conformance.targets.server import ServerTarget


def run_case(case: Case, target: Target) -> CaseResult:
    """Run ``case`` on ``target``.

    In any event, the connections of the case are closed, and a server process that died or stopped serving is replaced.

    Args:
        case: the case; its random seed is derived from the run's seed and its id.
        target: an entered target of the case's role. Its settings apply.

    Raises:
        TargetError: the server, or the client's driver, cannot be started or restarted.
    """
    context = _context(case, target)
    result = CaseResult(case.id, list(case.requirements), case.level, Verdict.PASS, expected=True, duration_ms=0.0)
    start = time.monotonic()
    try:
        _check_needs(case, target)
        _judge(case, context, result)
    except Unsupported as reason:
        result.verdict, result.message = Verdict.UNSUPPORTED, str(reason)
    finally:
        context.close()
    result.duration_ms = round((time.monotonic() - start) * 1000, 3)
    _look_after(target, result)
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
    except Violation as violation:
        breaks_must = case.level == "must" or isinstance(violation, BrokenFrame)
        result.verdict = Verdict.FAIL if breaks_must else Verdict.WARN
        result.message, result.received = violation.message, violation.received
        result.wanted = violation.expected
    except TargetError as error:
        result.verdict, result.message = Verdict.FAIL, str(error)
    except Unsupported:
        raise
    except Exception:  # noqa: BLE001 - the kit's own fault must show as such, and the run goes on
        result.verdict, result.message = Verdict.ERROR, traceback.format_exc()


def _reproduce(case: Case, target: Target) -> str:
    """Return the command that runs only this case again, with the same settings."""
    words = [word for pair in as_arguments(target.settings, is_rerun=True) for word in pair if word is not None]
    options = shlex.join(words)
    return f"ipc-conformance run {target.options.reproduce} --case '{case.id}' {options}"


def _check_needs(case: Case, target: Target) -> None:
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
    elif loss:
        result.received += f"\n{loss.text}"
