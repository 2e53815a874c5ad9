"""The profile discovery of the library: the registry, whom it tells what, and how it refuses."""

import threading

import pytest
from refserver_peer import code_of, message, running

from reference_server import ReferenceServer

CHANNELS = ("service_discovery", "service_instances")


def serving(register=None):
    return running(register, profiles=("discovery",))


def watcher(run, name, app="demo"):
    client = run.client(name, app)
    for channel in CHANNELS:
        client.send(message("subscribe", channel, {"connection_id": name}, app_id=app))
    assert client.ping_barrier() == []
    return client


def listed(client):
    return client.ask("system", {"action": "list_services"})["payload"]["services"]


def instances(client, name):
    return client.ask("system", {"action": "get_service_instances", "service_type": name})["payload"]["instances"]


def test_service_set_before_the_start_is_there():
    with serving(lambda server: server.services.set("api", "one", channel="api-1", connections=2)) as run:
        client = run.client("a")
        assert listed(client) == [{"name": "api", "healthy": True}]
        assert instances(client, "api") == [{"id": "one", "channel": "api-1", "healthy": True, "connections": 2}]


def test_service_for_every_application_is_told_to_every_application():
    with serving() as run:
        clients = [watcher(run, "a", "red"), watcher(run, "a", "blue")]
        run.server.services.set("api", "one", channel="api-1")
        for client in clients:
            assert {client.receive()["channel_id"] for _ in range(2)} == set(CHANNELS)
            assert listed(client) == [{"name": "api", "healthy": True}]


def test_service_for_one_application_is_told_to_that_one():
    with serving() as run:
        red, blue = watcher(run, "a", "red"), watcher(run, "a", "blue")
        run.server.services.set("api", "one", channel="api-1", app="red")
        assert {red.receive()["app_id"] for _ in range(2)} == {"red"}
        assert listed(blue) == []


def test_registry_is_changed_from_any_thread_before_it_returns():
    def change(request):
        assert threading.current_thread() is not threading.main_thread()
        registry = run.server.services
        registry.set("api", request.payload, channel="c")
        with pytest.raises(ValueError, match="no instance 'nobody'"):
            registry.remove("api", "nobody")
        return "done"

    with serving(lambda server: server.handler("change")(change)) as run:
        client = run.client("a")
        assert client.ask("change", "one")["payload"] == "done"
        assert [each["id"] for each in instances(client, "api")] == ["one"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"service_type": ""}, "service_type '' is not valid"),
        ({"service_type": "x" * 256}, "is not valid"),
        ({"instance_id": ""}, "instance .* is not valid: id"),
        ({"channel": "a\nb"}, "is not valid: channel"),
        ({"healthy": "yes"}, "is not valid: healthy"),
        ({"connections": -1}, "is not valid: connections"),
        ({"connections": 1.5}, "is not valid: connections"),
        ({"app": ""}, "app_id '' is not valid"),
    ],
)
def test_registry_refuses_what_the_specification_does_not_allow(arguments, reason):
    server = ReferenceServer(profiles=["discovery"])
    values = {"service_type": "api", "instance_id": "one", "channel": "c"} | arguments
    with pytest.raises(ValueError, match=reason):
        server.services.set(values.pop("service_type"), values.pop("instance_id"), **values)
    assert server.services.list_services({"app_id": "demo"}) == {"services": []}


@pytest.mark.parametrize(("first", "second", "whose"), [(None, "demo", "every application"), ("demo", None, "'demo'")])
def test_registry_refuses_a_service_for_one_beside_the_same_for_all(first, second, whose):
    registry = ReferenceServer(profiles=["discovery"]).services
    registry.set("api", "one", channel="c", app=first)
    with pytest.raises(ValueError, match=f"service 'api' for .*{whose}.* already"):
        registry.set("api", "two", channel="c", app=second)
    registry.set("api", "two", channel="c", app=first)
    registry.remove("api", "one", app=first)
    registry.remove("api", "two", app=first)
    registry.set("api", "three", channel="c", app=second)


def test_registry_removes_nothing_that_is_not_there():
    registry = ReferenceServer(profiles=["discovery"]).services
    registry.set("api", "one", channel="c")
    for service_type, name, app in [("api", "two", None), ("other", "one", None), ("api", "one", "demo")]:
        with pytest.raises(ValueError, match=f"service '{service_type}' has no instance '{name}'"):
            registry.remove(service_type, name, app=app)


def test_server_without_the_profile_has_no_registry():
    with pytest.raises(RuntimeError, match="does not offer the profile 'discovery'"):
        ReferenceServer().services.set("api", "one", channel="c")


def test_server_itself_cannot_forge_events():
    with serving() as run:
        for channel in CHANNELS:
            with pytest.raises(ValueError, match="reserved"):
                run.server.publish("demo", channel, {"action": "service_registered"})
        client = run.client("a")
        client.send(message("publish", CHANNELS[0], {}))
        assert code_of(client.receive()) == "reserved_channel"


def test_list_that_does_not_fit_into_a_message_is_refused():
    with running(profiles=("discovery",), max_frame_bytes=1 << 20, max_outbound_bytes=1 << 20) as run:
        for number in range(5000):
            run.server.services.set(f"{number:0255}", "one", channel="c")
        client = run.client("a")
        assert code_of(client.ask("system", {"action": "list_services"})) == "handler_failed"
        assert client.ping_barrier() == []
