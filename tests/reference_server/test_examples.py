"""The example handlers answer what the documentation of the first Node.js client sends, and refuse what is wrong."""

import re
import time
from pathlib import Path

import pytest
from refserver_peer import code_of, message, running, subscribe

from reference_server import examples
from reference_server.examples import deployed
from reference_server.examples.actions import arguments_of

DEFAULT_TIMEOUT_OF_CLIENTS = 10
ADA = {"id": 123, "name": "Ada Lovelace", "email": "ada@example.com", "active": True}
NEW = {"name": "Alan Turing", "email": "alan@example.com"}


@pytest.fixture
def client():
    with running(examples.register) as run:
        yield run.client("c")


def ask(client, channel, action, **arguments):
    return client.ask(channel, {"action": action, "connection_id": "c"} | arguments)["payload"]


def by_proxy(client, channel, action, method="GET", *, query=None, body=None):
    """Ask as an HTTP proxy does."""
    return ask(client, channel, action, method=method, query=query or {}, data=body or {})


def by_service(client, channel, action, data):
    """Ask as one service asks another."""
    return ask(client, channel, action, data=data, source_service="user-service")


def refusal(payload):
    assert payload["status"] == "error", payload
    assert set(payload) == {"status", "error"}
    return payload["error"]["code"], payload["error"]["message"]


# Users


def names(users):
    return [user["name"].partition(" ")[0] for user in users]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["Grace", "Charles", "Ada"]),
        ({"active": True}, ["Grace", "Ada"]),
        ({"active": "true"}, ["Grace", "Ada"]),
        ({"active": False, "name": "Charles Babbage"}, ["Charles"]),
        ({"id": "123"}, ["Ada"]),
        ({"active": 1}, []),
        ({"shoe_size": 7}, []),
    ],
)
def test_users_are_filtered_by_values_or_their_text(client, filters, found):
    assert names(ask(client, "api", "get_users", filters=filters)["users"]) == found
    assert names(ask(client, "user_service", "get_all_users", filters=filters)) == found
    assert names(by_proxy(client, "user_service", "get_all_users", query=filters)) == found


def test_user_is_found_by_id_from_wherever_the_client_puts_it(client):
    assert ask(client, "user_service", "get_user", user_id=123) == ADA
    assert by_proxy(client, "user_service", "get_user", query={"user_id": "123"}) == ADA
    assert by_proxy(client, "user_service", "get_user", "POST", body={"user_id": 123}) == ADA
    assert by_service(client, "database-service", "get_user", {"user_id": 123}) == ADA


def test_created_user_is_kept_and_announced_ahead_of_the_answer(client):
    client.send(subscribe("notifications", "c"))
    request = message("request", "user_service", {"action": "create_user", "user_data": NEW})
    client.send(request)
    event, answer = client.receive(), client.receive()

    created = {"id": 124, **NEW, "active": True}
    assert (answer["reply_to"], answer["payload"]) == (request["message_id"], created)
    assert (event["channel_id"], event["payload"]) == ("notifications", {"type": "user_created", "user": created})
    assert ask(client, "user_service", "get_user", user_id=124) == created


def test_user_is_created_by_proxy_and_by_another_service(client):
    assert by_proxy(client, "user_service", "create_user", "POST", body=NEW)["id"] == 124
    assert by_service(client, "validation-service", "validate_user", NEW) == {"valid": True, "errors": []}
    other = NEW | {"email": "turing@example.com", "active": False}
    assert by_service(client, "database-service", "create_user", other) == {"user_id": 125}
    assert ask(client, "user_service", "get_user", user_id=125)["active"] is False


