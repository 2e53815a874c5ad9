"""Edits that the rules of the gate are about."""

from __future__ import annotations

from edits import (
    ANCHORED,
    CONNECTION_ID,
    DEPRECATED_TIME,
    EXCLUDED,
    GET_TIME,
    NO_CODE,
    OLD_MEMBER,
    ONE_MORE_CODE,
    OTHER_REASON,
    PRESENCE,
    WITHDRAWN,
    Hit,
    deprecate,
    gone,
    members,
    moved,
    new_schema,
    no_batch,
    other_channel,
    renamed_chapter,
    requirement,
    reserve,
    row,
    schema,
    text,
    vectors,
)

from conformance.gate.model.findings import NOBODY, RECEIVERS, SENDERS

HITS = [
    Hit(
        "member-removed",
        [schema("envelope", lambda d: d["properties"].pop("reply_to"))],
        "members/envelope:reply_to",
    ),
    Hit(
        "senders-broken",
        [schema("connect", lambda d: members(d, "client")["kind"].update(const={"title": "two"}))],
        "schemas/connect#/properties/client/properties/kind/const/title",
        SENDERS,
        before=[schema("connect", lambda d: members(d, "client").update(kind={"const": {"title": "one"}}))],
    ),
    Hit(
        "removed-unannounced",
        [
            schema("connect", lambda d: members(d, "client").pop("name")),
            reserve("member", "name", "services#/$defs/service"),
        ],
        "members/connect:client.name",
        before=[schema("connect", lambda d: members(d, "client")["name"].update(deprecated=True))],
    ),
    Hit("removed-unannounced", [other_channel], "tables/messages/service_discovery"),
    Hit("removed-unannounced", [moved("client-message", "any-client-message")], "schemas/client-message#"),
    Hit("name-reused", [reserve("channel", "system")], "tables/reserved/channel/system"),
    Hit(
        "unexplained",
        [schema("common", lambda d: d["$defs"]["unused"].update(default=2))],
        "schemas/common#/$defs/unused/default",
        before=[schema("common", lambda d: d["$defs"].update(unused={"default": 1}))],
    ),
    Hit("shape-rewritten", [ANCHORED], "schemas/job#/$defs/id", NOBODY),
    Hit("verification-changed", [OTHER_REASON], "requirements/SYS-003", NOBODY, before=[EXCLUDED]),
    Hit(
        "openness-changed",
        [schema("connect", lambda d: d.update(additionalProperties=False))],
        "schemas/connect#/additionalProperties",
    ),
    Hit(
        "openness-changed",
        [schema("envelope", lambda d: d.pop("additionalProperties"))],
        "schemas/envelope#/additionalProperties",
    ),
    Hit(
        "openness-changed",
        [schema("connect", lambda d: d["properties"]["client"].update(patternProperties={"^x": False}))],
        "schemas/connect#/properties/client/patternProperties",
    ),
    Hit(
        "openness-changed",
        [schema("queue-request", lambda d: d["$defs"]["enqueue"].update(maxProperties=4))],
        "schemas/queue-request#/$defs/enqueue/maxProperties",
    ),
    Hit("deprecation-changed", [schema("pong", lambda d: d.update(deprecated=True))], "schemas/pong#", NOBODY),
    Hit(
        "shape-rewritten",
        [schema("subscription", lambda d: d["properties"].update(connection_id=CONNECTION_ID))],
        "schemas/subscription#/properties/connection_id/$ref",
        NOBODY,
    ),
    Hit(
        "removed-unannounced",
        [
            schema("connect", lambda d: members(d, "client").pop("version")),
            reserve("member", "version", "pong#/properties/client"),
        ],
        "members/connect:client.version",
        before=[OLD_MEMBER],
    ),
    Hit(
        "removed-unannounced",
        [no_batch, reserve("profile", "batch"), reserve("action", "batch_process")],
        "tables/profiles/batch",
        before=[
            deprecate('"batch_process"'),
            text("15-batch.md", "handler exactly once.\n", "handler exactly once.\n\n*Deprecated: 1.0.*\n"),
        ],
    ),
    Hit(
        "requirement-withdrawn",
        [
            text(
                "11-system.md",
                "while its connection is open.\n",
                "while its connection is open.\n\n*Withdrawn: 2.0.*\n",
            )
        ],
        "requirements/SYS-006",
    ),
    Hit(
        "verification-changed",
        [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Verified by: schema.*\n')],
        "requirements/SYS-003",
        NOBODY,
    ),
    Hit(
        "senders-broken",
        [schema("connect", lambda d: d["required"].append("client"))],
        "schemas/connect#/required",
        SENDERS,
    ),
    Hit(
        "senders-broken",
        [schema("queue-request", lambda d: members(d["$defs"]["dequeue"])["count"].update(maximum=999))],
        "schemas/queue-request#/$defs/dequeue/properties/count/maximum",
        SENDERS,
    ),
    Hit(
        "senders-broken",
        [schema("job", lambda d: d["properties"].update(tags={"type": "array"}))],
        "schemas/job#/properties/tags",
        SENDERS,
    ),
    Hit(
        "receivers-broken",
        [schema("pong", lambda d: d["properties"].update(status={"enum": ["pong", "ping"]}))],
        "schemas/pong#/properties/status/const",
        RECEIVERS,
    ),
    Hit(
        "receivers-broken",
        [schema("envelope", lambda d: d["properties"].update(trace={"type": "string"}))],
        "schemas/envelope#/properties/trace",
        RECEIVERS,
    ),
    Hit(
        "receivers-broken",
        [schema("services", lambda d: d["$defs"]["service"]["required"].remove("healthy"))],
        "schemas/services#/$defs/service/required",
        RECEIVERS,
    ),
    Hit(
        "undecided",
        [
            schema(
                "common", lambda d: d["$defs"]["channel_id"].update({"not": {"pattern": "[\\u0000-\\u001e]|\\u001f"}})
            )
        ],
        "schemas/common#/$defs/channel_id/not/pattern",
    ),
    Hit(
        "shape-extended",
        [schema("connect", lambda d: d["properties"].update(locale={"type": "string"}))],
        "schemas/connect#/properties/locale",
        NOBODY,
    ),
    Hit(
        "shape-rewritten",
        [schema("pong", lambda d: d["properties"].update(status={"enum": ["pong"]}))],
        "schemas/pong#/properties/status/const",
        NOBODY,
    ),
    Hit(
        "member-removed",
        [schema("connect", lambda d: members(d, "client").pop("version"))],
        "members/connect:client.version",
    ),
    Hit(
        "member-renamed",
        [
            schema(
                "batch-request",
                lambda d: (items := members(d)["requests"]["items"]["properties"]).update(key=items.pop("id")),
            )
        ],
        "members/batch-request:requests[].id",
    ),
    Hit(
        "removed-unannounced",
        [schema("connect", lambda d: members(d, "client").pop("version"))],
        "members/connect:client.version",
    ),
    Hit(
        "removed-unannounced",
        [schema("connect", lambda d: members(d, "client").pop("version"))],
        "members/connect:client.version",
        before=[OLD_MEMBER],
    ),
    Hit(
        "removed-unannounced",
        [
            schema("connect", lambda d: members(d, "client").pop("version")),
            reserve("action", "version", "connect#/properties/client"),
        ],
        "members/connect:client.version",
        before=[OLD_MEMBER],
    ),
    Hit(
        "removed-unannounced",
        [text("19-messages.md", GET_TIME, ""), reserve("action", "get_time")],
        "tables/messages/system/get_time/client",
    ),
    Hit(
        "removed-unannounced",
        [text("19-messages.md", GET_TIME, "")],
        "tables/messages/system/get_time/client",
        before=[DEPRECATED_TIME],
    ),
    Hit("removed-unannounced", [gone("hello")], "schemas/hello#", before=[new_schema("hello", deprecated=True)]),
    Hit(
        "removed-unannounced",
        [gone("hello"), reserve("schema", "hello")],
        "schemas/hello#",
        before=[new_schema("hello")],
    ),
    Hit("removed-unannounced", [no_batch], "tables/messages/any/batch_process/client"),
    Hit(
        "removed-unannounced",
        [NO_CODE, reserve("error code", "reserved_channel")],
        "tables/error-codes/reserved_channel",
    ),
    Hit(
        "default-changed",
        [schema("queue-request", lambda d: members(d["$defs"]["dequeue"])["count"].update(default=10))],
        "members/queue-request#/$defs/dequeue:count",
    ),
    Hit(
        "default-changed",
        [schema("job", lambda d: d["properties"]["priority"].pop("default"))],
        "members/queue-request#/$defs/enqueue:job.priority",
    ),
    Hit("deprecation-changed", [OLD_MEMBER], "members/connect:client.version", NOBODY),
    Hit("schema-deleted", [gone("client-message")], "schemas/client-message#"),
    Hit("id-moved", [moved("client-message", "any-client-message")], "schemas/client-message#"),
    Hit(
        "id-moved", [schema("pong", lambda d: d.update({"$id": d["$id"].replace("/1/", "/1.1/")}))], "schemas/pong#/$id"
    ),
    Hit(
        "anchor-moved",
        [schema("job", lambda d: d["$defs"]["id"].pop("$anchor"))],
        "schemas/job#/$defs/id",
        before=[ANCHORED],
    ),
    Hit(
        "anchor-moved",
        [schema("job", lambda d: d["$defs"]["time"].update({"$anchor": d["$defs"]["id"].pop("$anchor")}))],
        "schemas/job#/$defs/id",
        before=[ANCHORED],
    ),
    Hit(
        "definition-removed",
        [schema("common", lambda d: d["$defs"].pop("unused"))],
        "schemas/common#/$defs/unused",
        before=[schema("common", lambda d: d["$defs"].update(unused=True))],
    ),
    Hit(
        "dialect-changed",
        [schema("pong", lambda d: d.update({"$schema": "http://json-schema.org/draft-07/schema#"}))],
        "schemas/pong#/$schema",
    ),
    Hit("schema-added", [new_schema("hello")], "schemas/hello#", NOBODY),
    Hit("schema-text-changed", [schema("pong", lambda d: d.update(title="A pong"))], "schemas/pong#", NOBODY),
    Hit("action-deleted", [text("19-messages.md", GET_TIME, "")], "tables/messages/system/get_time/client"),
    Hit(
        "message-type-changed",
        [text("19-messages.md", "`job_completed` | request |", "`job_completed` | notification |")],
        "tables/messages/queue_manager/job_completed/client",
    ),
    Hit(
        "sender-changed",
        [text("19-messages.md", "`job_available` | publish | server |", "`job_available` | publish | client |")],
        "tables/messages/`queue:` and a name/job_available/client",
    ),
    Hit(
        "payload-swapped",
        [text("19-messages.md", "| `pong` | |", "| `time` | |")],
        "tables/messages/system/ping/client",
    ),
    Hit(
        "profile-member-moved",
        [text("19-messages.md", GET_TIME, GET_TIME.replace("| |", "| discovery |"))],
        "tables/messages/system/get_time/client",
    ),
    Hit(
        "channel-moved",
        [text("19-messages.md", "| `system` | `list_services`", "| `service_discovery` | `list_services`")],
        "tables/messages/service_discovery/list_services/client",
    ),
    Hit(
        "action-added",
        [text("19-messages.md", GET_TIME, GET_TIME + GET_TIME.replace("get_time", "get_clock"))],
        "tables/messages/system/get_clock/client",
        NOBODY,
    ),
    Hit(
        "event-added",
        [
            text(
                "19-messages.md",
                "| `service_instances` | `instance_added`",
                "| `service_instances` | `instance_moved` | publish | server | `instance-event` | | discovery |\n"
                "| `service_instances` | `instance_added`",
            )
        ],
        "tables/messages/service_instances/instance_moved/server",
        RECEIVERS,
    ),
    Hit(
        "header-changed",
        [text("01-framing.md", "| octets of the header | 4 |", "| octets of the header | 8 |")],
        "tables/framing/octets of the header",
    ),
    Hit(
        "header-changed",
        [text("01-framing.md", "| most significant first |", "| least significant first |")],
        "tables/framing/order of the header's octets",
    ),
    Hit(
        "encoding-changed",
        [text("02-encoding.md", "UTF-8 without a byte order mark |", "UTF-16 |")],
        "tables/encoding/character encoding",
    ),
    Hit(
        "limit-tightened",
        [text("10-limits.md", "| at least | 1048576 |", "| at least | 4194304 |")],
        "tables/limits/frame limit of a server/at least",
        RECEIVERS,
    ),
    Hit(
        "limit-tightened",
        [text("10-limits.md", "| at most | 67108864 |", "| at most | 33554432 |")],
        "tables/limits/outbound data held, when the server announced no bound/at most",
        SENDERS,
    ),
    Hit(
        "limit-loosened",
        [text("10-limits.md", "| at least | 1048576 |", "| at least | 65536 |")],
        "tables/limits/frame limit of a server/at least",
        SENDERS,
    ),
    Hit(
        "limit-loosened",
        [text("10-limits.md", "| at most | 67108864 |", "| at most | 134217728 |")],
        "tables/limits/outbound data held, when the server announced no bound/at most",
        RECEIVERS,
    ),
    Hit(
        "limit-changed",
        [text("10-limits.md", "outbound data held, when the server announced no bound", "outbound data held")],
        "tables/limits/outbound data held, when the server announced no bound/at most",
    ),
    Hit(
        "limit-changed",
        [text("10-limits.md", "| reading after a fatal error |", "| writing after a fatal error |")],
        "tables/limits/reading after a fatal error/at least",
    ),
    Hit(
        "limit-changed",
        [text("10-limits.md", "| items of a batch |", "| batches of an item |")],
        "tables/limits/items of a batch/at least",
    ),
    Hit(
        "limit-changed",
        [text("10-limits.md", "| 64 | levels |", "| 64 | objects |")],
        "tables/limits/nesting that is accepted/at least",
    ),
    Hit(
        "limit-added",
        [
            requirement("A server SHOULD take a name of eight characters."),
            text(
                "10-limits.md",
                "| items of a batch |",
                "| length of a name | at least | 8 | characters | server | receiver | SYS-008 |\n| items of a batch |",
            ),
        ],
        "tables/limits/length of a name/at least",
        NOBODY,
    ),
    Hit(
        "error-code-deleted",
        [text("09-errors.md", row("reserved_channel", "no", "only the server publishes on this channel"), "")],
        "tables/error-codes/reserved_channel",
    ),
    Hit("error-code-added", [ONE_MORE_CODE], "tables/error-codes/queue_full/queue", RECEIVERS),
    Hit(
        "fatality-flipped",
        [text("09-errors.md", "| `handler_failed` | no |", "| `handler_failed` | yes |")],
        "tables/error-codes/handler_failed",
    ),
    Hit(
        "error-meaning-changed",
        [
            text(
                "09-errors.md",
                "the message speaks for another connection",
                "the message speaks for another application",
            )
        ],
        "tables/error-codes/forbidden",
    ),
    Hit(
        "states-changed",
        [text("00-introduction.md", "| `open` | `peer_ended` | `draining` |", "| `open` | `peer_ended` | `closing` |")],
        "tables/states/open/peer_ended",
    ),
    Hit(
        "states-changed",
        [text("00-introduction.md", "sends the acknowledgement |", "sends a greeting |")],
        "tables/states/awaiting_connect/connect_accepted",
    ),
    Hit(
        "precedence-changed",
        [text("09-errors.md", "`unauthorized`, `unsupported_protocol` |", "`unsupported_protocol`, `unauthorized` |")],
        "tables/precedence/5",
    ),
    Hit(
        "profile-removed",
        [no_batch],
        "tables/profiles/batch",
    ),
    Hit("profile-added", PRESENCE, "tables/profiles/presence", NOBODY),
    Hit(
        "profile-extended",
        [text("12-profiles.md", "`get_service_instances` |", "`get_service_instances`, `get_health` |")],
        "tables/profiles/discovery",
        NOBODY,
    ),
    Hit("profile-extended", PRESENCE, "tables/error-codes/nobody_there/presence", NOBODY),
    Hit(
        "channels-reserved",
        [
            text(
                "12-profiles.md",
                "`service_discovery` and `service_instances`",
                "`service_discovery`, `service_health` and `service_instances`",
            )
        ],
        "tables/profiles/discovery",
    ),
    Hit(
        "responder-changed",
        [text("13-responder.md", "| answers with the payload |", "| answers with the message |")],
        "tables/responder/conformance.echo",
    ),
    Hit(
        "responder-extended",
        [
            text(
                "13-responder.md",
                "| `conformance.delay` |",
                "| `conformance.twice` | request, any payload | answers with the payload, twice |\n"
                "| `conformance.delay` |",
            )
        ],
        "tables/responder/conformance.twice",
        NOBODY,
    ),
    Hit(
        "term-changed",
        [text("04-handshake.md", "in the state `open` or `draining`.", "in the state `open`.")],
        "tables/terms/live",
    ),
    Hit("term-changed", [text("04-handshake.md", "<!-- term: live -->\n\n", "")], "tables/terms/live"),
    Hit(
        "description-changed",
        [text("17-queue.md", "| `createdAt` | number, 0 or more |", "| `createdAt` | number of seconds, 0 or more |")],
        "tables/members/job/createdAt",
    ),
    Hit(
        "description-changed",
        [text("17-queue.md", "<!-- actions: queue-request -->\n", "")],
        "tables/members/queue-request#/$defs/enqueue/queue",
    ),
    Hit(
        "table-reworded",
        [text("09-errors.md", "the channel has no such action", "The channel has no such action")],
        "tables/error-codes/unknown_action",
        NOBODY,
    ),
    Hit(
        "requirement-deleted",
        [
            text(
                "11-system.md",
                '**[SYS-003]** A server MUST answer the action `ping` with a payload whose `status` is `"pong"`.\n',
                "",
            )
        ],
        "requirements/SYS-003",
    ),
    Hit(
        "requirement-reused",
        [
            text(
                "11-system.md",
                "**[SYS-008]** A server MUST be kind.\n\n*Withdrawn: 1.0.*",
                "**[SYS-008]** A server MUST be quick.",
            )
        ],
        "requirements/SYS-008",
        before=[WITHDRAWN],
    ),
    Hit(
        "requirement-changed",
        [text("11-system.md", 'whose `status` is `"pong"`', 'whose `status` is `"ok"`')],
        "requirements/SYS-003",
    ),
    Hit(
        "requirement-reworded",
        [text("11-system.md", "with a payload whose `status`", "with the payload whose `status`")],
        "requirements/SYS-003",
        NOBODY,
    ),
    Hit(
        "level-raised",
        [text("11-system.md", "A client SHOULD send a ping", "A client MUST send a ping")],
        "requirements/SYS-006",
    ),
    Hit(
        "level-lowered",
        [text("11-system.md", "A server MUST answer the action `ping`", "A server SHOULD answer the action `ping`")],
        "requirements/SYS-003",
    ),
    Hit(
        "target-changed",
        [text("01-framing.md", "**[FRM-006]** A receiver MUST", "**[FRM-006]** A server MUST")],
        "requirements/FRM-006",
    ),
    Hit("duty-added", [requirement("A server MUST answer a `ping` within a second.")], "requirements/SYS-008"),
    Hit("duty-added", [requirement("A sender MAY put spaces in front of a header.")], "requirements/SYS-008", SENDERS),
    Hit(
        "requirement-added",
        [requirement("A server SHOULD answer a `ping` within a second.")],
        "requirements/SYS-008",
        NOBODY,
    ),
    *(
        Hit("duty-added", [requirement(sentence)], "requirements/SYS-008")
        for sentence in (
            "A server that states `protocol` 1.0 or later MUST answer a `ping` within a second.",
            "A server that states `protocol` 1.1 MUST answer a `ping` within a second.",
            "A server that does not state `protocol` 1.1 or later MUST answer a `ping` within a second.",
            "A server MUST answer a `ping` of a client that states `protocol` 1.1 or later within a second.",
        )
    ),
    Hit(
        "duty-added",
        [
            requirement(
                "A server that states `protocol` 1.1 or later MUST end a connection after 10 seconds of silence."
            )
        ],
        "requirements/SYS-008",
        SENDERS,
    ),
    Hit(
        "requirement-added",
        [requirement("A server that states `protocol` 1.1 or later MUST answer a `ping` within a second.")],
        "requirements/SYS-008",
        NOBODY,
    ),
    Hit(
        "requirement-added",
        [requirement("A server that states version 1.1 or newer MUST answer a `ping` within a second.")],
        "requirements/SYS-008",
        NOBODY,
    ),
    Hit(
        "requirement-added",
        [
            requirement("A server MUST answer the action `get_clock` with the time."),
            text("19-messages.md", GET_TIME, GET_TIME + GET_TIME.replace("get_time", "get_clock")),
        ],
        "requirements/SYS-008",
        NOBODY,
    ),
    Hit(
        "requirement-withdrawn",
        [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Withdrawn: 2.0.*\n')],
        "requirements/SYS-003",
    ),
    Hit("requirement-deprecated", [DEPRECATED_TIME], "requirements/SYS-004", NOBODY),
    Hit(
        "since-wrong",
        [requirement("A server SHOULD answer a `ping` within a second.", "A note.")],
        "requirements/SYS-008",
        NOBODY,
    ),
    Hit(
        "since-wrong",
        [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Since: 1.1.*\n')],
        "requirements/SYS-003",
        NOBODY,
    ),
    Hit(
        "requirement-moved",
        [renamed_chapter("06-notifications.md", "06-events.md")],
        "requirements/NTF-001",
        NOBODY,
    ),
    Hit(
        "verification-changed",
        [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Verified by: vector.*\n')],
        "requirements/SYS-003",
        NOBODY,
    ),
    Hit(
        "verification-dropped",
        [text("11-system.md", 'is `"pong"`.\n', 'is `"pong"`.\n\n*Excluded: nobody looks.*\n')],
        "requirements/SYS-003",
    ),
    Hit("vector-edited", [vectors(lambda v: v[0].update(body={"text": "{}"}))], "vectors/{0}"),
    Hit("vector-edited", [vectors(lambda v: v[0].update(state="awaiting_connect"))], "vectors/{0}"),
    Hit(
        "vector-verdict-flipped",
        [vectors(lambda v: v[0].update(expect={"outcome": "accepted", "answer": "pong"}))],
        "vectors/{0}",
    ),
    Hit("vector-deleted", [vectors(lambda v: v.pop(0))], "vectors/{0}"),
    Hit(
        "vector-contradicted",
        [
            vectors(
                lambda v: v.append({**v[0], "id": "batch/twin", "expect": {"outcome": "accepted", "answer": "pong"}})
            )
        ],
        "vectors/batch/twin",
    ),
    Hit(
        "vector-added",
        [vectors(lambda v: v.append({**v[0], "id": "batch/new", "body": {"text": "{}"}}))],
        "vectors/batch/new",
        NOBODY,
    ),
    Hit("vector-reworded", [vectors(lambda v: v[0].update(description="Something."))], "vectors/{0}", NOBODY),
    Hit("name-reused", [reserve("error code", "no_handler")], "tables/reserved/error code/no_handler"),
    Hit(
        "name-reused",
        [reserve("member", "name", "connect#/properties/client")],
        "tables/reserved/member/name/connect#/properties/client",
    ),
    Hit(
        "reservation-dropped",
        [text("14-versioning.md", "| action | `get_clock` |  | 2.0 |\n", "")],
        "tables/reserved/action/get_clock",
        before=[reserve("action", "get_clock")],
    ),
    Hit("name-reserved", [reserve("action", "get_clock")], "tables/reserved/action/get_clock", NOBODY),
    Hit(
        "unseen-changed",
        [schema("client-message", lambda d: d["oneOf"].pop())],
        "schemas/client-message#/oneOf",
    ),
    Hit(
        "unseen-changed",
        [schema("queue-request", lambda d: d.update(required=["action", "queue"]))],
        "schemas/queue-request#/required",
    ),
    Hit(
        "unseen-changed",
        [schema("common", lambda d: d["$defs"].update(unused=True))],
        "schemas/common#/$defs/unused",
        before=[schema("common", lambda d: d["$defs"].update(unused=False))],
    ),
    Hit(
        "requirement-withdrawn",
        [text("07-publish-subscribe.md", "**[SUB-018]**", "*Withdrawn: 2.0.*\n\n**[SUB-018]**")],
        "requirements/SUB-017",
    ),
    Hit(
        "error-code-added",
        [
            text(
                "17-queue.md",
                "| `not_leased` | no |",
                "| `no_handler` | yes | nobody is there |\n| `not_leased` | no |",
            )
        ],
        "tables/error-codes/no_handler/queue",
        RECEIVERS,
    ),
    Hit(
        "duty-added",
        [
            lambda workshop: workshop.add(
                "spec/20-hard.md",
                "# Hard times (HRD)\n\n**[HRD-001]** A server MUST answer a `ping` within a second.\n\n*Since: 1.1.*\n",
            )
        ],
        "requirements/HRD-001",
    ),
    Hit(
        "senders-broken",
        [schema("connect", lambda d: members(d, "client")["default"].update(maxLength=1))],
        "schemas/connect#/properties/client/properties/default/maxLength",
        SENDERS,
        before=[schema("connect", lambda d: members(d, "client").update(default={"type": "string"}))],
    ),
    Hit(
        "envelope-added",
        [
            text(
                "19-messages.md",
                "| `error` | server | `error-message` |\n",
                "| `error` | server | `error-message` |\n| `request` | server | `request` |\n",
            )
        ],
        "tables/envelopes/request/server",
    ),
]
