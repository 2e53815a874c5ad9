"""Decorators that make cases of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.harness.case import Case, add
from conformance.harness.client_context import ClientContext
from conformance.harness.server_context import ServerContext

CaseFunction = Callable[[ServerContext], None]
ClientCaseFunction = Callable[[ClientContext], None]


def case(identity: str, *requirements: str, **options: Any) -> Callable[[CaseFunction], CaseFunction]:
    """Register the decorated function as the case ``identity``; its docstring is the summary.

    Args:
        identity: the id of the case.
        requirements: ids of the requirements that it checks.
        options: further attributes of :class:`Case`.
    """

    def decorate(function: CaseFunction) -> CaseFunction:
        add(Case(identity, requirements, (function.__doc__ or "").strip(), function, **options))
        return function

    return decorate


def client_case(
    identity: str, *requirements: str, **options: Any
) -> Callable[[ClientCaseFunction], ClientCaseFunction]:
    """Register the decorated function as a client's case; like :func:`case`."""

    def decorate(function: ClientCaseFunction) -> ClientCaseFunction:
        add(Case(identity, requirements, (function.__doc__ or "").strip(), function, role="client", **options))
        return function

    return decorate