def test_announcement_stays_in_the_application_and_the_users_are_those_of_all():
    with running(examples.register) as run:
        shop, demo = run.client("c", "shop"), run.client("c")
        demo.send(subscribe("notifications", "c"))
        assert demo.ping_barrier() == []
        assert ask(shop, "user_service", "create_user", user_data=NEW)["id"] == 124
        assert demo.ping_barrier() == []
        assert ask(demo, "user_service", "get_user", user_id=124)["name"] == NEW["name"]


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        ({}, "name must be a text"),
        (NEW | {"name": " "}, "name must be a text"),
        (NEW | {"name": "x" * 255}, "name must be a text"),
        (NEW | {"email": "alan"}, "email must be an e-mail address"),
        (NEW | {"email": "alan@"}, "email must be an e-mail address"),
        (NEW | {"active": "yes"}, "active must be true or false"),
    ],
)
def test_wrong_user_is_refused_with_every_problem(client, user, problem):
    code, text = refusal(ask(client, "user_service", "create_user", user_data=user))
    assert (code, problem in text) == ("invalid_message", True)
    found = by_service(client, "validation-service", "validate_user", user)
    assert (found["valid"], "; ".join(found["errors"])) == (False, text)
    assert len(ask(client, "user_service", "get_all_users")) == 3


def test_number_of_users_is_bounded(client, monkeypatch):
    monkeypatch.setattr(examples.users, "_MOST_USERS", 4)
    assert ask(client, "user_service", "create_user", user_data=NEW)["id"] == 124
    code, text = refusal(ask(client, "user_service", "create_user", user_data=NEW | {"email": "other@example.com"}))
    assert (code, text) == ("conflict", "there are 4 users already, which is all this example keeps")


# Other channels


def test_record_is_found_by_both_shapes_of_the_documentation(client):
    record = ask(client, "api", "get_data", params={"id": 123})
    assert record["id"] == 123
    assert ask(client, "api", "get_data", id=123) == record


def test_slow_operation_takes_longer_than_clients_wait_unless_told_and_reports_on_status(client):
    assert examples.api._SLOW > DEFAULT_TIMEOUT_OF_CLIENTS
    client.send(subscribe("status", "c"))
    begun = time.monotonic()
    client.send(message("request", "api", {"action": "slow_operation", "seconds": 0.05}))
    received = [client.receive()["payload"] for _ in range(3)]

    assert time.monotonic() - begun >= 0.05
    assert [each.get("status") for each in received] == ["started", "finished", None]
    assert received[2] == {"seconds": 0.05}


@pytest.mark.parametrize(
    ("data", "options", "result"),
    [
        ([1, 2, 6], {}, {"algorithm": "basic", "count": 3, "sum": 9}),
        (
            {"a": [1, {"b": 2}], "c": "7", "d": True},
            {"algorithm": "advanced", "validate": True},
            {"algorithm": "advanced", "count": 2, "sum": 3, "min": 1, "max": 2, "mean": 1.5},
        ),
        ("no number", {"algorithm": "advanced"}, {"algorithm": "advanced", "count": 0, "sum": 0}),
    ],
)
def test_data_are_summarised(client, data, options, result):
    assert ask(client, "processor", "process_data", data=data, options=options) == result
    body = {"data": data, "options": options}
    assert by_proxy(client, "processor", "process_data", "POST", body=body) == result


def test_item_is_processed_now(client):
    before = time.time()
    item = ask(client, "data_service", "process_item", item_id=0)
    assert (item["item_id"], before <= item["processed_at"] <= time.time()) == (0, True)


def test_items_of_a_batch_are_processed_one_by_one():
    requests = [{"id": number, "payload": {"action": "process_item", "item_id": number}} for number in range(10)]
    with running(examples.register, profiles=["batch"]) as run:
        answers = ask(run.client("c"), "data_service", "batch_process", requests=requests)["responses"]
    assert [answer["item_id"] for answer in answers] == list(range(10))


