/**
 * A conforming server of one thread: Node's event loop, streams and timers.
 *
 * Written from the specification alone. Bodies go through JSON.parse and JSON.stringify: members whose names are numbers
 * come out first, and a name that is there twice counts as its last. What a client does not read waits in its stream.
 * It states no limits, and answers on the next turn of the event loop.
 */
'use strict';

const net = require('node:net');

const MAX_FRAME = 16 * 1024 * 1024;
const MAX_OUTBOUND = 64 * 1024 * 1024;
const MAX_DEPTH = 200;
const HIGH_WATER = 256 * 1024;
const HANDSHAKE_MS = 1500;
const LINGER_MS = 1500;
const SLOW_MS = 8000;
const DRAIN_MS = 4000;
const GRACE_MS = 2500;
const TYPES = ['request', 'response', 'notification', 'subscribe', 'unsubscribe', 'publish'];
const MEMBERS = ['message_id', 'app_id', 'channel_id', 'message_type', 'payload', 'timestamp'];
const METHODS = ['GET ', 'HEAD', 'POST', 'PUT ', 'DELE', 'OPTI', 'PATC', 'CONN', 'TRAC', 'PRI '];
const FATAL = ['frame_too_large', 'malformed_frame', 'handshake_required', 'handshake_timeout', 'unsupported_protocol'];
const HINT_TEXT = 'Not a web server: this port speaks the IPC Framework Wire Protocol 1.0\r\n';
const HINT = `HTTP/1.1 426 Upgrade Required\r\nUpgrade: ipc/1.0\r\nConnection: Upgrade\r\n`
  + `Content-Type: text/plain\r\nContent-Length: ${HINT_TEXT.length}\r\n\r\n${HINT_TEXT}`;

const connections = new Set();
const live = new Map();
const subscribers = new Map();
const notes = [];
let stopping = false;

class Refusal extends Error {}

// -- rules

/** Fail unless the value is within the limits of depth, and its numbers and strings are those of I-JSON. */
function inspect(root) {
  let level = [root];
  for (let depth = 1; level.length > 0; depth += 1) {
    const next = [];
    for (const value of level) {
      if (typeof value === 'number' && !Number.isFinite(value)) throw new Refusal('malformed_frame');
      if (typeof value === 'string' && !value.isWellFormed()) throw new Refusal('malformed_frame');
      if (typeof value === 'object' && value !== null) {
        if (depth > MAX_DEPTH) throw new Refusal('malformed_frame');
        for (const name of Object.keys(value)) {
          if (!name.isWellFormed()) throw new Refusal('malformed_frame');
          next.push(value[name]);
        }
      }
    }
    level = next;
  }
}

function decode(body) {
  let message;
  try {
    message = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    throw new Refusal('malformed_frame');
  }
  inspect(message);
  if (typeof message !== 'object' || message === null || Array.isArray(message)) throw new Refusal('malformed_frame');
  return message;
}

const has = (object, name) => Object.prototype.hasOwnProperty.call(object, name);
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isString = (value, longest) => typeof value === 'string' && value.length > 0 && [...value].length <= longest;
// eslint-disable-next-line no-control-regex
const isChannel = (value) => isString(value, 255) && !/[\u0000-\u001f]/.test(value);

function isEnvelope(message) {
  return MEMBERS.every((name) => has(message, name))
    && Object.keys(message).every((name) => MEMBERS.includes(name) || name === 'reply_to')
    && isString(message.message_id, 128)
    && isString(message.app_id, 255)
    && isChannel(message.channel_id)
    && TYPES.includes(message.message_type)
    && typeof message.timestamp === 'number'
    && message.timestamp >= 0
    && (message.reply_to === undefined || message.reply_to === null || isString(message.reply_to, 128));
}

function isConnect(message) {
  if (!isEnvelope(message) || message.message_type !== 'request' || message.channel_id !== 'system') return false;
  const { payload } = message;
  if (!isObject(payload) || payload.action !== 'connect' || !isString(payload.connection_id, 128)) return false;
  if (has(payload, 'protocol') && !(typeof payload.protocol === 'string'
    && /^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/.test(payload.protocol))) return false;
  if (has(payload, 'token') && typeof payload.token !== 'string') return false;
  if (!has(payload, 'client')) return true;
  return isObject(payload.client)
    && ['name', 'version'].every((name) => !has(payload.client, name) || typeof payload.client[name] === 'string');
}

// -- a connection

