'use strict';

// A small server with the responder, in Node.js: one event loop, and a promise for each request.

const net = require('node:net');
const { randomUUID } = require('node:crypto');

const MAX_FRAME = 4 * 1024 * 1024;
const MAX_WAITING = 16 * 1024 * 1024;
const HANDSHAKE_MS = 2000;
const DRAIN_MS = 5000;
const LINGER_MS = 6000;
const FATAL = new Set(['frame_too_large', 'malformed_frame', 'handshake_required', 'handshake_timeout',
  'unsupported_protocol', 'session_replaced']);
const TYPES = ['request', 'response', 'notification', 'subscribe', 'unsubscribe', 'publish'];
const MEMBERS = ['message_id', 'app_id', 'channel_id', 'message_type', 'payload', 'timestamp'];

const live = new Map(); // connections by application and name
const subscribers = new Map(); // sets of connections by application and channel
const notes = [];

// -- the responder: a handler that throws or rejects makes the server answer handler_failed ---------------------------

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

function must(condition) {
  if (!condition) throw new TypeError('the payload is not as the table says');
}

const requests = {
  'conformance.echo': async (payload) => payload,
  'conformance.delay': async ({ delay_ms: ms, value }) => {
    must(typeof ms === 'number' && ms >= 0 && value !== undefined);
    await sleep(ms);
    return { value };
  },
  'conformance.fail': async ({ detail }) => { throw new Error(detail); },
  'conformance.silent': () => new Promise(() => {}),
  'conformance.emit': async ({ channel, count, message_type: kind, payload }, connection) => {
    must(isChannel(channel) && channel !== 'system' && ['publish', 'notification'].includes(kind));
    must(Number.isInteger(count) && count >= 0 && payload !== undefined);
    for (let number = 0; number < count; number++) {
      deliver(connection.app, channel, message(connection.app, channel, kind, payload));
    }
    return { emitted: count };
  },
  'conformance.seen': async (payload) => {
    must(isObject(payload));
    return { seen: notes };
  },
  'conformance.close': async (payload, connection) => { connection.end(); },
};

function remember(payload) {
  notes.push(payload);
  if (notes.length > 1000) notes.shift();
}

const notifications = {
  'conformance.note': remember,
  'conformance.fail_note': (payload) => {
    remember(payload);
    throw new Error('the notification was to fail');
  },
};

// -- messages ---------------------------------------------------------------------------------------------------------

class Refusal extends Error {} // the message is the code of the error

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value, longest) => typeof value === 'string' && value !== '' && [...value].length <= longest;
const isChannel = (value) => isText(value, 255) && [...value].every((character) => character >= ' ');
const has = (object, name) => Object.prototype.hasOwnProperty.call(object, name);

/** Refuse half of a surrogate pair, and a number that is infinite. */
function checked(name, value) {
  if (/\p{Surrogate}/u.test(name) || (typeof value === 'string' && /\p{Surrogate}/u.test(value))) throw new TypeError();
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError();
  return value;
}

function decode(body) {
  let found;
  try {
    found = JSON.parse(utf8.decode(body), checked);
  } catch {
    throw new Refusal('malformed_frame');
  }
  if (!isObject(found)) throw new Refusal('malformed_frame');
  return found;
}

function message(app, channel, kind, payload, replyTo = null) {
  return Buffer.from(JSON.stringify({
    message_id: randomUUID(), app_id: app, channel_id: channel, message_type: kind, payload,
    timestamp: Date.now() / 1000, reply_to: replyTo,
  }));
}

function isEnvelope(found) {
  return MEMBERS.every((name) => has(found, name))
    && Object.keys(found).every((name) => MEMBERS.includes(name) || name === 'reply_to')
    && isText(found.message_id, 128) && isText(found.app_id, 255) && isChannel(found.channel_id)
    && TYPES.includes(found.message_type) && typeof found.timestamp === 'number' && found.timestamp >= 0
    && (!has(found, 'reply_to') || found.reply_to === null || isText(found.reply_to, 128));
}

function isConnect(found) {
  if (!isEnvelope(found) || found.message_type !== 'request' || found.channel_id !== 'system') return false;
  const { payload } = found;
  if (!isObject(payload) || payload.action !== 'connect') return false;
  const { protocol = '1.0', token = '', client = {} } = payload;
  return isText(payload.connection_id, 128)
    && typeof protocol === 'string' && /^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/.test(protocol)
    && typeof token === 'string' && isObject(client)
    && ['name', 'version'].every((name) => !has(client, name) || typeof client[name] === 'string');
}

const key = (app, name) => JSON.stringify([app, name]);

function deliver(app, channel, body) {
  for (const each of [...subscribers.get(key(app, channel)) ?? []]) each.send(body);
}

/** Return the answer to a request on the channel system. */
function act(payload) {
  if (!isObject(payload) || typeof payload.action !== 'string') throw new Refusal('invalid_message');
  if (payload.action === 'ping') return { status: 'pong' };
  if (payload.action === 'get_time') {
    const now = new Date();
    return { timestamp: now.getTime() / 1000, iso: now.toISOString() };
  }
  throw new Refusal(payload.action === 'connect' ? 'already_connected' : 'unknown_action');
}

// -- connections ------------------------------------------------------------------------------------------------------

/** A client. Its state is `new`, then `open`, `draining` if the client ends first, and `closing`. */
class Connection {
  constructor(socket) {
    Object.assign(this, { socket, app: 'system', name: '', state: 'new', running: 0 });
    this.channels = new Set();
    this.parts = [];
    this.size = 0;
    this.timer = setTimeout(() => this.refuse('handshake_timeout', {}), HANDSHAKE_MS);
    socket.setNoDelay();
    socket.on('data', (part) => this.read(part));
    socket.on('end', () => this.drain());
    socket.on('error', () => {});
    socket.on('close', () => this.end());
  }

