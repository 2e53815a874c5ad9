"""Edits that hide what they break: in a list, in a subschema, behind a name that looks new, in two steps.

The gate once called each of them safe.
"""

from __future__ import annotations

import copy
from typing import Any

from edits import GET_TIME, PRESENCE, Edit, Hit, members, new_schema, requirement, reserve, schema, text, vectors

from conformance.gate.model.findings import NOBODY, RECEIVERS, SENDERS

BATCH_ROW = "| `batch` | [Batch](15-batch.md) | | |\n"
ITEMS = "| items of a batch |"
ALIAS: Any = {
    "type": "object",
    "properties": {"alias": {"type": "string"}},
    "required": ["alias", "name", "healthy"],
}
STATE = "| `awaiting_connect` | `connect_accepted` | `open` |"


def message(row: str) -> Edit:
    """Add a row to the table of messages."""
    return text("19-messages.md", GET_TIME, f"{GET_TIME}| {row} |\n")


def limit(row: str) -> Edit:
    """Add a row to the table of limits."""
    return text("10-limits.md", ITEMS, f"| {row} |\n{ITEMS}")


def profile(cells: str) -> Edit:
    """Add a profile that reserves channels and adds actions."""
    return text("12-profiles.md", BATCH_ROW, f"{BATCH_ROW}| `all` | [All](20-all.md) | {cells} |\n")


def either(document: Any) -> None:
    """Let an answer of the queue have one member or another, each of which only one alternative names."""
    job_id = document["properties"].pop("job_id")
    names = ["job_id", "position"]
    document["anyOf"] = [
        {"properties": {"job_id": job_id}, "required": ["job_id"]},
        {"properties": {"position": {"type": "integer"}}, "required": ["position"]},
        {"not": {"anyOf": [{"required": [name]} for name in names]}},
    ]


def known_alone(document: Any) -> Any:
    """Return a schema that takes the members of another one and no others."""
    return {"properties": dict.fromkeys(document["properties"], True), "additionalProperties": False}


def split(document: Any) -> None:
    """Let a message have to be one of some and one of the others."""
    document["anyOf"] = document["oneOf"][3:]
    del document["oneOf"][3:]


def spaced(vector: Any, **changes: Any) -> Any:
    """Return a vector with the same message in other octets, and another outcome."""
    twin = copy.deepcopy(vector)
    twin["body"] = {"text": f" {twin['body']['text']}\n"}
    return {**twin, "id": "batch/spaced", "expect": {"outcome": "accepted", "answer": "pong"}, **changes}


def hits(rule: str, edits: dict[str, Any], breaks: Any = None) -> list[Hit]:
    """Return an edit or more for each pointer."""
    further = {} if breaks is None else {"breaks": breaks}
    return [Hit(rule, [edit], pointer, **further) for pointer, found in edits.items() for edit in found]