class Connection {
  constructor(socket) {
    this.socket = socket;
    this.state = 'awaiting_connect';
    this.app = 'system';
    this.name = '';
    this.channels = new Set();
    this.owed = 0;
    this.sent = 0;
    this.chunks = [];
    this.buffered = 0;
    this.first = true;
    this.handshake = setTimeout(() => this.fail('handshake_timeout'), HANDSHAKE_MS);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.receive(chunk));
    socket.on('drain', () => this.work());
    socket.on('end', () => this.peerEnded());
    socket.on('error', () => {});
    socket.on('close', () => this.closed());
    connections.add(this);
  }

  receive(chunk) {
    if (this.state !== 'awaiting_connect' && this.state !== 'open') return;
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    this.work();
  }

  /** Process the frames that are complete, unless the client does not read its answers. */
  work() {
    while (this.state === 'awaiting_connect' || this.state === 'open') {
      if (this.socket.writableLength > HIGH_WATER) {
        this.socket.pause();
        return;
      }
      const body = this.nextBody();
      if (body === null) break;
      this.processBody(body);
    }
    this.socket.resume();
    if (this.ended && this.state !== 'closing') this.drain();
  }

  nextBody() {
    if (this.buffered < 4) return null;
    if (this.chunks[0].length < 4) this.chunks = [Buffer.concat(this.chunks)];
    const length = this.chunks[0].readUInt32BE(0);
    if (this.first && METHODS.includes(this.chunks[0].toString('latin1', 0, 4))) {
      this.end(Buffer.from(HINT));
      return null;
    }
    this.first = false;
    if (length > MAX_FRAME) {
      this.fail('frame_too_large');
      return null;
    }
    if (this.buffered < 4 + length) return null;
    const all = this.chunks.length > 1 ? Buffer.concat(this.chunks) : this.chunks[0];
    const rest = all.subarray(4 + length);
    this.chunks = rest.length > 0 ? [rest] : [];
    this.buffered = rest.length;
    return all.subarray(4, 4 + length);
  }

  processBody(body) {
    let message = {};
    try {
      message = decode(body);
      if (this.state === 'awaiting_connect') this.shakeHands(message);
      else this.process(message, body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (FATAL.includes(error.message)) this.fail(error.message, message);
      else this.sendError(error.message, message);
    }
  }

  shakeHands(message) {
    if (!isConnect(message)) throw new Refusal('handshake_required');
    if ((message.payload.protocol ?? '1.0').split('.')[0] !== '1') throw new Refusal('unsupported_protocol');
    clearTimeout(this.handshake);
    const key = JSON.stringify([message.app_id, message.payload.connection_id]);
    live.get(key)?.fail('session_replaced');
    live.set(key, this);
    Object.assign(this, { key, app: message.app_id, name: message.payload.connection_id, state: 'open' });
    this.respond('system', { connection_id: this.name, status: 'connected', protocol: '1.0', profiles: [] }, null);
  }

  process(message, body) {
    if (!isEnvelope(message)) throw new Refusal('invalid_message');
    const { message_type: type, channel_id: channel, payload } = message;
    if (type === 'response') return;
    if (message.app_id !== this.app) throw new Refusal('app_mismatch');
    if (type === 'subscribe' || type === 'unsubscribe') {
      if (!isObject(payload) || !isString(payload.connection_id, 128)) throw new Refusal('invalid_message');
      if (payload.connection_id !== this.name) throw new Refusal('forbidden');
      if (type === 'subscribe') this.subscribe(channel);
      else this.unsubscribe(channel);
    } else if (type === 'publish') {
      if (channel === 'system') throw new Refusal('reserved_channel');
      const again = Buffer.from(JSON.stringify(message));
      deliver(this.app, channel, () => (again.length > MAX_FRAME ? body : again));
    } else if (type === 'notification') {
      if (this.app === 'conformance' && channel === 'conformance.note') notes.push(payload);
      if (notes.length > 1000) notes.shift();
    } else if (channel === 'system') {
      this.system(message);
    } else {
      this.handle(message);
    }
  }

  system(message) {
    const { payload } = message;
    if (!isObject(payload) || typeof payload.action !== 'string') throw new Refusal('invalid_message');
    if (payload.action === 'connect') throw new Refusal('already_connected');
    if (payload.action === 'ping') {
      this.respond('system', { status: 'pong' }, message.message_id);
    } else if (payload.action === 'get_time') {
      const now = new Date();
      this.respond('system', { timestamp: now.getTime() / 1000, iso: now.toISOString() }, message.message_id);
    } else {
      throw new Refusal('unknown_action');
    }
  }

  handle(message) {
    const handler = this.app === 'conformance' && handlers.get(message.channel_id);
    if (!handler) throw new Refusal('no_handler');
    this.owed += 1;
    // An async function runs up to its first await right away: handlers start in order.
    handler(this, message.payload).then(
      (result) => this.respond(message.channel_id, result, message.message_id),
      () => this.sendError('handler_failed', message),
    ).then(() => {
      this.owed -= 1;
      if (this.owed === 0) this.onIdle?.();
    });
  }

  subscribe(channel) {
    const key = JSON.stringify([this.app, channel]);
    if (!subscribers.has(key)) subscribers.set(key, new Set());
    subscribers.get(key).add(this);
    this.channels.add(channel);
  }

  unsubscribe(channel) {
    const key = JSON.stringify([this.app, channel]);
    subscribers.get(key)?.delete(this);
    if (subscribers.get(key)?.size === 0) subscribers.delete(key);
    this.channels.delete(channel);
  }

  // -- sending

  envelope(type, channel, payload, replyTo) {
    let id;
    do {
      this.sent += 1;
      id = `evented/${this.sent}`;
    } while (id === replyTo);
    return {
      timestamp: Date.now() / 1000,
      payload,
      message_type: type,
      reply_to: replyTo,
      channel_id: channel,
      app_id: this.app,
      message_id: id,
    };
  }

  respond(channel, payload, replyTo) {
    const body = Buffer.from(JSON.stringify(this.envelope('response', channel, payload, replyTo)));
    if (body.length > MAX_FRAME) this.sendError('handler_failed', { channel_id: channel, message_id: replyTo });
    else this.send(body);
  }

  errorBody(code, about) {
    const id = isString(about.message_id, 128) ? about.message_id : null;
    const channel = id !== null && isChannel(about.channel_id) ? about.channel_id : 'system';
    const payload = { error: { message: `refused (${code})`, code }, status: 'error' };
    return Buffer.from(JSON.stringify(this.envelope('response', channel, payload, id)));
  }

  sendError(code, about) {
    this.send(this.errorBody(code, about));
  }

  send(body) {
    if (this.state !== 'open' && this.state !== 'draining') return;
    if (this.socket.writableLength + body.length + 4 > MAX_OUTBOUND) this.fail('slow_consumer');
    else this.write(body);
  }

  write(body) {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(body.length);
    this.socket.cork();
    this.socket.write(header);
    this.socket.write(body);
    process.nextTick(() => this.socket.uncork());
  }

  fail(code, about = {}) {
    this.end(null, () => this.write(this.errorBody(code, about)));
  }

  /** End this side behind what waits, then discard what arrives for a while. */
  end(octets, last = () => {}) {
    if (!['awaiting_connect', 'open', 'draining'].includes(this.state)) return;
    this.leave();
    this.state = 'closing';
    last();
    this.chunks = [];
    this.buffered = 0;
    this.socket.resume();
    this.socket.end(octets ?? undefined, () => {
      clearTimeout(this.patience);
      this.patience = setTimeout(() => this.socket.destroy(), LINGER_MS);
    });
    this.patience = setTimeout(() => this.socket.destroy(), SLOW_MS);
  }

  leave() {
    clearTimeout(this.handshake);
    for (const channel of this.channels) this.unsubscribe(channel);
    if (live.get(this.key) === this) live.delete(this.key);
  }

  peerEnded() {
    this.ended = true;
    this.work();
  }

  drain() {
    if (this.state === 'awaiting_connect') this.end();
    if (this.state !== 'open') return;
    this.state = 'draining';
    for (const channel of this.channels) this.unsubscribe(channel);
    this.onIdle = () => this.end();
    if (this.owed === 0) this.end();
    else this.waiting = setTimeout(() => this.end(), DRAIN_MS);
  }

  closed() {
    this.leave();
    this.state = 'closed';
    clearTimeout(this.patience);
    clearTimeout(this.waiting);
    connections.delete(this);
    if (stopping && connections.size === 0) process.exit(0);
  }
}

