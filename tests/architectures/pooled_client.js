/**
 * A conforming client of two worlds, and its driver: a worker thread has the socket, the main thread has the user.
 *
 * Written from the specification and the driver protocol alone. Each message is handed over by a pool, after a random
 * pause of its own: no two come in the order in which they arrived. What the main thread knows of the connection is a
 * moment old. What is sent in one turn of the worker's event loop is written together. `disconnect` does not wait.
 */
'use strict';

const crypto = require('node:crypto');
const net = require('node:net');
const readline = require('node:readline');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

const CUSTOMARY_FRAME = 16 * 1024 * 1024;
const LINGER_MS = 1000;
const PAUSE_MS = 20;
const FINAL = ['session_replaced', 'unsupported_protocol', 'unauthorized'];
const TYPES = ['request', 'response', 'notification', 'subscribe', 'unsubscribe', 'publish'];

class ClientError extends Error {
  constructor(code, message = code) {
    super(message);
    this.code = code;
  }
}

// -- rules

const isText = (value, longest) => typeof value === 'string' && value.length > 0 && [...value].length <= longest;
// eslint-disable-next-line no-control-regex
const isChannel = (value) => isText(value, 255) && value.isWellFormed() && !/[\u0000-\u001f]/.test(value);
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function isMessage(message) {
  return isText(message.message_id, 128) && isText(message.app_id, 255) && isChannel(message.channel_id)
    && TYPES.includes(message.message_type) && message.payload !== undefined
    && typeof message.timestamp === 'number' && message.timestamp >= 0
    && (message.reply_to === undefined || message.reply_to === null || isText(message.reply_to, 128));
}

function encode(message) {
  const refuse = (name, value) => {
    const isBad = typeof value === 'number' ? !Number.isFinite(value)
      : (typeof value === 'string' && !value.isWellFormed()) || !name.isWellFormed();
    if (isBad) throw new ClientError('invalid_message', 'the payload is not I-JSON');
    return value;
  };
  return Buffer.from(JSON.stringify(message, refuse));
}

function decode(body) {
  const message = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  if (!isObject(message)) throw new SyntaxError('no object');
  return message;
}

// -- the worker: a connection and its successors

class Network {
  constructor(options, tell) {
    this.options = options;
    this.tell = tell;
    this.name = options.name;
    this.channels = new Set();
    this.pending = new Map();
    this.state = 'idle';
    this.sent = 0;
  }

  connect() {
    if (this.state === 'open') return Promise.resolve();
    this.attempt ??= this.tryOnce().finally(() => { this.attempt = null; });
    return this.attempt;
  }

