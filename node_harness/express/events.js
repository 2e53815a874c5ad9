'use strict';

const { randomBytes } = require('crypto');
const { IPCError } = require('../client');
const { checkChannel, checkInteger, checkMilliseconds } = require('../client/arguments');
const { publicJson } = require('./answers');
const { checkClient, checkNames } = require('./arguments');
const { channelGuard } = require('./channels');
const { ipcErrors, refused } = require('./errors');
const { History } = require('./history');
const { checkOrigin } = require('./origin');

/** @typedef {import('../client').IPCClient} IPCClient */
/** @typedef {import('express').Response} Response */

/** Between comments that show proxies, and us, that a connection is in use, unless told otherwise; in milliseconds. */
const DEFAULT_HEARTBEAT = 15000;

/** How long a browser waits before it connects again, in milliseconds. */
const RETRY_MS = 2000;

/** How long a channel's events are kept after its last browser has left, unless told otherwise, in milliseconds. */
const DEFAULT_RESUME_TIME = 10000;

/** So many channels without a browser are kept; of more, the one that was left first is forgotten. */
const MAX_LEFT_CHANNELS = 32;

/** When a refused browser may ask again. */
const RETRY_AFTER_SECONDS = '5';

/** What may wait for a browser that does not read, in octets; one message more, and it is dropped. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** Streams at a time: with what may wait for each, half a GiB. */
const DEFAULT_MAX_STREAMS = 512;

/** Browsers open at most six to a host; behind one address there may be several users, or a proxy. */
const DEFAULT_MAX_STREAMS_PER_ADDRESS = 64;

const HEADERS = {
  'Content-Type': 'text/event-stream',
  // no-transform: a compressing middleware would keep events back.
  'Cache-Control': 'no-cache, no-transform',
  // The stream is the last thing on its connection, which then closes with it.
  Connection: 'close',
  'X-Accel-Buffering': 'no', // nginx would keep events back
};

/**
 * @typedef {object} Topic
 * @property {(message: {payload: unknown}) => void} handler
 * @property {Set<Response>} responses
 * @property {History} history
 * @property {NodeJS.Timeout | undefined} left runs while it has no browser
 */

/**
 * The event streams of all browsers. Each channel is subscribed to once, as long as a browser listens to it, and for a
 * while after that: a browser whose connection broke comes back and gets what it missed.
 */
class EventStreams {
  /** @type {Map<string, Topic>} */
  #topics = new Map();
  /** @type {Map<Response, number>} with what the browser had read at the last heartbeat, in octets */
  #responses = new Map();
  #client;
  #heartbeatInterval;
  #limits;
  /** @type {Map<string, number>} streams of each address */
  #addresses = new Map();
  /** @type {NodeJS.Timeout | undefined} */
  #heartbeat;
  #resumeTime;
  /** Ids of another process, or of other streams, begin otherwise. */
  #epoch = randomBytes(4).toString('hex');
  /** The number of the latest event, of all channels. */
  #latest = 0;

  /**
   * @param {IPCClient} client
   * @param {number} heartbeatInterval in milliseconds
   * @param {number} resumeTime in milliseconds
   * @param {{maxStreams: number, maxStreamsPerAddress: number}} limits
   */
  constructor(client, heartbeatInterval, resumeTime, limits) {
    this.#client = client;
    this.#limits = limits;
    this.#resumeTime = resumeTime;
    this.#heartbeatInterval = heartbeatInterval;
    client.on('connected', this.#connected).on('disconnected', this.#disconnected);
  }

  #connected = () => {
    this.#cut();
    // With an id: who gets it knows of the gap, and misses nothing from here on.
    this.#sendAll(`${this.#idLine()}${linkEvent(true)}`);
  };