EVASIONS = [
    *hits(
        "unseen-changed",
        {
            "schemas/client-message#/oneOf": [
                schema("client-message", lambda d: d["oneOf"].append({"$ref": "connect-message.schema.json"})),
                schema("client-message", lambda d: d["oneOf"].append({"$ref": "envelope.schema.json"})),
                schema("client-message", lambda d: d["oneOf"].append(d["oneOf"][0])),
                schema("client-message", split),
            ],
            "schemas/queue-request#/oneOf": [
                schema("queue-request", lambda d: d["oneOf"].append({"$ref": "#/$defs/enqueue"}))
            ],
        },
    ),
    *hits(
        "receivers-broken",
        {
            "schemas/queue-ok#/properties/job_id": [schema("queue-ok", either)],
            "schemas/services#/properties/services/items/$ref": [
                schema(
                    "services",
                    lambda d: members(d)["services"].update(items={"anyOf": [{"$ref": "#/$defs/service"}, ALIAS]}),
                )
            ],
        },
        RECEIVERS,
    ),
    *hits(
        "openness-changed",
        {
            "schemas/connect#/allOf": [
                schema("connect", lambda d: d.update(allOf=[known_alone(d)])),
                schema("connect", lambda d: d.update(allOf=[{"propertyNames": {"enum": [*d["properties"]]}}])),
                schema("connect", lambda d: d.update(allOf=[{"maxProperties": 9}])),
                schema("connect", lambda d: d.update(allOf=[{"maxProperties": 1000}])),
                schema("connect", lambda d: d.update(allOf=[{"propertyNames": {"maxLength": 64}}])),
                schema("connect", lambda d: d.update(allOf=[{"patternProperties": {"^x-": {"type": "string"}}}])),
                schema("connect", lambda d: d.update(allOf=[{"patternProperties": {"^secret-": False}}])),
            ],
            "schemas/connect#/then": [schema("connect", lambda d: d.update({"then": known_alone(d), "if": True}))],
            "schemas/connect#/not": [schema("connect", lambda d: d.update({"not": {"required": ["debug"]}}))],
            "schemas/pong#/maxProperties": [schema("pong", lambda d: d.update(maxProperties=1))],
            "schemas/job#/additionalProperties": [schema("job", lambda d: d.pop("additionalProperties"))],
        },
    ),
    *hits(
        "name-claimed",
        {
            "members/queue-request#/$defs/enqueue:job.tags": [
                schema("job", lambda d: d["properties"].update(tags=True))
            ],
            "members/publish:payload.ttl": [
                schema("publish", lambda d: d["properties"].update(payload={"properties": {"ttl": {"default": 60}}}))
            ],
            "members/queue-request#/$defs/enqueue:job.data.trace": [
                schema("job", lambda d: d["properties"].update(data={"properties": {"trace": True}}))
            ],
        },
        SENDERS,
    ),
    *hits(
        "default-changed",
        {
            "members/queue-request#/$defs/enqueue:job.scheduledFor": [
                schema(
                    "job",
                    lambda d: d["properties"].update(
                        scheduledFor={"allOf": [d["properties"]["scheduledFor"], {"default": 0}]}
                    ),
                )
            ],
            "members/queue-request#/$defs/enqueue:job.attempts": [
                schema("job", lambda d: d["properties"]["attempts"].update(default=False))
            ],
            "members/services:services": [
                schema("services", lambda d: members(d)["services"]["items"].update(default={"name": "x"}))
            ],
        },
    ),
    *hits(
        "fatality-flipped",
        {
            "schemas/error-code#": [
                schema("error-code", lambda d: d["oneOf"].reverse()),
                schema("error-code", lambda d: d["oneOf"][0]["enum"].append(d["oneOf"][1]["enum"].pop())),
                schema("error-code", lambda d: d["oneOf"][0].update(title=d["oneOf"][1]["title"])),
            ]
        },
    ),
    Hit(
        "fatality-flipped",
        [*PRESENCE, text("20-presence.md", "| `nobody_there` | no |", "| `no_handler` | yes |")],
        "tables/error-codes/no_handler/presence",
    ),
    *hits(
        "event-added",
        {
            "tables/messages/queue:dead/buried/server": [
                message("`queue:dead` | `buried` | publish | server | `queue-event` | | queue")
            ],
            "tables/messages/`queue:d:` and a name/buried/server": [
                message("`queue:d:` and a name | `buried` | publish | server | `queue-event` | | queue")
            ],
            "tables/messages/any/notice/server": [
                message("any | `notice` | notification | server | `queue-event` | | queue")
            ],
            "tables/messages/status/load/server": [
                message("`status` | `load` | publish | server | `queue-event` | | ")
            ],
        },
        RECEIVERS,
    ),
    Hit(
        "event-added",
        [*PRESENCE, message("`queue_manager` | `came` | publish | server | `queue-event` | | presence")],
        "tables/messages/queue_manager/came/server",
        RECEIVERS,
    ),
    *hits(
        "envelope-added",
        {
            "tables/envelopes/stream/client": [
                text("19-messages.md", "| `publish` | client | `publish` |\n", "| `stream` | client | `publish` |\n")
            ]
        },
    ),
    *hits(
        "payload-swapped",
        {"tables/messages/any/ping/client": [message("any | `ping` | request | client | | `time` | ")]},
    ),
    *hits(
        "profile-member-moved",
        {
            "tables/messages/queue_manager/purge/client": [
                message("`queue_manager` | `purge` | request | client | | `queue-ok` | ")
            ],
            "tables/profiles/batch": [text("12-profiles.md", "[Batch](15-batch.md)", "[Batch](04-handshake.md)")],
        },
    ),
    *hits(
        "channels-reserved",
        {
            "tables/profiles/all": [
                profile("all channels | "),
                profile("the channel `queue_manager` | "),
                profile("the channels that begin with `queue:em` | "),
                profile(" | `ping`, `get_load`"),
                profile(" | `get_load` and `ping`"),
                profile("the channels that begin with `service` | "),
                profile("the channel `presence` and every one with an underscore | "),
            ],
            "tables/profiles/discovery": [
                text("12-profiles.md", "`get_service_instances` |", "`get_service_instances`, `watch` and `ping` |")
            ],
            "tables/messages/presence/set/client": [message("`presence` | `set` | request | client | | `queue-ok` | ")],
            "tables/messages/any/describe/client": [
                message("any | `describe` | request | client | | `queue-ok` | queue")
            ],
        },
    ),
    *hits(
        "limit-changed",
        {
            "tables/limits/length of a name/at least": [
                limit("length of a name | at least | 8 | characters | server | receiver | FRM-008"),
                limit("length of a name | at least | 8 | characters | server | receiver | FRM-008, FRM-009"),
            ],
            "tables/limits/Items of a batch/at most": [
                limit("Items of a batch | at most | 8 | items | server | receiver | FRM-008")
            ],
            "tables/limits/connections at the same time/at least": [
                text("10-limits.md", "server | receiver | LIM-008 |", "server | receiver | LIM-016 |")
            ],
        },
    ),
    Hit(
        "limit-changed",
        [
            requirement("A server SHOULD take no more than a thousand."),
            limit("subscriptions of a connection | at most | 1000 | channels | server | receiver | SYS-008"),
        ],
        "tables/limits/subscriptions of a connection/at most",
    ),
    Hit(
        "duty-added",
        [
            text("12-profiles.md", "[Batch](15-batch.md)", "[Batch](11-system.md)"),
            requirement("A server that announces `batch` MUST refuse more than ten items."),
        ],
        "requirements/SYS-008",
    ),
    Hit(
        "target-changed",
        [text("12-profiles.md", BATCH_ROW, f"{BATCH_ROW}| `ping` | [System](11-system.md) | | |\n")],
        "requirements/SYS-001",
    ),
    *hits(
        "receivers-broken",
        {
            "schemas/common#/$defs/message_type/enum": [
                schema("common", lambda d: d["$defs"]["message_type"]["enum"].append("stream"))
            ]
        },
        RECEIVERS,
    ),
    Hit(
        "unseen-changed",
        [
            new_schema("stream", properties={"message_type": {"const": "stream"}}, required=["message_type"]),
            schema("client-message", lambda d: d["oneOf"].append({"$ref": "stream.schema.json"})),
        ],
        "schemas/client-message#/oneOf",
    ),
    Hit(
        "duty-added",
        [
            text("12-profiles.md", BATCH_ROW, f"{BATCH_ROW}| `session` | [System](11-system.md) | | |\n"),
            requirement("A server MUST refuse more than ten pings."),
        ],
        "requirements/SYS-008",
    ),
    *hits(
        "vector-contradicted",
        {"vectors/batch/spaced": [vectors(lambda v: v.append(spaced(v[0])))]},
    ),
    *hits(
        "requirement-changed",
        {
            "requirements/SUB-009": [
                text("07-publish-subscribe.md", "when the connection leaves", "when a connection leaves")
            ]
        },
    ),
    *hits(
        "states-changed",
        {
            "tables/states/awaiting_connect/connect_accepted": [
                text("00-introduction.md", STATE, STATE.replace("`o", "`O"))
            ]
        },
    ),
    *hits(
        "schema-meaning-changed",
        {
            "schemas/queue-request#/$defs/retry_job/properties/delay": [
                schema(
                    "queue-request",
                    lambda d: members(d["$defs"]["retry_job"])["delay"].update(description="Seconds from now."),
                )
            ]
        },
    ),
    Hit("place-unknown", [reserve("member", "token", "connect#/")], "tables/reserved/member/token/connect#/", NOBODY),
    Hit(
        "name-reused",
        [
            reserve("member", "locale", "connect#"),
            schema("connect", lambda d: d.update(anyOf=[{"properties": {"locale": True}}, True])),
        ],
        "tables/reserved/member/locale/connect#",
    ),
    Hit(
        "name-reused",
        [
            reserve("action", "watch"),
            text("12-profiles.md", "`get_service_instances` |", "`get_service_instances` and `watch` |"),
        ],
        "tables/reserved/action/watch",
    ),
    Hit(
        "name-reused",
        [reserve("channel", "queue_manager")],
        "tables/reserved/channel/queue_manager",
    ),
    Hit(
        "name-reused",
        [
            reserve("member", "locale", "connect#"),
            schema("connect", lambda d: d.update(allOf=[{"properties": {"locale": True}}])),
        ],
        "tables/reserved/member/locale/connect#",
    ),
]
