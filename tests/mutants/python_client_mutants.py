"""The mistakes of the asyncio client: each edits its source, and is named after the requirement that it breaks."""

from __future__ import annotations

from mutation import ClientMutant, Edit

ALL = ("*",)
UNCHECKED = ("messages.py", "    _check(frame)\n    return frame\n", "    return frame\n")
"""An edit: the client's own check of what it sends, which would find the mistake, is not made."""

MUTANTS: dict[str, ClientMutant] = {}


def _mutant(
    name: str, mistake: str, *edits: tuple[str, str, str], harms: tuple[str, ...] = (), because: str = ""
) -> None:
    if bool(harms) != bool(because) or name in MUTANTS:
        raise ValueError(f"{name}: harm and its reason must be given together, and the name must be unique")
    made = tuple(Edit(*edit) for edit in edits)
    MUTANTS[name] = ClientMutant(name=name, mistake=mistake, edits=made, harms=harms, because=because)


_mutant(
    "FRM-001",
    "The header states the length of the body in characters.",
    (
        "messages.py",
        "    frame = encode_frame(body)\n    _check(frame)\n    return frame\n",
        "    return len(text).to_bytes(4) + body\n",
    ),
)
_mutant(
    "FRM-002",
    "The header is counted in the length.",
    (
        "messages.py",
        "    frame = encode_frame(body)\n    _check(frame)\n    return frame\n",
        "    return (len(body) + 4).to_bytes(4) + body\n",
    ),
    harms=ALL,
    because="every frame swallows the header of the next",
)
_mutant(
    "FRM-003",
    "A line of text is sent when the client ends the connection.",
    (
        "link.py",
        "            transport.write_eof()\n",
        '            transport.write(b"bye\\n")\n            transport.write_eof()\n',
    ),
)
_mutant(
    "FRM-005",
    "What is left of a segment after its whole frames is forgotten.",
    (
        "link.py",
        "        self._frames.receive_data(data)\n",
        "        self._frames = ServerFrames()\n        self._frames.receive_data(data)\n",
    ),
)
_mutant(
    "FRM-006",
    "Of the frames in a segment only the first is processed, the others when more arrives.",
    (
        "link.py",
        "            while self._state in (_State.GREETING, _State.OPEN) and (frame",
        "            if self._state in (_State.GREETING, _State.OPEN) and (frame",
    ),
    harms=ALL,
    because="what was written as two segments may arrive as one",
)
_mutant(
    "ENC-001",
    "Bodies end in a comma.",
    (
        "messages.py",
        "    frame = encode_frame(body)\n    _check(frame)\n    return frame\n",
        '    return encode_frame(body[:-1] + b",}")\n',
    ),
    harms=ALL,
    because="no body of the client is JSON",
)
_mutant(
    "ENC-002",
    "Bodies are sent in Latin-1.",
    ("messages.py", "        body = text.encode()\n", '        body = text.encode("latin-1", "replace")\n'),
    UNCHECKED,
)
_mutant(
    "ENC-002/mark",
    "Bodies begin with a byte order mark.",
    ("messages.py", "        body = text.encode()\n", '        body = text.encode("utf-8-sig")\n'),
    UNCHECKED,
    harms=ALL,
    because="no body of the client is JSON",
)
_mutant(
    "ENC-003",
    "Numbers beyond binary64 are sent.",
    ("messages.py", "allow_nan=False", "allow_nan=True"),
    UNCHECKED,
)
_mutant(
    "ENC-003/surrogates",
    "Half of a surrogate pair is sent as an escape.",
    ("messages.py", "ensure_ascii=False", "ensure_ascii=True"),
    UNCHECKED,
)
_mutant(
    "ENV-001",
    "The timestamp is text.",
    ("messages.py", '"timestamp": time.time(),', '"timestamp": time.ctime(),'),
    harms=ALL,
    because="no envelope of the client is valid",
)
_mutant(
    "ENV-001/channel",
    "Channels may have control characters.",
    ("options.py", '    if min(channel) < " ":', '    if min(channel) < "\\0":'),
)
_mutant(
    "ENV-002",
    "Every message carries the version of the protocol.",
    ("messages.py", '        "reply_to": None,  #', '        "version": PROTOCOL,\n        "reply_to": None,  #'),
    harms=ALL,
    because="no envelope of the client is valid",
)
_mutant(
    "ENV-003",
    "A reply_to that names nothing is an empty string.",
    ("messages.py", '"reply_to": None,  #', '"reply_to": "",  #'),
    harms=ALL,
    because="no envelope of the client is valid",
)
_mutant(
    "ENV-004",
    "All requests have one message_id, except the connect message and pings.",
    (
        "client.py",
        "        link, message_id = self._open_link(), self._ids.next()\n",
        '        link, message_id = self._open_link(), "request"\n',
    ),
)
_mutant(
    "ENV-011",
    "A message with a member that the client does not know is dropped.",
    (
        "messages.py",
        "class Message(msgspec.Struct, frozen=True):",
        "class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):",
    ),
    harms=("client-requests/unknown-members",),
    because="that is what it tries",
)
_mutant(
    "ENV-012",
    "Publishes go to an application of their own.",
    (
        "client.py",
        "        app_id = self._options.app_id  # ENV-012\n",
        '        app_id = "elsewhere" if kind == "publish" else self._options.app_id\n',
    ),
)
_mutant(
    "ENV-013",
    "A message with a bad envelope ends the connection.",
    (
        "messages.py",
        '        raise UnusableMessageError(ClientError("invalid_message", f"a message has a bad envelope: {error}")) from None\n',
        "        raise MalformedFrameError(str(error)) from None\n",
    ),
)
_mutant(
    "HSK-001",
    "The connect message is a notification.",
    (
        "messages.py",
        '    return make_frame(app_id, message_id, SYSTEM, "request", payload)\n',
        '    return make_frame(app_id, message_id, SYSTEM, "notification", payload)\n',
    ),
    harms=ALL,
    because="there is no handshake",
)
_mutant(
    "HSK-002",
    "The client says that it is connected, and sends what it is told, ahead of the acknowledgement.",
    (
        "link.py",
        "        transport.write(self._hello)\n",
        '        transport.write(self._hello)\n        self._open({"protocol": "1.0"})\n',
    ),
    harms=ALL,
    because="it takes the acknowledgement for a stray response and its limits are lost",
)
_mutant(
    "HSK-003",
    "Each connection has a connection_id of its own.",
    ("connection.py", "        if self._is_deployed:\n", "        if self._is_in_series:\n"),
)
_mutant(
    "HSK-009",
    "An acknowledgement with a member that the client does not know is none.",
    (
        "messages.py",
        '        return self.message_type == "response" and self.channel_id == SYSTEM and self.status == "connected"\n',
        '        known = {"status", "connection_id", "protocol", "profiles", "limits"}\n'
        '        return self.channel_id == SYSTEM and self.status == "connected" and set(self.payload) <= known\n',
    ),
)
_mutant(
    "HSK-012",
    "An error answer in place of the acknowledgement is passed over, and so is the end of the stream.",
    (
        "link.py",
        "        elif (refusal := message.error) is not None:\n",
        "        elif (refusal := message.error) is not None and not refusal.code:\n",
    ),
    (
        "link.py",
        "        if self._state in (_State.ENDING, _State.ENDED):\n            return\n        if self._state is _State.OPEN:",
        "        if self._state in (_State.ENDING, _State.ENDED, _State.GREETING):\n            return\n        if self._state is _State.OPEN:",
    ),
)
_mutant(
    "HSK-012/accepted",
    "Any answer to the connect message is taken for its acknowledgement.",
    ("link.py", "        elif message.is_acknowledgement:\n", '        elif message.message_type == "response":\n'),
)
_mutant(
    "HSK-026",
    "The client connects again after every loss.",
    (
        "errors.py",
        'frozenset(("session_replaced", "unsupported_protocol", "unauthorized"))',
        "frozenset[str]()",
    ),
)
_mutant(
    "HSK-027",
    "Attempts to connect again follow each other at once.",
    ("connection.py", "            await asyncio.sleep(self._delay())\n", "            await asyncio.sleep(0)\n"),
)
_mutant(
    "HSK-028",
    "The connection is dropped with a reset.",
    (
        "link.py",
        "        self._state = _State.ENDING\n",
        '        lingering = b"\\1\\0\\0\\0\\0\\0\\0\\0"\n'
        '        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)\n'
        "        self.abort()\n        return 0\n",
    ),
)
_mutant(
    "HSK-029",
    "A thread goes on after disconnect.",
    (
        "connection.py",
        "        self.closings += 1\n",
        "        self.closings += 1\n        import threading\n\n        threading.Thread(target=threading.Event().wait, args=(60,)).start()\n",
    ),
)
_mutant(
    "REQ-006",
    "The payload of a request is sent as it is.",
    ("client.py", '            payload = {**payload, "connection_id": self.connection_id}\n', "            pass\n"),
    harms=("client-encoding/keeps-an-object",),
    because="that is what it compares",
)
_mutant(
    "REQ-016",
    "Responses are taken in the order of their requests, whatever their reply_to.",
    (
        "pending.py",
        "        waiting = self._responses.pop(message_id, None)\n        if waiting is None:\n            return False\n        if not waiting.done():\n            waiting.set_result(response)\n",
        "        waiting = self._responses.pop(next(iter(self._responses), message_id), None)\n        if waiting is None:\n            return False\n        if not waiting.done():\n            waiting.set_result(response)\n",
    ),
)
_mutant(
    "REQ-016/type",
    "Every message with the reply_to of a request in flight is taken for its response.",
    (
        "client.py",
        '        if message.message_type in ("publish", "notification"):  # SUB-019\n',
        '        if message.message_type in ("publish", "notification") and message.reply_to is None:\n',
    ),
    ("client.py", '        elif message.message_type == "response":\n', "        else:\n"),
)
_mutant(
    "REQ-017",
    "A response that answers nothing in flight ends the connection.",
    (
        "client.py",
        "            return  # REQ-017\n",
        '            return self._open_link().fail(ClientError("invalid_message", "a response that answers nothing"))\n',
    ),
)
_mutant(
    "REQ-018",
    "Requests in flight wait for their own timeout when the connection is lost.",
    (
        "client.py",
        '        self._requests.fail_all("connection_lost", f"the connection was lost before the response came ({error})")\n',
        "",
    ),
)
_mutant(
    "REQ-018/close",
    "Requests in flight wait for their own timeout when the client is closed.",
    (
        "client.py",
        '        self._requests.fail_all("connection_lost", "close() was called before the response came")\n',
        "",
    ),
)
_mutant(
    "SUB-001",
    "A subscribe names the application in place of the connection.",
    (
        "client.py",
        '        payload = {"connection_id": self.connection_id}\n',
        '        payload = {"connection_id": self._options.app_id}\n',
    ),
    harms=("client-publish/publish-with-an-object",),
    because="it subscribes",
)
_mutant(
    "SUB-019",
    "Notifications are not handed to the channel's handlers.",
    ("client.py", 'in ("publish", "notification"):  # SUB-019', 'in ("publish",):'),
)
_mutant(
    "SUB-019/first",
    "Of several handlers of a channel only the first is called.",
    (
        "client.py",
        "list(self._subscriptions.get(message.channel_id, ())):\n",
        "list(self._subscriptions.get(message.channel_id, ()))[:1]:\n",
    ),
)
_mutant(
    "SUB-019/null",
    "A message whose payload is empty is not handed over.",
    (
        "subscriptions.py",
        "        if is_full and self._waiting:\n",
        "        if (is_full and self._waiting) or not message.payload:\n",
    ),
)
_mutant(
    "SUB-019/failure",
    "A handler that fails is called no more.",
    (
        "subscriptions.py",
        "        except Exception as error:  # noqa: BLE001 - whatever a user's handler raises\n            report(error)\n",
        "        except Exception as error:  # noqa: BLE001 - whatever a user's handler raises\n            report(error)\n            return\n",
    ),
)
_mutant(
    "SUB-020",
    "After a loss the first of the channels is subscribed to again, and no other.",
    (
        "client.py",
        "        for channel in list(self._subscriptions):\n",
        "        for channel in list(self._subscriptions)[:1]:\n",
    ),
)
_mutant(
    "ERR-010",
    "An error answer is reported to the client's user, and its request left waiting.",
    (
        "client.py",
        "        if answered is not None and self._requests.resolve(answered, message):\n",
        "        if message.error is not None and answered is not None:\n            return self.report(message.error)\n        if answered is not None and self._requests.resolve(answered, message):\n",
    ),
)
_mutant(
    "ERR-014",
    "A body that is not JSON is dropped, and the connection goes on.",
    (
        "link.py",
        '            self.fail(ClientError("malformed_frame", self._advised(f"connection dropped: {error}")))\n',
        '            self._watcher.message_dropped(UnusableMessageError(ClientError("malformed_frame", str(error))))\n',
    ),
)
_mutant(
    "ERR-014/root",
    "A body that is an array or a number is dropped, and the connection goes on.",
    (
        "messages.py",
        '    if type(value) is not dict:\n        raise MalformedFrameError("the root is not an object")\n',
        "",
    ),
)
_mutant(
    "ERR-014/length",
    "A frame over the limit is waited for.",
    ("messages.py", "        self._limit = limit\n", "        self._limit = 1 << 32\n"),
    ("messages.py", "        super().__init__(CUSTOMARY_FRAME_BYTES)\n", "        super().__init__(1 << 32)\n"),
)
_mutant(
    "LIM-002",
    "Frames of any length are sent.",
    ("messages.py", "    if len(body) > max_bytes:\n", "    if len(body) > max_bytes * 10**9:\n"),
)
_mutant(
    "LIM-003",
    "The limit is kept that holds for a server without an announcement.",
    ("messages.py", "        self._limit = limit\n", "        self._limit = min(limit, CUSTOMARY_FRAME_BYTES)\n"),
)
_mutant(
    "SYS-006",
    "No pings are sent.",
    ("heartbeat.py", "        if self._interval:\n", "        if self._interval < 0:\n"),
)
_mutant(
    "SYS-007",
    "A ping that is not answered has no consequence, as if the server were a deployed one.",
    ("connection.py", "may_be_silent=self._is_deployed", "may_be_silent=True"),
)
_mutant(
    "PRF-002",
    "A profile that the client does not know makes the attempt to connect fail.",
    (
        "messages.py",
        '        return self.message_type == "response" and self.channel_id == SYSTEM and self.status == "connected"\n',
        '        known = {"batch", "discovery", "queue", "security"}\n'
        '        return self.channel_id == SYSTEM and self.status == "connected" and set(self.payload.get("profiles", ())) <= known\n',
    ),
)
_mutant(
    "SUB-024",
    "Messages that wait for a handler are given to it although it was removed.",
    ("subscriptions.py", "        self._waiting.clear()\n        self._octets = self._gap = 0\n", ""),
)
_mutant(
    "SUB-025",
    "Messages that wait for a handler at close() are given to it later.",
    ("client.py", "            await self._end_handlers(handlers)\n", "            pass\n"),
    (
        "subscriptions.py",
        "            result = handler(message)\n",
        "            await asyncio.sleep(0.1)\n            result = handler(message)\n",
    ),
)
_mutant(
    "HSK-031",
    "A second connect during the first makes a second connection.",
    ("connection.py", "        self._turn = asyncio.Lock()\n", "        self._turn = contextlib.nullcontext()\n"),
)
_mutant(
    "HSK-032",
    "What the client is told is sent ahead of the acknowledgement.",
    (
        "client.py",
        "        if self._connection.link is None:\n            what = f",
        "        if self._connection.link is None and self._connection._opening is None:\n            what = f",
    ),
    (
        "client.py",
        "        return self._connection.link\n",
        "        return self._connection.link or self._connection._opening\n",
    ),
    (
        "link.py",
        '        if self._transport is None or self._state is not _State.OPEN:\n            raise ClientError("connection_lost", "the',
        '        if self._transport is None:\n            raise ClientError("connection_lost", "the',
    ),
)
_mutant(
    "HSK-033",
    "A publish or notification without a connection is dropped, and nobody is told.",
    (
        "client.py",
        "        check_channel(channel)\n        link = self._open_link()\n        await link.send",
        "        check_channel(channel)\n        if (link := self._connection.link) is None:\n            return\n"
        "        await link.send",
    ),
)
_mutant(
    "HSK-034",
    "The last publish or notification is sent again on the next connection.",
    (
        "client.py",
        "        link = self._open_link()\n        await link.send",
        "        link = self._open_link()\n        self._last = (channel, kind, payload)\n        await link.send",
    ),
    (
        "client.py",
        "        self._connected.call()\n",
        "        if hasattr(self, '_last'):\n            link = self._open_link()\n"
        "            link.send_at_once(self._make_frame(link, self._ids.next(), *self._last))\n"
        "        self._connected.call()\n",
    ),
)
_mutant(
    "SUB-022",
    "Short messages overtake long ones on their way to the handlers.",
    (
        "client.py",
        "                subscription.put(message, size)\n",
        "                asyncio.get_running_loop().call_later(size // 1000 / 500, subscription.put, message, size)\n",
    ),
)
_mutant(
    "SUB-023",
    "The client renews its subscriptions a moment after it says that it is connected.",
    (
        "client.py",
        '                self._tell("subscribe", channel)\n',
        '                asyncio.get_running_loop().call_later(0.02, self._tell, "subscribe", channel)\n',
    ),
)
_mutant(
    "SYS-008",
    "A connection on which only pings are answered, six times in a row, is taken for idle, and ended.",
    (
        "heartbeat.py",
        "        self.confirm()\n        if message_id",
        "        self.confirm()\n        self._quiet = getattr(self, '_quiet', 0) + 1\n        if self._quiet > 5:\n"
        "            self._link.fail(ClientError('connection_lost', 'idle'))\n        if message_id",
    ),
    (
        "client.py",
        "                subscription.put(message, size)\n",
        "                self._connection.heartbeat._quiet = 0\n                subscription.put(message, size)\n",
    ),
)