  read(part) {
    if (this.state !== 'new' && this.state !== 'open') return; // so that the client can read the error
    this.parts.push(part);
    this.size += part.length;
    while (this.size >= 4) {
      if (this.parts[0].length < 4) this.parts = [Buffer.concat(this.parts)];
      const length = this.parts[0].readUInt32BE();
      if (length > MAX_FRAME) {
        this.refuse('frame_too_large', {});
        return;
      }
      if (this.size < 4 + length) return;
      const octets = Buffer.concat(this.parts);
      this.parts = [octets.subarray(4 + length)];
      this.size -= 4 + length;
      this.receive(octets.subarray(4, 4 + length));
      if (this.state !== 'open') return;
    }
  }

  receive(body) {
    let found = {};
    try {
      found = decode(body);
      if (this.state === 'new') this.connect(found);
      else if (isEnvelope(found)) this.process(found, body);
      else throw new Refusal('invalid_message');
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refuse(error.message, found);
    }
  }

  connect(found) {
    if (!isConnect(found)) throw new Refusal('handshake_required');
    const { connection_id: name, protocol = '1.0' } = found.payload;
    if (!protocol.startsWith('1.')) throw new Refusal('unsupported_protocol');
    clearTimeout(this.timer);
    live.get(key(found.app_id, name))?.refuse('session_replaced', {});
    Object.assign(this, { app: found.app_id, name, state: 'open' });
    live.set(key(this.app, name), this);
    const limits = { max_frame_bytes: MAX_FRAME, handshake_timeout_ms: HANDSHAKE_MS };
    const payload = { status: 'connected', connection_id: name, protocol: '1.1', profiles: [], limits };
    this.send(message(this.app, 'system', 'response', payload));
  }

  process(found, body) {
    const { message_type: kind, channel_id: channel, payload } = found;
    if (kind === 'response') return;
    if (found.app_id !== this.app) throw new Refusal('app_mismatch');
    const handlers = this.app === 'conformance' ? { request: requests, notification: notifications }[kind] : {};
    const handler = handlers && has(handlers, channel) ? handlers[channel] : null;
    if (kind === 'subscribe' || kind === 'unsubscribe') {
      this.subscribe(channel, payload, kind === 'subscribe');
    } else if (kind === 'publish') {
      if (channel === 'system') throw new Refusal('reserved_channel');
      deliver(this.app, channel, body);
    } else if (kind === 'notification') {
      try {
        handler?.(payload);
      } catch {
        // Nobody is told that a notification failed.
      }
    } else if (channel === 'system') {
      this.answer(found, act(payload));
    } else if (handler) {
      this.handle(handler, found);
    } else {
      throw new Refusal('no_handler');
    }
  }

  subscribe(channel, payload, begins) {
    if (!isObject(payload) || !isText(payload.connection_id, 128)) throw new Refusal('invalid_message');
    if (payload.connection_id !== this.name) throw new Refusal('forbidden');
    const name = key(this.app, channel);
    if (!begins) {
      this.unsubscribe(name);
    } else {
      if (!subscribers.has(name)) subscribers.set(name, new Set());
      subscribers.get(name).add(this);
      this.channels.add(name);
    }
  }

  unsubscribe(name) {
    this.channels.delete(name);
    subscribers.get(name)?.delete(this);
    if (subscribers.get(name)?.size === 0) subscribers.delete(name);
  }

  async handle(handler, found) {
    this.running += 1;
    try {
      this.answer(found, await handler(found.payload, this));
    } catch {
      this.refuse('handler_failed', found);
    }
    this.running -= 1;
    if (this.state === 'draining' && this.running === 0) this.end();
  }

  answer(found, payload) {
    const body = message(this.app, found.channel_id, 'response', payload, found.message_id);
    if (body.length > MAX_FRAME) this.refuse('handler_failed', found);
    else this.send(body);
  }

  refuse(code, found) {
    const about = isText(found.message_id, 128) ? found.message_id : null;
    const channel = about !== null && isChannel(found.channel_id) ? found.channel_id : 'system';
    const payload = { status: 'error', error: { code, message: `Refused: ${code}.` } };
    this.send(message(this.app, channel, 'response', payload, about));
    if (FATAL.has(code)) this.end();
  }

  send(body) {
    if (this.state === 'closing') return;
    const header = Buffer.alloc(4);
    header.writeUInt32BE(body.length);
    this.socket.write(Buffer.concat([header, body]));
    if (this.socket.writableLength > MAX_WAITING) this.socket.destroy();
  }

  drain() {
    for (const name of this.channels) this.unsubscribe(name);
    if (this.state !== 'open' || this.running === 0) {
      this.end();
      return;
    }
    this.state = 'draining';
    this.timer = setTimeout(() => this.end(), DRAIN_MS);
  }

  end() {
    if (this.state === 'closing') return;
    this.state = 'closing';
    clearTimeout(this.timer);
    for (const name of this.channels) this.unsubscribe(name);
    if (live.get(key(this.app, this.name)) === this) live.delete(key(this.app, this.name));
    this.socket.end();
    const timer = setTimeout(() => this.socket.destroy(), LINGER_MS);
    this.socket.once('close', () => clearTimeout(timer));
  }
}

const port = Number(process.argv[process.argv.indexOf('--port') + 1]);
net.createServer({ allowHalfOpen: true }, (socket) => new Connection(socket)).listen(port, '127.0.0.1', 256);