  tryOnce() {
    return new Promise((resolve, reject) => {
      const { host = 'localhost', port = 8888, connection_timeout_ms: patience = 10_000 } = this.options;
      const socket = net.connect({ host, port, noDelay: true });
      Object.assign(this, { socket, state: 'connecting', limit: CUSTOMARY_FRAME, lastError: '' });
      const chunks = [];
      let buffered = 0;
      const fail = (code, text) => {
        reject(new ClientError(code, text));
        socket.destroy();
      };
      const timer = setTimeout(() => fail('timeout'), patience);
      const receive = (message) => {
        if (this.socket !== socket) return;
        if (this.state === 'open') {
          this.receive(message);
        } else if (message.message_type === 'response' && message.channel_id === 'system' && isObject(message.payload)) {
          if (message.payload.status === 'connected') {
            clearTimeout(timer);
            this.opened(message.payload);
            resolve();
          } else if (message.payload.status === 'error') {
            fail(String(message.payload.error?.code));
          }
        }
      };
      socket.on('connect', () => {
        const payload = { action: 'connect', connection_id: this.name, client: { name: 'pooled' } };
        if (this.options.token !== undefined) payload.token = this.options.token;
        this.write('request', 'system', payload);
      });
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        buffered += chunk.length;
        try {
          while (buffered >= 4) {
            if (chunks[0].length < 4) chunks.splice(0, chunks.length, Buffer.concat(chunks));
            const length = chunks[0].readUInt32BE(0);
            if (length > this.limit) throw new RangeError('a frame is too long');
            if (buffered < 4 + length) return;
            const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
            chunks.splice(0, chunks.length, all.subarray(4 + length));
            buffered -= 4 + length;
            receive(decode(all.subarray(4, 4 + length)));
          }
        } catch (error) {
          fail('malformed_frame', error.message);
        }
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        clearTimeout(timer);
        reject(new ClientError('connection_failed', 'the connection ended'));
        if (this.socket === socket) this.closed();
      });
    });
  }

  opened(payload) {
    this.limit = payload.limits?.max_frame_bytes ?? CUSTOMARY_FRAME;
    this.state = 'open';
    for (const channel of this.channels) this.write('subscribe', channel, { connection_id: this.name });
    this.tell({ event: 'connected' });
    const interval = this.options.heartbeat_interval_ms ?? 30_000;
    const { socket } = this;
    if (interval > 0) {
      this.beat = setInterval(() => {
        this.request('system', { action: 'ping' }, interval).catch((error) => {
          if (error.code === 'timeout') socket.destroy();
        });
      }, interval);
    }
  }

  closed() {
    const wasOpen = this.state === 'open' || this.state === 'ending';
    const byUser = this.state === 'ending' || this.state === 'stopped';
    clearInterval(this.beat);
    this.state = byUser ? 'stopped' : 'lost';
    for (const { reject } of this.pending.values()) reject(new ClientError('connection_lost'));
    if (!wasOpen) return;
    this.tell({ event: 'disconnected', reason: byUser ? null : 'the connection was lost' });
    if (!byUser && !FINAL.includes(this.lastError)) this.comeBack(this.options.reconnect_attempts ?? 5);
  }

  comeBack(attempts) {
    if (attempts < 1) return;
    this.retry = setTimeout(() => {
      this.connect().catch((error) => {
        this.tell({ event: 'error', error: { message: error.message, code: error.code } });
        if (this.state !== 'stopped' && !FINAL.includes(error.code)) this.comeBack(attempts - 1);
      });
    }, this.options.reconnect_delay_ms ?? 2000);
  }

  disconnect() {
    clearTimeout(this.retry);
    clearInterval(this.beat);
    for (const { reject } of this.pending.values()) reject(new ClientError('connection_lost', 'disconnect'));
    this.state = this.state === 'open' ? 'ending' : 'stopped';
    const { socket } = this;
    if (!socket) return;
    socket.end();
    // The server ends its side when it has read everything. A server that does not read is given up in the end.
    let left = socket.bytesWritten;
    const look = setInterval(() => {
      if (socket.bytesWritten === left && socket.writableLength === 0) socket.destroy();
      left = socket.bytesWritten;
      if (socket.destroyed) clearInterval(look);
    }, LINGER_MS);
    socket.on('close', () => clearInterval(look));
  }

  receive(message) {
    if (!isMessage(message)) return;
    const { message_type: type, payload, reply_to: about } = message;
    if (type === 'publish' || type === 'notification') {
      this.tell({ message });
    } else if (type === 'response' && this.pending.has(about)) {
      this.pending.get(about).resolve(message);
    } else if (type === 'response' && payload?.status === 'error') {
      this.lastError = payload.error?.code;
      this.tell({ event: 'error', error: { message: 'an error answer', code: String(this.lastError) } });
    }
  }

  write(type, channel, payload) {
    if (!isChannel(channel)) throw new ClientError('invalid_message', 'no channel has this name');
    this.sent += 1;
    const id = `${this.name}.${this.sent}`;
    const body = encode({
      payload, message_type: type, channel_id: channel, app_id: this.options.app_id, message_id: id, timestamp: Date.now() / 1000,
    });
    if (body.length > this.limit) throw new ClientError('frame_too_large');
    const header = Buffer.alloc(4);
    header.writeUInt32BE(body.length);
    if (this.socket.writableCorked === 0) {
      const { socket } = this;
      socket.cork();
      setImmediate(() => socket.uncork());
    }
    this.socket.write(header);
    this.socket.write(body);
    return id;
  }

  send({ type, channel, payload }) {
    if (this.state !== 'open') throw new ClientError('not_connected');
    this.write(type, channel, payload);
  }

  request(channel, given, patience) {
    if (this.state !== 'open') throw new ClientError('not_connected');
    const payload = isObject(given) && !Object.hasOwn(given, 'connection_id')
      ? { ...given, connection_id: this.name } : given;
    const id = this.write('request', channel, payload);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new ClientError('timeout')), patience);
      this.pending.set(id, {
        resolve: (message) => { clearTimeout(timer); resolve(message); },
        reject: (error) => { clearTimeout(timer); reject(error); },
      });
    }).finally(() => this.pending.delete(id));
  }

  subscription({ type, channel }) {
    if (!isChannel(channel)) throw new ClientError('invalid_message', 'no channel has this name');
    if (type === 'subscribe') this.channels.add(channel);
    else this.channels.delete(channel);
    if (this.state === 'open') this.write(type, channel, { connection_id: this.name });
  }
}

