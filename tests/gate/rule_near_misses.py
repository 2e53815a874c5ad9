"""Edits that are near to what the rules of the gate are about, and that they let be."""

from __future__ import annotations

from typing import Any

from edits import (
    ANCHORED,
    DEPRECATED_TIME,
    GET_TIME,
    NO_CODE,
    OLD_MEMBER,
    ONE_MORE_CODE,
    PRESENCE,
    Miss,
    deprecate,
    gone,
    members,
    moved,
    new_schema,
    no_batch,
    other_channel,
    requirement,
    reserve,
    schema,
    text,
    vectors,
)

PURGE = "| `queue_manager` | `purge` | request | client | `queue-request#/$defs/purge` | | queue |\n"
GEO = {"type": "object", "properties": {"lat": {"type": "number"}}, "additionalProperties": False}


def detail_in_defs(document: Any) -> None:
    """Move an open object into a definition."""
    document["$defs"] = {"detail": document["properties"]["error"]}
    document["properties"]["error"] = {"$ref": "#/$defs/detail"}


def default_twice(document: Any) -> None:
    """State a default where it is referred to as well."""
    document["$defs"]["delay"] = members(document["$defs"]["retry_job"])["delay"]
    members(document["$defs"]["retry_job"])["delay"] = {"$ref": "#/$defs/delay", "default": 0}


