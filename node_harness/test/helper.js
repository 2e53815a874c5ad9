'use strict';

// A server that does what a test tells it, octet by octet. It shares no code with the client, so that a mistake in the
// client's framing cannot cancel itself out.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const tls = require('node:tls');
const { IPCClient } = require('../client');

const DEADLINE_MS = 3000;

function frame(body) {
  const octets = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const header = Buffer.alloc(4);
  header.writeUInt32BE(octets.length);
  return Buffer.concat([header, octets]);
}

let sent = 0;

function message(type, channel, payload, members = {}) {
  sent += 1;
  const envelope = { message_id: `server-${sent}`, app_id: 'app', channel_id: channel, message_type: type, payload };
  return { ...envelope, timestamp: 1.5, reply_to: null, ...members };
}

function acknowledgement(payload = {}) {
  return message('response', 'system', { status: 'connected', connection_id: 'c', protocol: '1.0', ...payload });
}

function errorAnswer(code, members = {}) {
  return message('response', 'system', { status: 'error', error: { code, message: `told: ${code}` } }, members);
}

function response(request, payload = { ok: true }) {
  return message('response', request.channel_id, payload, { reply_to: request.message_id });
}

function withDeadline(promise, what) {
  let timer;
  const deadline = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([promise, deadline]).finally(() => clearTimeout(timer));
}

/** Things that arrive and are taken out in order; `take` waits for the next one. */
class Inbox {
  #items = [];
  #takers = [];

  put(item) {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  get size() {
    return this.#items.length;
  }

  take(what) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return withDeadline(new Promise((resolve) => this.#takers.push(resolve)), what);
  }
}

/** The server's end of one connection. */
class Peer {
  #chunks = [];
  #buffered = 0;
  #wanted = 4; // octets until the next frame is complete, or its header
  #inbox = new Inbox();
  #gone;

  constructor(socket) {
    this.socket = socket;
    this.octets = [];
    this.#gone = new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => {}); // a reset is among the things that tests provoke
  }

  #receive(chunk) {
    this.octets.push(chunk);
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered < this.#wanted) return;
    let rest = Buffer.concat(this.#chunks);
    for (;;) {
      this.#wanted = rest.length < 4 ? 4 : 4 + rest.readUInt32BE();
      if (rest.length < this.#wanted) break;
      this.#inbox.put(JSON.parse(rest.subarray(4, this.#wanted).toString()));
      rest = rest.subarray(this.#wanted);
    }
    this.#chunks = [rest];
    this.#buffered = rest.length;
  }

  /** Wait until the client has ended the stream, in order or not. */
  gone() {
    return withDeadline(this.#gone, 'the end of the connection');
  }

  get unread() {
    return this.#inbox.size;
  }

  receive() {
    return this.#inbox.take('the next message of the client');
  }

  /** Send messages in one write. */
  send(...messages) {
    this.write(Buffer.concat(messages.map(frame)));
  }

  write(octets) {
    this.socket.write(octets);
  }

  /** Write octets one at a time, each in a segment of its own as far as the machine allows. */
  async trickle(octets) {
    for (const octet of octets) {
      this.write(Buffer.from([octet]));
      await new Promise(setImmediate);
    }
  }

  end() {
    this.socket.end();
  }

  reset() {
    this.socket.resetAndDestroy();
  }
}

/**
 * Start a server for the time of a test, on a free port or on the path of a socket; with a certificate and its key it
 * speaks TLS.
 */
async function scriptedServer(t, credentials, path) {
  const connections = new Inbox();
  const sockets = new Set();
  const accept = (socket) => connections.put(new Peer(socket));
  const server = credentials
    ? tls.createServer({ allowHalfOpen: true, ...credentials }, accept)
    : net.createServer({ allowHalfOpen: true }, accept);
  server.on('connection', (socket) => sockets.add(socket)); // under TLS, the socket below
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  const stop = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  t.after(stop);
  return {
    port: server.address().port,
    stop,
    accept: () => connections.take('the next connection'),
    get waiting() {
      return connections.size;
    },
  };
}

/** Make a client for the time of a test, and write down what it reports; a path in the options replaces the port. */
function recordedClient(t, port, options = {}, appId = 'app') {
  const address = options.path === undefined ? { host: '127.0.0.1', port } : {};
  const client = new IPCClient(appId, { connectionTimeout: 2000, reconnectDelay: 5, ...address, ...options });
  const events = [];
  const errors = new Inbox();
  const connections = new Inbox();
  client.onConnected(() => {
    events.push('connected');
    connections.put(true);
  });
  client.onDisconnected((reason) => events.push(reason === null ? 'disconnected' : 'lost'));
  client.onError((error) => {
    events.push(`error ${error.code ?? error.message}`);
    errors.put(error);
  });
  t.after(() => client.disconnect({ timeout: 100 })); // some servers of these tests do not read
  return {
    client,
    events,
    nextConnected: () => connections.take('the next onConnected'),
    nextError: () => errors.take('the next error'),
  };
}

/** A server and a client that is connected to it; with a certificate and its key the server speaks TLS. */
async function connectedPair(t, options = {}, acknowledged = {}, credentials = undefined) {
  const server = await scriptedServer(t, credentials, options.path);
  const recorded = recordedClient(t, server.port, options);
  const opened = recorded.client.connect();
  const peer = await server.accept();
  const hello = await peer.receive();
  peer.send(acknowledgement(acknowledged));
  if (!(await opened)) throw new Error('the client did not connect');
  await recorded.nextConnected();
  return { server, peer, hello, ...recorded };
}

/** Have a client try to connect, and return the one error that it has to report. */
async function failedAttempt(t, port, options) {
  const { client, events, nextError } = recordedClient(t, port, options);
  assert.equal(await client.connect(), false);
  const error = await nextError();
  assert.deepEqual(events, [`error ${error.code}`]);
  assert.equal(client.getConnectionInfo().status, 'disconnected');
  return error;
}

/** Accept the client's next connection and acknowledge it. */
async function acceptAgain(server) {
  const peer = await server.accept();
  const hello = await peer.receive();
  peer.send(acknowledgement());
  return { peer, hello };
}

/** Have the client process everything sent to it so far: a round trip behind it. */
async function barrier(client, peer) {
  const check = client.healthCheck();
  const ping = await peer.receive();
  peer.send(response(ping, { status: 'pong' }));
  return check;
}

module.exports = {
  acceptAgain,
  acknowledgement,
  barrier,
  connectedPair,
  errorAnswer,
  failedAttempt,
  frame,
  message,
  recordedClient,
  response,
  scriptedServer,
  withDeadline,
};