function work() {
  let network;
  const duties = {
    create: ({ options }) => { network = new Network(options, (event) => parentPort.postMessage(event)); },
    connect: () => network.connect(),
    disconnect: () => network.disconnect(),
    send: (order) => network.send(order),
    request: ({ channel, payload, patience }) => network.request(channel, payload, patience),
    subscription: (order) => network.subscription(order),
    close: () => { network?.disconnect(); parentPort.close(); },
  };
  parentPort.on('message', async (order) => {
    try {
      parentPort.postMessage({ done: order.number, result: await duties[order.duty](order) });
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      parentPort.postMessage({ done: order.number, error: { message: error.message, code: error.code } });
    }
  });
}

// -- the main thread: the user and the driver

const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

class Driver {
  constructor() {
    this.worker = new Worker(__filename);
    this.orders = new Map();
    this.handlers = new Map();
    this.connected = false;
    this.worker.on('message', (told) => this.told(told));
    this.worker.on('error', (error) => {
      process.exitCode = 70;
      console.error(error);
      process.stdout.write(`${JSON.stringify({ event: 'crash', error: { message: String(error) } })}\n`, () => process.exit(70));
    });
  }

  order(duty, more = {}) {
    return new Promise((resolve, reject) => {
      const number = this.orders.size === 0 ? 1 : Math.max(...this.orders.keys()) + 1;
      this.orders.set(number, { resolve, reject });
      this.worker.postMessage({ duty, number, ...more });
    });
  }

  told({ done, result, error, event, message, ...more }) {
    if (done) {
      const { resolve, reject } = this.orders.get(done);
      this.orders.delete(done);
      if (error) reject(new ClientError(error.code, error.message));
      else resolve(result);
    } else if (message) {
      setTimeout(() => this.handOver(message), Math.random() * PAUSE_MS);
    } else {
      if (event !== 'error') this.connected = event === 'connected';
      report(error ? { event, error } : { event, ...more });
    }
  }

  handOver(message) {
    for (const [name, handler] of [...this.handlers.get(message.channel_id) ?? []]) {
      try {
        handler(message, name);
      } catch (error) {
        report({ event: 'error', error: { message: error.message } });
      }
    }
  }

  capabilities() {
    const commands = Object.getOwnPropertyNames(Driver.prototype).filter((name) => Driver.COMMANDS.has(name));
    return { name: 'pooled client', version: '1', language: 'JavaScript', protocol: '1.0', commands };
  }

