'use strict';

const { checkChannel, checkMilliseconds } = require('../client/arguments');
const { checkClient } = require('./arguments');
const { channelGuard } = require('./channels');
const { ipcErrors, refused } = require('./errors');

/** @typedef {import('../client').IPCClient} IPCClient */
/** @typedef {import('express').Response} Response */

/** Between comments that show proxies, and us, that a connection is in use, unless told otherwise; in milliseconds. */
const DEFAULT_HEARTBEAT = 15000;

/** How long a browser waits before it connects again, in milliseconds. */
const RETRY_MS = 2000;

/** What may wait for a browser that does not read, in octets; one message more, and it is dropped. */
const MAX_WAITING_BYTES = 1024 * 1024;

const HEADERS = {
  'Content-Type': 'text/event-stream',
  // no-transform: a compressing middleware would keep events back.
  'Cache-Control': 'no-cache, no-transform',
  // The stream is the last thing on its connection, which then closes with it.
  Connection: 'close',
  'X-Accel-Buffering': 'no', // nginx would keep events back
};

/** @typedef {{handler: (message: {payload: unknown}) => void, responses: Set<Response>}} Topic */

/** The event streams of all browsers. Each channel is subscribed to once, as long as a browser listens to it. */
class EventStreams {
  /** @type {Map<string, Topic>} */
  #topics = new Map();
  /** @type {Set<Response>} */
  #responses = new Set();
  #client;
  #heartbeatInterval;
  /** @type {NodeJS.Timeout | undefined} */
  #heartbeat;

  /**
   * @param {IPCClient} client
   * @param {number} heartbeatInterval in milliseconds
   */
  constructor(client, heartbeatInterval) {
    this.#client = client;
    this.#heartbeatInterval = heartbeatInterval;
    client.onConnected(() => this.#sendAll(linkEvent(true)));
    client.onDisconnected(() => this.#sendAll(linkEvent(false)));
  }

  /**
   * Make a response the stream of a channel's events, until one side ends it.
   * @param {string} channel
   * @param {Response} response
   * @throws {TypeError} no such channel can be
   */
  open(channel, response) {
    this.#join(channel, response);
    response.on('close', () => this.#leave(channel, response));
    // The browser may be gone before a write; 'close' follows and says all there is to say.
    response.on('error', () => {});
    response.writeHead(200, HEADERS);
    send(response, `retry: ${RETRY_MS}\n${linkEvent(this.#client.connected)}`);
  }

  /** End all streams. */
  close() {
    for (const response of this.#responses) response.end();
  }

  /**
   * @param {string} channel
   * @param {Response} response
   */
  #join(channel, response) {
    const topic = this.#topics.get(channel) ?? this.#subscribe(channel);
    topic.responses.add(response);
    this.#responses.add(response);
    this.#heartbeat ??= setInterval(() => this.#sendAll(': heartbeat\n\n'), this.#heartbeatInterval);
  }

  /**
   * @param {string} channel
   * @returns {Topic}
   */
  #subscribe(channel) {
    /** @type {Set<Response>} */
    const responses = new Set();
    /** @type {Topic['handler']} */
    const handler = ({ payload }) => {
      const event = `data: ${JSON.stringify(payload)}\n\n`;
      for (const response of responses) send(response, event);
    };
    this.#client.subscribe(channel, handler);
    const topic = { handler, responses };
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
    if (topic.responses.size === 0) {
      this.#topics.delete(channel);
      // Only this handler: others of the program may listen to the channel too.
      this.#client.unsubscribe(channel, topic.handler);
    }
    if (this.#responses.size === 0) {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    }
  }

  /** @param {string} text */
  #sendAll(text) {
    for (const response of this.#responses) send(response, text);
  }
}

/**
 * @param {Response} response
 * @param {string} text
 */
function send(response, text) {
  if (response.writableEnded || response.destroyed) return;
  if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
  else response.write(text);
}

/** @param {boolean} connected */
function linkEvent(connected) {
  return `event: ipc\ndata: ${JSON.stringify({ connected })}\n\n`;
}

/**
 * Return a handler that answers with a stream of Server-Sent Events: a message for each publish and notification on the
 * channel, and an event `ipc` when the connection to the IPC server comes and goes. Also while that is down.
 * @param {IPCClient} client
 * @param {object} [options]
 * @param {string} [options.channel] default: the parameter `channel` of the route
 * @param {string[]} [options.channels] those that may be listened to; default: all that are not reserved
 * @param {number} [options.heartbeatInterval] between comments on an idle stream, in milliseconds; default 15000
 * @returns {import('.').EventsHandler}
 * @throws {TypeError} naming the argument and what it must be
 */
function serverSentEvents(client, { channel: fixed, channels, heartbeatInterval = DEFAULT_HEARTBEAT } = {}) {
  checkClient(client);
  if (fixed !== undefined) checkChannel(fixed);
  checkMilliseconds('heartbeatInterval', heartbeatInterval);
  const check = channelGuard('channels', fixed === undefined ? channels : [fixed]);
  const streams = new EventStreams(client, heartbeatInterval);
  let isClosed = false;
  /**
   * @param {import('express').Request<any>} req
   * @param {Response} res
   * @param {import('express').NextFunction} next
   */
  const handler = (req, res, next) => {
    const channel = fixed ?? req.params.channel;
    try {
      check(channel);
      if (isClosed) res.status(503).json({ success: false, error: 'the service is stopping', code: 'stopping' });
      else if (req.method === 'HEAD') res.writeHead(200, HEADERS).end();
      else streams.open(channel, res);
    } catch (error) {
      ipcErrors(refused(error), req, res, next);
    }
  };
  const close = () => {
    isClosed = true;
    streams.close();
  };
  return Object.assign(handler, { close });
}

module.exports = { serverSentEvents };
