'use strict';

const { checkChannel, checkMilliseconds, checkSignal } = require('./arguments');
const { SYSTEM_CHANNEL, errorOf, jsonPayload, makeMessage, withConnectionId } = require('./envelope');
const { FATAL_CODES, IPCError, serverError } = require('./errors');
const { OneWayMessages, PendingRequests } = require('./outstanding');

/** @typedef {import('./envelope').Message} Message */

/** Makes and sends the messages of a client, and brings responses to those who wait for them. */
class Messenger {
  #identity;
  #connection;
  #report;
  #requests;
  #oneWay = new OneWayMessages();

  /**
   * @param {import('./identity').Identity} identity
   * @param {import('./connection').Connection} connection
   * @param {(error: Error) => void} report gets errors that nobody waits for
   */
  constructor(identity, connection, report) {
    this.#identity = identity;
    this.#connection = connection;
    this.#report = report;
    this.#requests = new PendingRequests(() => connection.octetsRead);
  }

  /** How many requests wait for a response. */
  get pendingRequests() {
    return this.#requests.size;
  }

  /**
   * @param {string} messageId of the request
   * @param {Error} error
   * @returns {boolean} false if no request waits for its response
   */
  rejectRequest(messageId, error) {
    return this.#requests.reject(messageId, error);
  }

  /** @param {Error} error what every request in flight is rejected with (REQ-018) */
  rejectRequests(error) {
    this.#requests.rejectAll(error);
  }

  /** @param {Message} message */
  receivedResponse(message) {
    const error = errorOf(message);
    const answered = message.reply_to;
    // Also a late one.
    if (message.channel_id === SYSTEM_CHANNEL && message.payload?.status === 'pong') this.#connection.pingAnswered();
    if (answered == null) {
      if (error) this.#receivedError(error);
    } else if (!this.#requests.resolve(answered, message) && this.#oneWay.delete(answered) && error) {
      this.#report(serverError(error));
    }
  }

  /**
   * An error answer that names no message is about the connection itself (ERR-002).
   * @param {{code: string, message: string}} error
   */
  #receivedError(error) {
    if (FATAL_CODES.has(error.code)) this.#connection.abort(serverError(error));
    else this.#report(serverError(error));
  }

  /**
   * Send a request and wait for its response.
   * @param {string} channel
   * @param {unknown} payload
   * @param {number} timeout in milliseconds
   * @param {{signal?: AbortSignal | undefined, isVital?: boolean}} [options]
   * @returns {Promise<Message>}
   */
  async request(channel, payload, timeout, { signal, isVital } = {}) {
    checkSignal(signal);
    const aborted = () => new IPCError('aborted', `request on channel '${channel}' aborted by its signal`);
    if (signal?.aborted) throw aborted();
    const { id, response } = this.sendRequest(channel, payload, timeout, isVital);
    if (!signal) return response;
    const onAbort = () => this.#requests.reject(id, aborted());
    signal.addEventListener('abort', onAbort);
    return response.finally(() => signal.removeEventListener('abort', onAbort));
  }

  /**
   * Send a request.
   * @param {string} channel
   * @param {unknown} payload
   * @param {number} timeout in milliseconds
   * @param {boolean} [isVital]
   * @returns {{id: string, response: Promise<Message>}}
   */
  sendRequest(channel, payload, timeout, isVital) {
    checkChannel(channel);
    checkMilliseconds('timeout', timeout);
    const request = this.#makeRequest(channel, payload);
    this.#connection.send(request, isVital);
    return { id: request.message_id, response: this.#requests.add(request, timeout) };
  }

  /**
   * Send a request whose response nobody waits for.
   * @param {string} channel
   * @param {unknown} payload
   * @returns {string} the message id
   */
  requestUnanswered(channel, payload) {
    checkChannel(channel);
    const request = this.#makeRequest(channel, payload);
    this.#connection.send(request);
    this.#oneWay.add(request);
    return request.message_id;
  }

  /**
   * @param {number} timeout in milliseconds
   * @param {boolean} isVital
   */
  async ping(timeout, isVital) {
    const response = await this.request(SYSTEM_CHANNEL, { action: 'ping' }, timeout, { isVital });
    this.#connection.pingAnswered();
    return response;
  }

  /**
   * @param {'subscribe' | 'unsubscribe'} type
   * @param {string} channel
   */
  sendSubscription(type, channel) {
    this.sendOneWay(channel, type, { connection_id: this.#identity.connectionId }, true);
  }

  /**
   * @param {string} channel
   * @param {Message['message_type']} type
   * @param {unknown} data
   * @param {boolean} [isVital]
   * @returns {boolean} false if more than a little waits
   */
  sendOneWay(channel, type, data, isVital) {
    const message = this.#make(channel, type, jsonPayload(data));
    const isRead = this.#connection.send(message, isVital);
    this.#oneWay.add(message);
    return isRead;
  }

  /**
   * @param {string} channel
   * @param {unknown} payload
   */
  #makeRequest(channel, payload) {
    return this.#make(channel, 'request', withConnectionId(jsonPayload(payload), this.#identity.connectionId));
  }

  /**
   * @param {string} channel
   * @param {Message['message_type']} type
   * @param {unknown} payload
   */
  #make(channel, type, payload) {
    return makeMessage(this.#identity.appId, channel, type, payload);
  }
}

module.exports = { Messenger };