  async create(options) {
    if (this.name) throw new ClientError('second_client');
    if (options.path !== undefined || options.tls !== undefined) return { skipped: 'the client knows TCP only' };
    if (!isText(options.app_id, 255)) throw new ClientError('invalid_message', 'app_id');
    this.name = crypto.randomUUID();
    await this.order('create', { options: { ...options, name: this.name } });
    return { connection_id: this.name };
  }

  async connect() {
    await this.order('connect');
    return { connected: true };
  }

  async disconnect() {
    this.connected = false;
    await this.order('disconnect');
  }

  async send_request({ channel, payload, timeout_ms: patience = 10_000 }) {
    return { response: await this.order('request', { channel, payload, patience }) };
  }

  subscribe({ channel, handler: name = 'default', fails = false }) {
    return this.addHandler(channel, name, () => {
      if (fails) throw new Error('told to fail');
    });
  }

  react({ channel, handler: name = 'default', action }) {
    let hasActed = false;
    return this.addHandler(channel, name, async () => {
      if (hasActed) return;
      hasActed = true;
      report({ event: 'reacted', channel, handler: name, ...await outcomeOf(this, action) });
    });
  }

  async addHandler(channel, name, then) {
    const handler = (message) => {
      report({ event: 'message', channel, handler: name, message });
      then();
    };
    const handlers = this.handlers.get(channel) ?? new Map();
    const isFirst = handlers.size === 0;
    handlers.set(name, handler);
    if (isChannel(channel)) this.handlers.set(channel, handlers);
    if (isFirst) await this.order('subscription', { type: 'subscribe', channel });
  }

  async unsubscribe({ channel, handler: name }) {
    const handlers = this.handlers.get(channel);
    if (!handlers) return;
    if (name === undefined) handlers.clear();
    handlers.delete(name);
    if (handlers.size > 0) return;
    this.handlers.delete(channel);
    await this.order('subscription', { type: 'unsubscribe', channel });
  }

  async publish({ channel, payload }) {
    await this.order('send', { type: 'publish', channel, payload });
  }

  async notify({ channel, payload }) {
    await this.order('send', { type: 'notification', channel, payload });
  }

  async health_check() {
    const ping = { channel: 'system', payload: { action: 'ping' }, patience: 5000 };
    const answer = await this.order('request', ping).catch(() => null);
    return { healthy: answer?.payload?.status === 'pong' };
  }

  async connection_info() {
    const { connected, name } = this;
    const status = connected ? 'connected' : 'disconnected';
    return { connected, status, connection_id: name, subscribed_channels: [...this.handlers.keys()] };
  }

  async exit() {
    await this.order('close');
  }
}
Driver.COMMANDS = new Set([
  'capabilities', 'create', 'connect', 'disconnect', 'send_request', 'subscribe', 'react', 'unsubscribe', 'publish',
  'notify', 'health_check', 'connection_info', 'exit',
]);

async function obey(driver, line) {
  let told;
  try {
    told = JSON.parse(line);
    if (!Driver.COMMANDS.has(told.command)) throw new ClientError('no_such_command');
    const isEarly = !driver.name && !['capabilities', 'create', 'exit'].includes(told.command);
    if (isEarly) throw new ClientError('no_client');
    report({ id: told.id, ...await outcomeOf(driver, told) });
  } catch ({ message, code }) {
    report({ id: told?.id ?? null, error: code === undefined ? { message } : { message, code } });
  }
}

async function outcomeOf(driver, told) {
  try {
    const result = await driver[told.command](told);
    return result?.skipped ? result : { result: result ?? {} };
  } catch ({ message, code }) {
    return { error: code === undefined ? { message } : { message, code } };
  }
}

if (isMainThread) {
  const driver = new Driver();
  let isOver = false;
  const lines = readline.createInterface({ input: process.stdin, crlfDelay: 0 });
  lines.on('line', (line) => {
    obey(driver, line);
    if (line.includes('"exit"')) {
      isOver = true;
      lines.close();
      process.stdin.destroy();
    }
  });
  lines.on('close', () => { if (!isOver) driver.exit(); });
} else {
  work();
}