MISSES = [
    Miss("member-removed", [text("19-messages.md", "| `pong` | |", "| `time` | |")]),
    Miss("member-removed", [new_schema("hello"), text("19-messages.md", "| `pong` | |", "| `hello` | |")]),
    Miss("openness-changed", [schema("connect", lambda d: d.update(additionalProperties=True))]),
    Miss(
        "openness-changed", [schema("connect", lambda d: d["properties"].update(more={"additionalProperties": False}))]
    ),
    Miss("openness-changed", [schema("connect", lambda d: d["properties"].update(maxProperties={"type": "string"}))]),
    Miss("shape-rewritten", [schema("connect", lambda d: d.update(title="Another title"))]),
    Miss("unseen-changed", [schema("common", lambda d: d["$defs"].update(unused=True))]),
    Miss("unseen-changed", [schema("client-message", lambda d: d.update(anyOf=d.pop("oneOf")))]),
    Miss(
        "unseen-changed",
        [
            text(
                "19-messages.md",
                GET_TIME,
                GET_TIME + PURGE,
            ),
            schema(
                "queue-request",
                lambda d: (
                    d["$defs"].update(
                        purge={"type": "object", "properties": {"action": {"const": "purge"}}, "required": ["action"]}
                    ),
                    d["oneOf"].append({"$ref": "#/$defs/purge"}),
                ),
            ),
        ],
    ),
    Miss("unexplained", [ANCHORED]),
    Miss("unexplained", [schema("job", lambda d: d["properties"]["attempts"].update(default=1))]),
    Miss("openness-changed", [schema("queue-ok", lambda d: d["properties"].update(geo=GEO))]),
    Miss("openness-changed", [schema("error", detail_in_defs)]),
    Miss("default-changed", [schema("queue-request", default_twice)]),
    Miss(
        "fatality-flipped",
        [schema("error-code", lambda d: d["oneOf"][0].update(title="Fatal: the connection ends."))],
    ),
    Miss(
        "schema-meaning-changed",
        [schema("pong", lambda d: d.update(description="The answer to the action ping (SYS-003, SYS-004)."))],
    ),
    Miss(
        "unexplained",
        [schema("services", lambda d: d["$defs"]["service"]["properties"].update(title={"type": "string"}))],
    ),
    Miss("shape-rewritten", [schema("envelope", lambda d: d["required"].reverse())]),
    Miss("shape-rewritten", [schema("common", lambda d: d["$defs"]["message_type"]["enum"].reverse())]),
    Miss("unexplained", [schema("queue-request", lambda d: d["$defs"]["retry_job"].update(deprecated=True))]),
    Miss(
        "payload-swapped",
        [
            *PRESENCE,
            text(
                "19-messages.md",
                GET_TIME,
                f"{GET_TIME}| `presence` | `error` | response | server | `queue-error` | | presence |\n",
            ),
        ],
    ),
    Miss(
        "channels-reserved",
        [
            text(
                "12-profiles.md",
                "| `batch` | [Batch](15-batch.md) | | |\n",
                "| `batch` | [Batch](15-batch.md) | | |\n| `seen` | [Seen](20-seen.md) | | `get_seen` |\n",
            )
        ],
    ),
    Miss("place-unknown", [reserve("member", "token", "connect#")]),
    Miss("name-claimed", [schema("connect", lambda d: d["properties"].update(locale={"type": "string"}))]),
    Miss("openness-changed", [schema("job", lambda d: d.update(additionalProperties={}))]),
    Miss("openness-changed", [schema("connect", lambda d: d["properties"].update(locale={"type": "string"}))]),
    Miss("openness-changed", [schema("connect", lambda d: d.update(patternProperties={}))]),
    Miss("envelope-added", PRESENCE),
    Miss("schema-meaning-changed", [schema("pong", lambda d: d.update(title="A pong"))]),
    Miss("unseen-changed", [schema("common", lambda d: d["$defs"]["app_id"].update(maxLength=100))]),
    Miss("unseen-changed", [schema("error-code", lambda d: d["oneOf"][0]["enum"].pop())]),
    # Everything may be said that was said before, and a receiver may get more that it ignores.
    Miss("senders-broken", [schema("connect", lambda d: d["properties"].update(locale={"type": "string"}))]),
    Miss("senders-broken", [schema("system-request", lambda d: d.update(required=["action"], type="object"))]),
    Miss("receivers-broken", [schema("queue-stats", lambda d: d["properties"].update(oldest={"type": "number"}))]),
    Miss("receivers-broken", [schema("queue-jobs", lambda d: members(d)["jobs"].update(maxItems=500))]),
    Miss("undecided", [schema("common", lambda d: d["$defs"]["channel_id"].update(maxLength=100))]),
    Miss("shape-extended", [schema("pong", lambda d: d["properties"].update(status={"enum": ["pong"]}))]),
    Miss("shape-extended", [schema("pong", lambda d: d.update(description="Another."))]),
    Miss("shape-rewritten", [schema("connect", lambda d: d["properties"].update(locale={"type": "string"}))]),
    Miss(
        "member-removed",
        [schema("connect", lambda d: d["properties"].update(client={"allOf": [d["properties"]["client"]]}))],
    ),
    Miss("member-removed", [OLD_MEMBER]),
    Miss(
        "member-renamed",
        [schema("connect", lambda d: members(d, "client").update(product=members(d, "client")["name"]))],
    ),
    Miss(
        "removed-unannounced",
        [
            schema("connect", lambda d: members(d, "client").pop("version")),
            reserve("member", "version", "connect#/properties/client"),
        ],
        before=[OLD_MEMBER],
    ),
    Miss(
        "default-changed",
        [schema("connect", lambda d: d["properties"].update(locale={"type": "string", "default": "C"}))],
    ),
    Miss(
        "removed-unannounced",
        [text("19-messages.md", GET_TIME, ""), reserve("action", "get_time")],
        before=[deprecate("get_time")],
    ),
    Miss(
        "removed-unannounced",
        [gone("hello"), reserve("schema", "hello")],
        before=[new_schema("hello", deprecated=True)],
    ),
    Miss(
        "removed-unannounced",
        [no_batch, reserve("profile", "batch"), reserve("action", "batch_process")],
        before=[deprecate("batch", '"batch_process"')],
    ),
    Miss(
        "removed-unannounced",
        [NO_CODE, reserve("error code", "reserved_channel")],
        before=[deprecate("reserved_channel")],
    ),
    Miss("removed-unannounced", [other_channel, reserve("channel", "service_discovery")]),
    Miss(
        "removed-unannounced",
        [moved("client-message", "any-client-message"), reserve("schema", "client-message")],
    ),
    Miss("deprecation-changed", [schema("connect", lambda d: d["properties"].update(locale={"deprecated": True}))]),
    Miss("schema-deleted", [moved("client-message", "any-client-message")]),
    Miss("id-moved", [schema("pong", lambda d: d.update(title="A pong"))]),
    Miss("id-moved", [new_schema("hello")]),
    Miss("anchor-moved", [ANCHORED]),
    Miss("definition-removed", [schema("common", lambda d: d["$defs"].update(unused=True))]),
    Miss("dialect-changed", [schema("pong", lambda d: d.update(title="A pong"))]),
    Miss("schema-added", [moved("client-message", "any-client-message"), gone("any-client-message")]),
    Miss("schema-text-changed", [schema("pong", lambda d: d["properties"].update(status={"enum": ["pong"]}))]),
    Miss(
        "action-deleted",
        [text("19-messages.md", "| `system` | `list_services`", "| `service_discovery` | `list_services`")],
    ),
    Miss("message-type-changed", [text("19-messages.md", "| `pong` | |", "| `time` | |")]),
    Miss(
        "sender-changed",
        [text("19-messages.md", "| `system` | `list_services`", "| `service_discovery` | `list_services`")],
    ),
    Miss("payload-swapped", [schema("pong", lambda d: d["properties"].update(status={"enum": ["pong"]}))]),
    Miss("profile-member-moved", [ONE_MORE_CODE]),
    Miss("channel-moved", [text("19-messages.md", GET_TIME, "")]),
    Miss("action-added", [text("19-messages.md", GET_TIME, "")]),
    Miss("event-added", [text("19-messages.md", GET_TIME, GET_TIME + GET_TIME.replace("get_time", "get_clock"))]),
    Miss(
        "event-added",
        [
            *PRESENCE,
            text(
                "19-messages.md",
                GET_TIME,
                f"{GET_TIME}| `presence` | `came` | publish | server | `service-event` | | presence |\n",
            ),
        ],
    ),
    Miss("header-changed", [text("01-framing.md", "| most significant first |", "| Most significant first |")]),
    Miss(
        "encoding-changed",
        [text("02-encoding.md", "| grammar | RFC 8259, one text |", "| grammar | RFC 8259: one text |")],
    ),
    Miss("limit-tightened", [text("10-limits.md", "| at least | 1048576 |", "| at least | 65536 |")]),
    Miss("limit-loosened", [text("10-limits.md", "| at least | 1048576 |", "| at least | 4194304 |")]),
    Miss("limit-changed", [text("10-limits.md", "| server | receiver | LIM-008 |", "| server | receiver | LIM-009 |")]),
    Miss("limit-changed", [text("10-limits.md", "| items of a batch |", "| items in a batch |")]),
    Miss("limit-changed", [text("10-limits.md", "| items of a batch |", "| items per batch |")]),
    Miss("limit-added", [text("10-limits.md", "| at least | 1048576 |", "| at least | 65536 |")]),
    Miss("error-code-deleted", [text("09-errors.md", "| `handler_failed` | no |", "| `handler_failed` | yes |")]),
    Miss("error-code-added", PRESENCE),
    Miss("fatality-flipped", [text("09-errors.md", "the channel has no such action", "a channel has no such action")]),
    Miss(
        "error-meaning-changed",
        [text("09-errors.md", "the channel has no such action", "The channel has no such action")],
    ),
    Miss("states-changed", [text("00-introduction.md", "sends the acknowledgement |", "sends acknowledgement |")]),
    Miss(
        "precedence-changed", [text("09-errors.md", "| 4 | the root is an object |", "| 4 | The root is an object |")]
    ),
    Miss(
        "profile-removed",
        [text("12-profiles.md", "| `batch` | [Batch](15-batch.md)", "| `batch` | [Batches](15-batch.md)")],
    ),
    Miss("profile-added", [ONE_MORE_CODE]),
    Miss(
        "profile-extended", [text("12-profiles.md", "`list_services`, `get_service_instances` |", "`list_services` |")]
    ),
    Miss(
        "channels-reserved",
        [text("12-profiles.md", "`get_service_instances` |", "`get_service_instances`, `get_health` |")],
    ),
    Miss("channels-reserved", PRESENCE),
    Miss("responder-changed", [text("13-responder.md", "| answers with the payload |", "| answers with payload |")]),
    Miss(
        "responder-extended", [text("13-responder.md", "| answers with the payload |", "| answers with the message |")]
    ),
    Miss("term-changed", [text("04-handshake.md", "is *live* while it is", "is *live*, while it is")]),
    Miss("description-changed", [text("04-handshake.md", "chosen by the client |", "which the client chooses |")]),
    Miss(
        "table-reworded", [text("09-errors.md", "the channel has no such action", "the channel knows no such action")]
    ),
    Miss("requirement-deleted", [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Withdrawn: 2.0.*\n')]),
    Miss("requirement-reused", [requirement("A server SHOULD be kind.")]),
    Miss(
        "requirement-changed",
        [text("11-system.md", "with a payload whose `status`", "with the payload whose `status`")],
    ),
    Miss("requirement-changed", [text("11-system.md", "A client SHOULD send a ping", "A client MUST send a ping")]),
    Miss("requirement-reworded", [text("11-system.md", "whose `status` is", "whose `state` is")]),
    Miss(
        "level-raised",
        [text("11-system.md", "A server MUST answer the action `ping`", "A server SHOULD answer the action `ping`")],
    ),
    Miss("level-lowered", [text("11-system.md", "A client SHOULD send a ping", "A client MUST send a ping")]),
    Miss("target-changed", [text("11-system.md", "A client SHOULD send a ping", "A client MUST send a ping")]),
    Miss("duty-added", [requirement("A server SHOULD answer a `ping` within a second.")]),
    Miss("duty-added", PRESENCE),
    Miss("requirement-added", [requirement("A server MUST answer a `ping` within a second.")]),
    Miss("requirement-withdrawn", [DEPRECATED_TIME]),
    Miss("requirement-deprecated", [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Withdrawn: 2.0.*\n')]),
    Miss("since-wrong", [requirement("A server SHOULD answer a `ping` within a second.")]),
    Miss("requirement-moved", [text("10-limits.md", "## Sizes\n", "## Sizes of frames\n")]),
    Miss(
        "verification-changed", [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Excluded: nobody looks.*\n')]
    ),
    Miss("verification-dropped", [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Verified by: vector.*\n')]),
    Miss("vector-edited", [vectors(lambda v: v[0].update(body={"hex": v[0]["body"]["text"].encode().hex()}))]),
    Miss("vector-verdict-flipped", [vectors(lambda v: v[0].update(description="Something."))]),
    Miss("vector-deleted", [vectors(lambda v: v.append(v.pop(0)))]),
    Miss("vector-contradicted", [vectors(lambda v: v.append({**v[0], "id": "batch/twin"}))]),
    Miss("vector-added", [vectors(lambda v: v.append(v.pop(0)))]),
    Miss("vector-reworded", [vectors(lambda v: v.append({**v[0], "id": "batch/twin"}))]),
    Miss("name-reused", [reserve("error code", "never_used")]),
    Miss("name-reused", [reserve("member", "name", "connect#")]),
    Miss("reservation-dropped", [reserve("action", "get_clock")]),
    Miss("name-reserved", [], before=[reserve("action", "get_clock")]),
]