function deliver(app, channel, bodyFor) {
  for (const subscriber of [...subscribers.get(JSON.stringify([app, channel])) ?? []]) {
    subscriber.send(bodyFor(subscriber));
  }
}

// -- the responder

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

const handlers = new Map([
  ['conformance.echo', async (_, payload) => {
    await new Promise(setImmediate);
    return payload;
  }],
  ['conformance.delay', async (_, { delay_ms: delay, value }) => {
    if (typeof delay !== 'number' || delay < 0 || value === undefined) throw new TypeError();
    await sleep(delay);
    return { value };
  }],
  ['conformance.fail', async (_, { detail }) => {
    throw new Error(detail);
  }],
  ['conformance.silent', () => new Promise(() => {})],
  ['conformance.emit', async (connection, order) => {
    const { channel, count, message_type: type, payload } = order;
    if (!isChannel(channel) || channel === 'system' || !['publish', 'notification'].includes(type)) throw new TypeError();
    if (!Number.isInteger(count) || count < 0 || payload === undefined) throw new TypeError();
    for (let done = 0; done < count; done += 1) {
      deliver(connection.app, channel, (to) => Buffer.from(JSON.stringify(to.envelope(type, channel, payload, null))));
    }
    return { emitted: count };
  }],
  ['conformance.seen', async () => ({ seen: [...notes] })],
  ['conformance.close', async (connection) => connection.end()],
]);

// -- the program

const port = Number(process.argv[process.argv.indexOf('--port') + 1]);
const server = net.createServer({ allowHalfOpen: true }, (socket) => new Connection(socket));
server.listen(port, '127.0.0.1', 512);

process.on('SIGTERM', () => {
  if (stopping) return;
  stopping = true;
  server.close();
  const deadline = Date.now() + GRACE_MS;
  const look = () => {
    if (Date.now() < deadline && [...connections].some((each) => each.owed > 0)) {
      setTimeout(look, 10);
      return;
    }
    if (connections.size === 0) process.exit(0);
    for (const each of connections) {
      if (each.state === 'awaiting_connect') each.end();
      else each.fail('shutting_down');
    }
  };
  look();
});
