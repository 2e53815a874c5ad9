"""The matrix as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.interop.expected import Expectations
from conformance.interop.matrix import Matrix
from conformance.interop.outcome import Cause, Outcome, Verdict
from conformance.interop.stories import STORIES
from conformance.interop.table import cell, grouped
from conformance.protocol import requirements

INTRODUCTION = """# Which client works with which server

Every client is run with every server, with a recording proxy between them. The stories below are what users do. A cell
has the number of stories that:

- *work*: everything happened that the story expects
- are *noted*: it worked, but a requirement was not followed, or users have to do something themselves
- are *broken*: something did not happen. The causes at the end name the side at fault.

`nox -s interop-matrix` runs the matrix. It fails if a cell changes, or if this page is out of date.
`ipc-conformance interop` runs it for your own client or server ([how](testing-a-client.md#with-every-server)). This
page is generated; do not edit it:

```console
$ ipc-conformance interop --json results/interop-matrix.json --markdown docs/interop.md
```

![How many stories work, are noted, or are broken, by the client or by the server, for each pair](pictures/interop.svg)

`nox -s picture` draws this from the table and the causes.
"""


def page(matrix: Matrix, expectations: Expectations) -> str:
    """Return the page, in Markdown; the same outcomes give the same page."""
    parts = (
        INTRODUCTION,
        "\n".join(_cells(matrix)),
        "## Stories\n",
        "\n".join(_stories(matrix)),
        "## What does not work, and whose fault it is\n",
        "\n".join(_causes(matrix, expectations)),
    )
    return "\n".join(parts).rstrip() + "\n"


def _cells(matrix: Matrix) -> Iterator[str]:
    yield f"| client | {' | '.join(matrix.servers)} |"
    yield "|---" * (len(matrix.servers) + 1) + "|"
    for client in matrix.clients:
        yield f"| {client} | {' | '.join(cell(matrix.cell(client, server)) for server in matrix.servers)} |"
    yield ""


def _stories(matrix: Matrix) -> Iterator[str]:
    yield "| story | works if | works for |"
    yield "|---|---|---|"
    for name in matrix.stories:
        outcomes = matrix.row(name)
        good = sum(each.verdict in (Verdict.WORKS, Verdict.NOTE) for each in outcomes)
        yield f"| `{name}` | {STORIES[name].title} | {good} of {len(outcomes)} pairs |"
    yield ""


def _causes(matrix: Matrix, expectations: Expectations) -> Iterator[str]:
    for cause, outcomes in matrix.by_cause():
        yield f"### {_heading(cause)}\n"
        for reason in _reasons(cause, outcomes, expectations):
            yield f"{reason}\n"
        for verdict in (Verdict.BROKEN, Verdict.NOTE):
            for story, clients, servers in grouped([each for each in outcomes if each.verdict_of(cause) is verdict]):
                yield f"- {verdict}, `{story}`: {', '.join(clients)} with {', '.join(servers)}"
        yield ""


def _heading(cause: Cause) -> str:
    """Return the message, the requirement if there is one, and the party."""
    message = cause.message[0].upper() + cause.message[1:]
    found = requirements.load().get(cause.requirement)
    link = f"[{found.id}](../{requirements.section_link(found)}), " if found else ""
    return f"{message} ({link}fault of the {cause.party})"


def _reasons(cause: Cause, outcomes: list[Outcome], expectations: Expectations) -> list[str]:
    cells = [(each.client, each.server, each.story) for each in outcomes]
    entries = (each for each in expectations.causes if each.cause == cause and any(each.covers(*one) for one in cells))
    return list(dict.fromkeys(each.reason for each in entries))