  #disconnected = () => {
    this.#cut();
    this.#sendAll(linkEvent(false));
  };

  /** Whoever comes back with an id from before has missed what was published while there was no connection. */
  #cut() {
    this.#latest += 1;
    for (const { history } of this.#topics.values()) history.cut(this.#latest);
  }

  /**
   * Make a response the stream of a channel's events, until one side ends it.
   * @param {string} channel
   * @param {Response} response
   * @param {string} [last] the id of the last event that a browser got before its connection broke
   * @throws {TypeError} no such channel can be
   * @throws {IPCError} `too_many_streams`
   */
  open(channel, response, last) {
    const address = response.req.socket.remoteAddress ?? '';
    this.#checkRoom(address);
    const { history } = this.#join(channel, response);
    this.#count(address, 1);
    response.on('close', () => {
      this.#leave(channel, response);
      this.#count(address, -1);
    });
    // The browser may be gone before a write; 'close' follows and says all there is to say.
    response.on('error', () => {});
    response.writeHead(200, HEADERS);
    const had = last === undefined ? this.#latest : this.#numberOf(last);
    const missed = history.since(had);
    const told = last === undefined ? undefined : missed === null;
    // Should the replay break, the browser comes back with an id that is not yet that of what it has not got.
    const idLine = this.#idLine(missed === null ? this.#latest : had);
    send(response, `retry: ${RETRY_MS}\n${idLine}${linkEvent(this.#client.connected, told)}`);
    for (const event of missed ?? []) send(response, event);
  }

  #idLine(number = this.#latest) {
    return `id: ${this.#epoch}-${number}\n`;
  }

  /**
   * @param {string} id of an event
   * @returns {number} -1 if it is none of these streams
   */
  #numberOf(id) {
    const [, epoch, number] = /^([0-9a-f]{8})-(\d{1,15})$/.exec(id) ?? [];
    return epoch === this.#epoch && Number(number) <= this.#latest ? Number(number) : -1;
  }

  /** End all streams, for good. */
  close() {
    this.#client.off('connected', this.#connected).off('disconnected', this.#disconnected);
    this.#resumeTime = 0;
    for (const [channel, topic] of [...this.#topics]) if (topic.responses.size === 0) this.#forget(channel, topic);
    for (const response of this.#responses.keys()) response.end();
  }

  /** @param {string} address */
  #checkRoom(address) {
    const { maxStreams, maxStreamsPerAddress } = this.#limits;
    if (this.#responses.size < maxStreams && (this.#addresses.get(address) ?? 0) < maxStreamsPerAddress) return;
    throw new IPCError('too_many_streams', 'too many event streams are open; close one, or try again later');
  }

  /**
   * @param {string} address
   * @param {number} change
   */
  #count(address, change) {
    const count = (this.#addresses.get(address) ?? 0) + change;
    if (count > 0) this.#addresses.set(address, count);
    else this.#addresses.delete(address);
  }

  /**
   * @param {string} channel
   * @param {Response} response
   * @returns {Topic}
   */
  #join(channel, response) {
    const topic = this.#topics.get(channel) ?? this.#subscribe(channel);
    clearTimeout(topic.left);
    topic.left = undefined;
    topic.responses.add(response);
    this.#responses.set(response, -1);
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#heartbeatInterval);
    return topic;
  }

  /**
   * @param {string} channel
   * @returns {Topic}
   */
  #subscribe(channel) {
    /** @type {Set<Response>} */
    const responses = new Set();
    const history = new History(this.#latest);
    /** @type {Topic['handler']} */
    const handler = ({ payload }) => {
      // Octets, which all streams share while they wait.
      this.#latest += 1;
      const event = Buffer.from(`${this.#idLine()}data: ${publicJson(payload, this.#client)}\n\n`);
      history.add(this.#latest, event);
      for (const response of responses) send(response, event);
    };
    this.#client.subscribe(channel, handler);
    const topic = { handler, responses, history, left: undefined };
    this.#topics.set(channel, topic);
    return topic;
  }

  /**
   * @param {string} channel
   * @param {Response} response
   */
  #leave(channel, response) {
    const topic = /** @type {Topic} */ (this.#topics.get(channel));
    topic.responses.delete(response);
    this.#responses.delete(response);
    if (topic.responses.size === 0) this.#left(channel, topic);
    if (this.#responses.size === 0) {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    }
  }

  /**
   * The last browser of a channel is gone; it may come back.
   * @param {string} channel
   * @param {Topic} topic
   */
  #left(channel, topic) {
    if (this.#resumeTime === 0) {
      this.#forget(channel, topic);
      return;
    }
    // The one that was left last stands at the end.
    this.#topics.delete(channel);
    this.#topics.set(channel, topic);
    topic.left = setTimeout(() => this.#forget(channel, topic), this.#resumeTime);
    topic.left.unref();
    const left = [...this.#topics].filter(([, { responses }]) => responses.size === 0);
    for (const [each, old] of left.slice(0, -MAX_LEFT_CHANNELS)) this.#forget(each, old);
  }

  /**
   * @param {string} channel
   * @param {Topic} topic
   */
  #forget(channel, topic) {
    clearTimeout(topic.left);
    this.#topics.delete(channel);
    this.#latest += 1; // what comes on the channel now is missed
    // Only this handler: others of the program may listen to the channel too.
    this.#client.unsubscribe(channel, topic.handler);
  }

  /** Send a comment to all; drop those that read nothing since the last one. */
  #beat() {
    for (const [response, read] of this.#responses) {
      const readNow = octetsRead(response);
      if (response.writableLength > 0 && readNow === read) response.destroy();
      else this.#responses.set(response, readNow);
    }
    this.#sendAll(': heartbeat\n\n');
  }

  /** @param {string} text */
  #sendAll(text) {
    for (const response of this.#responses.keys()) send(response, text);
  }
}

/** @param {Response} response */
function octetsRead({ socket }) {
  return socket ? socket.bytesWritten - socket.writableLength : 0;
}

/**
 * @param {Response} response
 * @param {string | Buffer} text
 */
function send(response, text) {
  if (response.writableEnded || response.destroyed) return;
  if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
  else response.write(text);
}

/**
 * @param {boolean} connected
 * @param {boolean} [missed] whether a browser that came back has missed events
 */
function linkEvent(connected, missed) {
  return `event: ipc\ndata: ${JSON.stringify({ connected, missed })}\n\n`;
}

/**
 * Return a handler that answers with a stream of Server-Sent Events: a message for each publish and notification on the
 * channel, and an event `ipc` when the connection to the IPC server comes and goes. Also while that is down.
 * @param {IPCClient} client
 * @param {object} [options]
 * @param {string} [options.channel] default: the parameter `channel` of the route
 * @param {string[]} [options.channels] those that may be listened to; default: all that are not reserved
 * @param {number} [options.heartbeatInterval] between comments on an idle stream, in milliseconds; default 15000
 * @param {number} [options.resumeTime] how long events are kept for browsers that come back, after the last one has
 *   left the channel, in milliseconds; 0: not at all; default 10000
 * @param {string[]} [options.origins] of pages that may listen besides our own, such as 'https://example.com'
 * @param {number} [options.maxStreams] at a time; default 512
 * @param {number} [options.maxStreamsPerAddress] of these, from one address; default 64
 * @returns {import('.').EventsHandler}
 * @throws {TypeError} naming the argument and what it must be
 */
function serverSentEvents(client, options = {}) {
  const { channel: fixed, channels, origins = [], heartbeatInterval = DEFAULT_HEARTBEAT } = options;
  const { resumeTime = DEFAULT_RESUME_TIME } = options;
  const limits = completeLimits(options);
  checkClient(client);
  checkNames('origins', origins);
  if (fixed !== undefined) checkChannel(fixed);
  checkMilliseconds('heartbeatInterval', heartbeatInterval);
  checkMilliseconds('resumeTime', resumeTime, 0);
  const check = channelGuard('channels', fixed === undefined ? channels : [fixed]);
  const allowed = new Set(origins);
  const streams = new EventStreams(client, heartbeatInterval, resumeTime, limits);
  let isClosed = false;
  /**
   * @param {import('express').Request<any>} req
   * @param {Response} res
   * @param {import('express').NextFunction} next
   */
  const handler = (req, res, next) => {
    const channel = fixed ?? req.params.channel;
    try {
      // An own middleware may have let other origins in.
      if (!res.hasHeader('Access-Control-Allow-Origin')) checkOrigin(req, allowed);
      check(channel);
      if (isClosed) res.status(503).json({ success: false, error: 'the service is stopping', code: 'stopping' });
      else if (req.method === 'HEAD') res.writeHead(200, HEADERS).end();
      else streams.open(channel, res, lastEventId(req));
    } catch (error) {
      if (error instanceof IPCError && error.code === 'too_many_streams') res.set('Retry-After', RETRY_AFTER_SECONDS);
      ipcErrors(refused(error), req, res, next);
    }
  };
  const close = () => {
    isClosed = true;
    streams.close();
  };
  return Object.assign(handler, { close });
}

/** @param {import('express').Request<any>} req */
function lastEventId(req) {
  const id = req.headers['last-event-id'];
  return Array.isArray(id) ? id[0] : id;
}

/** @param {{maxStreams?: number | undefined, maxStreamsPerAddress?: number | undefined}} options */
function completeLimits({
  maxStreams = DEFAULT_MAX_STREAMS,
  maxStreamsPerAddress = DEFAULT_MAX_STREAMS_PER_ADDRESS,
}) {
  checkInteger('maxStreams', maxStreams, 1, Number.MAX_SAFE_INTEGER);
  checkInteger('maxStreamsPerAddress', maxStreamsPerAddress, 1, Number.MAX_SAFE_INTEGER);
  return { maxStreams, maxStreamsPerAddress };
}

module.exports = { serverSentEvents };