def test_cache_finds_what_was_set_until_its_time_is_over(client):
    assert by_service(client, "cache-service", "get", {"key": "user:1"}) == {"found": False, "data": None}
    for value in ("old", {"data": "new"}):
        assert by_service(client, "cache-service", "set", {"key": "user:1", "data": value, "ttl": 60}) == {
            "stored": True
        }
    assert by_service(client, "cache-service", "get", {"key": "user:1"}) == {"found": True, "data": {"data": "new"}}
    by_service(client, "cache-service", "set", {"key": "user:1", "data": "short", "ttl": 1e-9})
    assert by_service(client, "cache-service", "get", {"key": "user:1"})["found"] is False


def test_cache_drops_what_was_set_longest_ago(client):
    for number in [*range(100), 0, 100]:
        ask(client, "cache-service", "set", key=str(number), data=number)
    found = [ask(client, "cache-service", "get", key=key)["found"] for key in ("0", "1", "2", "100")]
    assert found == [True, False, True, True]


# What all of them refuse

WRONG = {
    "no action": ("api", {}, "invalid_message", "string 'action'"),
    "payload is no object": ("api", [], "invalid_message", "string 'action'"),
    "action is no text": ("api", {"action": []}, "invalid_message", "string 'action'"),
    "unknown action": ("cache-service", {"action": "drop"}, "unknown_action", "has the actions get, set"),
    "filters": ("api", {"action": "get_users", "filters": 1}, "invalid_message", "'filters' must be an object"),
    "no user id": ("user_service", {"action": "get_user"}, "invalid_message", "argument 'user_id' is missing"),
    "user id": ("user_service", {"action": "get_user", "user_id": -1}, "invalid_message", "integer of 0 or more"),
    "user id, text": (
        "user_service",
        {"action": "get_user", "user_id": "٣"},
        "invalid_message",
        "integer of 0 or more",
    ),
    "no such user": ("user_service", {"action": "get_user", "user_id": 1}, "not_found", "there is no user 1"),
    "user data": ("user_service", {"action": "create_user", "user_data": 1}, "invalid_message", "must be an object"),
    "address": ("user_service", {"action": "create_user", "user_data": ADA}, "conflict", "ada@example.com already"),
    "no such record": ("api", {"action": "get_data", "id": 5}, "not_found", "there is no record 5"),
    "seconds": ("api", {"action": "slow_operation", "seconds": 61}, "invalid_message", "number from 0 to 60"),
    "no data": ("processor", {"action": "process_data"}, "invalid_message", "argument 'data' is missing"),
    "options": ("processor", {"action": "process_data", "data": 1, "options": 1}, "invalid_message", "an object"),
    "algorithm": (
        "processor",
        {"action": "process_data", "data": 1, "options": {"algorithm": "x"}},
        "invalid_message",
        "must be one of basic, advanced",
    ),
    "no number": (
        "processor",
        {"action": "process_data", "data": "x", "options": {"validate": True}},
        "invalid_message",
        "hold no number",
    ),
    "overflow": ("processor", {"action": "process_data", "data": [1.7e308, 1.7e308]}, "invalid_message", "too large"),
    "key": ("cache-service", {"action": "get", "key": 1}, "invalid_message", "'key' must be a text"),
    "ttl": ("cache-service", {"action": "set", "key": "a", "data": 1, "ttl": 0}, "invalid_message", "over 0"),
}


@pytest.mark.parametrize(("channel", "payload", "code", "text"), WRONG.values(), ids=WRONG)
def test_wrong_request_is_refused_in_the_form_of_the_servers_own_errors(client, channel, payload, code, text):
    answer = client.ask(channel, payload)
    assert code_of(answer) == code
    assert text in refusal(answer["payload"])[1]


def test_arguments_are_found_in_the_payload_query_data_and_params_the_later_winning():
    payload = {"a": 1, "b": 1, "c": 1, "d": 1, "query": {"b": 2, "c": 2, "d": 2}, "data": {"c": 3, "d": 3}}
    found = arguments_of(payload | {"params": {"d": 4}})
    assert [found[name] for name in "abcd"] == [1, 2, 3, 4]
    assert arguments_of({"data": [1], "query": None})["data"] == [1]


