"""The mistakes of the Node.js client: each edits its source, and is named after the requirement that it breaks."""

from __future__ import annotations

from mutation import ClientMutant, Edit

ALL = ("*",)


def _mutant(
    name: str, mistake: str, *edits: tuple[str, str, str], harms: tuple[str, ...] = (), because: str = ""
) -> None:
    if bool(harms) != bool(because) or name in MUTANTS:
        raise ValueError(f"{name}: harm and its reason must be given together, and the name must be unique")
    made = tuple(Edit(*edit) for edit in edits)
    MUTANTS[name] = ClientMutant(name=name, mistake=mistake, edits=made, harms=harms, because=because)


MUTANTS: dict[str, ClientMutant] = {}

_mutant(
    "FRM-001",
    "The header states the length of the body in UTF-16 units.",
    ("framing.js", "frame.writeUInt32BE(length);", "frame.writeUInt32BE(body.length);"),
)
_mutant(
    "FRM-001/order",
    "The least significant octet of the header comes first.",
    ("framing.js", "frame.writeUInt32BE(length);", "frame.writeUInt32LE(length);"),
    harms=ALL,
    because="no frame of the client is one",
)
_mutant(
    "FRM-002",
    "The header is counted in the length.",
    ("framing.js", "frame.writeUInt32BE(length);", "frame.writeUInt32BE(length + HEADER_BYTES);"),
    harms=ALL,
    because="every frame swallows the header of the next",
)
_mutant(
    "FRM-003",
    "A line of text is sent when the client ends the connection.",
    (
        "link.js",
        "if (this.#retire() && hasSent) return linger",
        "if (hasSent) this.#socket.write('bye\\n');\n    if (this.#retire() && hasSent) return linger",
    ),
)
_mutant(
    "FRM-004",
    "Header and body are written one after the other, and Nagle's algorithm is left on.",
    ("link.js", "this.#socket.setNoDelay(true);", "this.#socket.setNoDelay(false);"),
    (
        "link.js",
        "    this.#cork();\n    this.#socket.write(frame, this.#onTaken);",
        "    this.#socket.write(frame.subarray(0, 4));\n    setImmediate(() => this.#socket.write(frame.subarray(4)));",
    ),
    harms=("client-publish/publish-with-an-object", "client-requests/unknown-members"),
    because="frames that are sent in one turn of the event loop get mixed up",
)
_mutant(
    "FRM-005",
    "What arrives in one segment is taken for whole frames, and what is left of it forgotten.",
    (
        "framing.js",
        "  push(chunk) {\n",
        "  push(chunk) {\n    this.#chunks = [];\n    this.#buffered = 0;\n    this.#bodyLength = null;\n",
    ),
)
_mutant(
    "FRM-005/characters",
    "Each segment is decoded by itself, so that a character cut in two is lost.",
    (
        "framing.js",
        "    this.#chunks.push(chunk);",
        "    if (this.#buffered > 0) chunk = Buffer.from(chunk.toString('latin1').replace(/^[\\x80-\\xbf]+/, (cut) => '?'.repeat(cut.length)), 'latin1');\n    this.#chunks.push(chunk);",
    ),
)
_mutant(
    "FRM-006",
    "Of the frames in a segment only the first is processed, the others when more arrives.",
    (
        "link.js",
        "      while (this.#state !== 'closed') {\n        const body = this.#decoder.next();\n        if (body === null) return;\n        if (isDeeper(body, this.#limits.maxDepth)) {\n          this.#refuse(decodeBody(outlineOf(body)));\n          continue;\n        }\n        this.#deliver(decodeBody(body), body.length);\n      }",
        "      const body = this.#decoder.next();\n      if (body !== null) this.#deliver(decodeBody(body), body.length);",
    ),
    harms=ALL,
    because="what was written as two segments may arrive as one",
)
_mutant(
    "ENC-001",
    "Bodies end in a comma.",
    ("encoding.js", "  return body;\n}", "  return body.replace(/}$/, ',}');\n}"),
    harms=ALL,
    because="no body of the client is JSON",
)
_mutant(
    "ENC-002",
    "Bodies are sent in Latin-1, where that has the characters.",
    ("framing.js", "const length = Buffer.byteLength(body);", "const length = body.length;"),
    ("framing.js", "frame.write(body, HEADER_BYTES);", "frame.write(body, HEADER_BYTES, 'latin1');"),
)
_mutant(
    "ENC-002/mark",
    "Bodies begin with a byte order mark.",
    ("encoding.js", "  return body;\n}", "  return `\\ufeff${body}`;\n}"),
    harms=ALL,
    because="no body of the client is JSON",
)
_mutant(
    "ENC-003",
    "Half of a surrogate pair is sent as an escape.",
    ("encoding.js", "if (body.includes('\\\\ud') && LONE_SURROGATE.test(body))", "if (body === LONE_SURROGATE)"),
)
_mutant(
    "ENV-001",
    "The timestamp is text.",
    ("envelope.js", "timestamp: Date.now() / 1000,", "timestamp: new Date().toISOString(),"),
    harms=ALL,
    because="no envelope of the client is valid",
)
_mutant(
    "ENV-002",
    "Every message carries the version of the protocol.",
    ("envelope.js", "    reply_to: null,\n", "    reply_to: null,\n    version: PROTOCOL,\n"),
    harms=ALL,
    because="no envelope of the client is valid",
)
_mutant(
    "ENV-003",
    "A reply_to that names nothing is an empty string.",
    ("envelope.js", "    reply_to: null,\n", "    reply_to: '',\n"),
    harms=ALL,
    because="no envelope of the client is valid",
)
_mutant(
    "ENV-004",
    "Every tenth message has the message_id of the one before.",
    (
        "envelope.js",
        "    message_id: randomUUID(),",
        "    message_id: (makeMessage.id = (makeMessage.count = (makeMessage.count ?? 0) + 1) % 10 ? randomUUID() : makeMessage.id),",
    ),
)
_mutant(
    "ENV-011",
    "A message with a member that the client does not know is dropped.",
    (
        "envelope.js",
        "    value.payload !== undefined &&",
        "    value.payload !== undefined &&\n    Object.keys(value).length <= 7 &&",
    ),
    harms=("client-requests/unknown-members",),
    because="that is what it tries",
)
_mutant(
    "ENV-013",
    "A message with a bad envelope ends the connection.",
    (
        "link.js",
        "      this.#events.onProblem(new IPCError('invalid_message', 'the server sent a message with a bad envelope'));",
        "      this.abort(new IPCError('invalid_message', 'the server sent a message with a bad envelope'));",
    ),
)
_mutant(
    "ENV-012",
    "Publishes go to an application of their own.",
    (
        "messenger.js",
        "return makeMessage(this.#identity.appId, channel, type, payload);",
        "return makeMessage(type === 'publish' ? 'elsewhere' : this.#identity.appId, channel, type, payload);",
    ),
)
_mutant(
    "HSK-001",
    "The first message is a subscribe.",
    (
        "link.js",
        "    this.send(hello);",
        "    this.send({ ...hello, message_id: 'first', channel_id: 'a', message_type: 'subscribe', payload: { connection_id: 'x' } });\n    this.send(hello);",
    ),
    harms=ALL,
    because="there is no handshake",
)
_mutant(
    "HSK-001/again",
    "After a loss the connect message is left out.",
    ("link.js", "    this.send(hello);", "    if (!Link.greeted) this.send(hello);\n    Link.greeted = true;"),
)
_mutant(
    "HSK-002",
    "The client says that it is connected, and sends what it is told, ahead of the acknowledgement.",
    (
        "link.js",
        "    this.send(hello);",
        "    this.send(hello);\n    this.#open({ status: 'connected', connection_id: '' });",
    ),
    harms=ALL,
    because="it takes the acknowledgement for a stray response and its limits are lost",
)
_mutant(
    "HSK-003",
    "Each connection has a connection_id of its own.",
    (
        "connection.js",
        "makeConnect(this.#identity.appId, this.#identity.connectionId, token)",
        "makeConnect(this.#identity.appId, `${Math.random()}`, token)",
    ),
    harms=ALL,
    because="the payloads still carry the id that the client is known by",
)
_mutant(
    "HSK-009",
    "An acknowledgement with a member that the client does not know is none.",
    (
        "envelope.js",
        "    message.payload?.status === 'connected'\n",
        "    message.payload?.status === 'connected' &&\n    Object.keys(message.payload).every((key) => ['status', 'connection_id', 'protocol', 'profiles', 'limits'].includes(key))\n",
    ),
)
_mutant(
    "HSK-009/limits",
    "An acknowledgement with a limit that the client does not know is none.",
    (
        "envelope.js",
        "    message.payload?.status === 'connected'\n",
        "    message.payload?.status === 'connected' &&\n    !('max_moons' in (message.payload.limits ?? {}))\n",
    ),
)
_mutant(
    "HSK-012",
    "An error answer in place of the acknowledgement is passed over.",
    ("link.js", "    if (error) {\n      // HSK-012", "    if (error && error.code === '') {\n      // HSK-012"),
    (
        "link.js",
        "    this.#socket.on('end', () => this.#lose('the server closed the connection'));",
        "    this.#socket.on('end', () => this.#state === 'open' && this.#lose('the server closed the connection'));",
    ),
    (
        "link.js",
        "    this.#socket.on('close', () => this.#lose('the connection was closed'));",
        "    this.#socket.on('close', () => this.#state === 'open' && this.#lose('the connection was closed'));",
    ),
)
_mutant(
    "HSK-012/accepted",
    "Any answer to the connect message is taken for its acknowledgement.",
    (
        "link.js",
        "    const error = errorOf(message);\n    if (error) {",
        "    const error = errorOf(message);\n    if (error && message.payload.status === '') {",
    ),
    (
        "link.js",
        "    } else if (isAcknowledgement(message)) {",
        "    } else if (isAcknowledgement(message) || message) {",
    ),
)
_mutant(
    "HSK-026",
    "The client connects again after every loss.",
    (
        "connection.js",
        "if (FINAL_CODES.has(error.code)) this.#reconnector.stop();",
        "if (FINAL_CODES.has('')) this.#reconnector.stop();",
    ),
)
_mutant(
    "HSK-027",
    "Attempts to connect again follow each other at once.",
    (
        "reconnector.js",
        "series.timer = setTimeout(() => this.#attempt(series), delay);",
        "series.timer = setTimeout(() => this.#attempt(series), 0);",
    ),
)
_mutant(
    "HSK-028",
    "The connection is dropped with a reset.",
    (
        "link.js",
        "if (this.#retire() && hasSent) return linger(this.#socket, patience);",
        "if (this.#retire() && hasSent) this.#socket.resetAndDestroy ? this.#socket.resetAndDestroy() : this.#socket.destroy();",
    ),
)
_mutant(
    "HSK-029",
    "The timers of requests in flight go on after disconnect.",
    ("outstanding.js", "      deadline.clear();", "      void deadline;"),
)
_mutant(
    "REQ-006",
    "The payload of a request is sent as it is.",
    ("envelope.js", "  return { ...payload, connection_id: connectionId };", "  return connectionId && payload;"),
    harms=("client-encoding/keeps-an-object",),
    because="that is what it compares",
)
_mutant(
    "REQ-016",
    "Responses are taken in the order of their requests, whatever their reply_to.",
    (
        "outstanding.js",
        "    const request = this.#requests.get(messageId);",
        "    [messageId] = this.#requests.keys();\n    const request = this.#requests.get(messageId);",
    ),
)
_mutant(
    "REQ-016/type",
    "Every message with the reply_to of a request in flight is taken for its response.",
    (
        "client.js",
        "    switch (message.message_type) {",
        "    switch (message.reply_to ? 'response' : message.message_type) {",
    ),
)
_mutant(
    "REQ-017",
    "A response that answers nothing in flight ends the connection.",
    (
        "messenger.js",
        "    } else if (!this.#requests.resolve(answered, message) &&",
        "    } else if (!this.#requests.resolve(answered, message) && !this.#oneWay.has?.(answered) && !error) {\n      this.#connection.abort(new IPCError('invalid_message', 'a response that answers nothing'));\n    } else if (!this.#requests.resolve(answered, message) &&",
    ),
)
_mutant(
    "REQ-018",
    "Requests in flight wait for their own timeout when the connection is lost.",
    (
        "client.js",
        "    this.#messenger.rejectRequests(new IPCError('connection_lost', lost, error));\n",
        "    void lost;\n",
    ),
)
_mutant(
    "SUB-001",
    "A subscribe names the application in place of the connection.",
    (
        "messenger.js",
        "{ connection_id: this.#identity.connectionId }, true);\n",
        "{ connection_id: this.#identity.appId }, true);\n",
    ),
    harms=("client-publish/publish-with-an-object",),
    because="it subscribes",
)
_mutant(
    "SUB-001/unsubscribe",
    "An unsubscribe names the application in place of the connection.",
    (
        "messenger.js",
        "{ connection_id: this.#identity.connectionId }, true);\n",
        "{ connection_id: type === 'subscribe' ? this.#identity.connectionId : this.#identity.appId }, true);\n",
    ),
)
_mutant(
    "SUB-019",
    "Notifications are not handed to the channel's handlers.",
    ("client.js", "      case 'notification': // SUB-019\n", ""),
)
_mutant(
    "SUB-019/first",
    "Of several handlers of a channel only the first is called.",
    (
        "handlers.js",
        "for (const [handler, isOnce] of [...this.#handlers]) {",
        "for (const [handler, isOnce] of [...this.#handlers].slice(0, 1)) {",
    ),
)
_mutant(
    "SUB-019/null",
    "A message whose payload is empty is not handed over.",
    (
        "client.js",
        "        this.#subscriptions.dispatch(message);",
        "        if (message.payload) this.#subscriptions.dispatch(message);",
    ),
)
_mutant(
    "SUB-020",
    "After a loss the first of the channels is subscribed to again, and no other.",
    (
        "client.js",
        "for (const channel of this.#subscriptions.channels) this.#renew(channel);",
        "for (const channel of this.#subscriptions.channels.slice(0, 1)) this.#renew(channel);",
    ),
)
_mutant(
    "ERR-010",
    "An error answer is reported to the client's user, and its request left waiting.",
    (
        "messenger.js",
        "    if (answered == null) {",
        "    if (error && answered != null) {\n      this.#report(serverError(error));\n    } else if (answered == null) {",
    ),
)
_mutant(
    "ERR-014",
    "A body that is not JSON is dropped, and the connection goes on.",
    (
        "link.js",
        "        this.#deliver(decodeBody(body), body.length);",
        "        let message = null;\n        try {\n          message = decodeBody(body);\n        } catch {\n          continue;\n        }\n        this.#deliver(message, body.length);",
    ),
)
_mutant(
    "ERR-014/utf-8",
    "Ill-formed UTF-8 is read as U+FFFD.",
    ("encoding.js", "{ fatal: true, ignoreBOM: true }", "{ fatal: false, ignoreBOM: true }"),
)
_mutant(
    "ERR-014/root",
    "A body that is an array or a number is dropped, and the connection goes on.",
    (
        "link.js",
        "        this.#deliver(decodeBody(body), body.length);",
        '        if (/^[[0-9"n]/.test(body.toString())) continue;\n        this.#deliver(decodeBody(body), body.length);',
    ),
)
_mutant(
    "ERR-014/length",
    "A frame over the limit is waited for.",
    (
        "framing.js",
        "    if (length > this.maxFrameBytes) {\n      throw new IPCError('frame_too_large', `frame of",
        "    if (length > Infinity) {\n      throw new IPCError('frame_too_large', `frame of",
    ),
)
_mutant(
    "LIM-002",
    "Frames of any length are sent.",
    ("framing.js", "  if (length > maxFrameBytes) {", "  if (length > maxFrameBytes * 1e9) {"),
)
_mutant(
    "LIM-003",
    "A frame that is exactly as long as the limit is refused.",
    (
        "framing.js",
        "    if (length > this.maxFrameBytes) {\n      throw new IPCError('frame_too_large', `frame of",
        "    if (length >= this.maxFrameBytes) {\n      throw new IPCError('frame_too_large', `frame of",
    ),
)
_mutant(
    "SYS-006",
    "No pings are sent.",
    ("heartbeat.js", "    if (this.#interval > 0)", "    if (this.#interval < 0)"),
)
_mutant(
    "SYS-007",
    "A ping that is not answered has no consequence.",
    (
        "heartbeat.js",
        "      if (error.code === 'timeout' && this.unanswered()) this.#onLost();",
        "      void (error.code === 'timeout' || this.#onLost);",
    ),
)
_mutant(
    "PRF-002",
    "A profile that the client does not know makes the attempt to connect fail.",
    (
        "envelope.js",
        "    message.payload?.status === 'connected'\n",
        "    message.payload?.status === 'connected' &&\n    (message.payload.profiles ?? []).every((name) => ['batch', 'discovery', 'queue', 'security'].includes(name))\n",
    ),
)