def test_every_instance_of_every_service_can_be_discovered_and_asked():
    with running(examples.register, profiles=["discovery"]) as run:
        client = run.client("c")
        services = ask(client, "system", "list_services")["services"]
        assert [(service["name"], service["healthy"]) for service in services] == [
            (name, True) for name in examples.SERVICES
        ]
        found = {}
        for service in examples.SERVICES:
            answer = ask(client, "system", "get_service_instances", service_type=service)
            found[service] = [instance["channel"] for instance in answer["instances"]]
            for channel in found[service]:
                assert code_of(client.ask(channel, {"action": "no such"})) == "unknown_action"
        assert found == examples.SERVICES
        assert found["data-processor"] == ["data-processor-1", "data-processor-2"]


def test_two_servers_share_no_users():
    with running(examples.register) as one, running(examples.register) as other:
        ask(one.client("c"), "user_service", "create_user", user_data=NEW)
        assert len(ask(other.client("c"), "user_service", "get_all_users")) == 3


# The example server of ipc-framework; tests/shipped_examples runs its clients


def notified(run, app, channel):
    """Return a client that has subscribed to a channel."""
    client = run.client("subscriber", app)
    client.send(subscribe(channel, "subscriber", app_id=app))
    client.ask("no such channel")  # the subscription is in force
    return client


def test_a_chat_message_is_answered_and_told_to_the_room():
    with running(deployed.register) as run:
        listener, speaker = notified(run, deployed.CHAT, "general"), run.client("speaker", deployed.CHAT)
        speaker.send(message("notification", "general", {"username": "ada"}, app_id=deployed.CHAT))
        assert listener.receive()["payload"].items() >= {"type": "user_joined", "username": "ada"}.items()
        assert speaker.ask("general", {"username": "ada", "text": "hello"})["payload"] == {"status": "sent"}
        told = listener.receive()
        assert told["message_type"] == "notification"
        assert told["payload"].items() >= {"type": "chat_message", "username": "ada", "text": "hello"}.items()
        speaker.ask("general", ["no object"])
        assert listener.receive()["payload"].items() >= {"username": "Anonymous", "text": ""}.items()


def test_an_upload_is_told_and_a_download_answered():
    with running(deployed.register) as run:
        listener = notified(run, deployed.FILES, "status")
        client = run.client("c", deployed.FILES)
        client.ask("upload", {"filename": "report.pdf", "size": 1})
        assert listener.receive()["payload"]["filename"] == "report.pdf"
        answer = client.ask("download", {"filename": "report.pdf"})["payload"]
        assert answer["download_url"] == "http://example.com/files/report.pdf"


def test_only_a_high_cpu_usage_is_an_alert():
    with running(deployed.register) as run:
        listener, client = notified(run, deployed.MONITORING, "alerts"), run.client("c", deployed.MONITORING)
        for value in (None, "95", deployed.ALERT_FROM, 95):
            report = {"metric": "cpu_usage", "value": value}
            client.send(message("notification", "metrics", report, app_id=deployed.MONITORING))
        client.send(message("notification", "metrics", 7, app_id=deployed.MONITORING))
        assert listener.receive()["payload"]["value"] == 95
        assert code_of(listener.ask("no such channel")) == "no_handler"  # nothing else was told


def test_the_handler_in_the_guide_answers():
    guide = (Path(__file__).parents[2] / "docs" / "moving-from-ipc-framework.md").read_text("utf-8")
    code = re.search(r"```python\n(@server.*?)```", guide, re.S)[1]
    with running(lambda server: exec(code, {"server": server})) as run:  # noqa: S102 - from our guide
        answer = run.client("c", deployed.FILES).ask("download", {"filename": "a.txt"})
    assert answer["payload"] == {"filename": "a.txt", "download_url": "http://example.com/files/a.txt"}
