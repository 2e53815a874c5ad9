'use strict';

const { checkInteger, checkSignal } = require('./arguments');
const { IPCError } = require('./errors');

/** How many messages may wait for a loop over them unless told otherwise. */
const DEFAULT_MAX_WAITING = 1024;

/** @typedef {import('./envelope').Message} Message */

/**
 * The messages of a channel, for `for await`. Its consumer may be slow: messages wait, up to a number.
 * @implements {AsyncIterableIterator<Message>}
 */
class MessageStream {
  /** @type {Message[]} */
  #waiting = [];
  /** @type {{resolve: (result: IteratorResult<Message>) => void, reject: (error: Error) => void}[]} */
  #takers = [];
  #isEnded = false;
  /** @type {Error | null} what the consumer is told after the last message */
  #error = null;
  #channel;
  #maxWaiting;
  #onEnd;

  /**
   * @param {string} channel
   * @param {number} maxWaiting
   * @param {() => void} onEnd called when the consumer, or too many messages, end the stream
   */
  constructor(channel, maxWaiting, onEnd) {
    this.#channel = channel;
    this.#maxWaiting = maxWaiting;
    this.#onEnd = onEnd;
  }

  /** @param {Message} message dropped after the end */
  push(message) {
    if (this.#isEnded) return;
    const taker = this.#takers.shift();
    if (taker) {
      taker.resolve({ done: false, value: message });
    } else if (this.#waiting.length < this.#maxWaiting) {
      this.#waiting.push(message);
    } else {
      const what = `${this.#maxWaiting} messages of channel '${this.#channel}' wait, and more came`;
      this.end(new IPCError('buffer_full', `${what}. Take them faster, or set a larger maxWaiting.`));
      this.#onEnd();
    }
  }

  /** @param {Error} [error] which the consumer gets after the messages that wait; without one, it just ends */
  end(error) {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#error = error ?? null;
    for (const taker of this.#takers.splice(0)) this.#next(taker);
  }

  /** @returns {Promise<IteratorResult<Message>>} */
  next() {
    return new Promise((resolve, reject) => this.#next({ resolve, reject }));
  }

  /** @param {{resolve: (result: IteratorResult<Message>) => void, reject: (error: Error) => void}} taker */
  #next(taker) {
    const value = this.#waiting.shift();
    if (value !== undefined) {
      taker.resolve({ done: false, value });
    } else if (this.#error) {
      taker.reject(this.#error);
      this.#error = null;
    } else if (this.#isEnded) {
      taker.resolve({ done: true, value: undefined });
    } else {
      this.#takers.push(taker);
    }
  }

  /** The consumer takes no more. */
  async return() {
    this.#waiting.length = 0;
    this.end();
    this.#error = null;
    this.#onEnd();
    return /** @type {IteratorResult<Message>} */ ({ done: true, value: undefined });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

/** The streams of a client. */
class MessageStreams {
  /** @type {Map<MessageStream, () => void>} with what removes its handler */
  #streams = new Map();

  /**
   * Make a stream. It is open until its handler is removed from the channel.
   * @param {string} channel
   * @param {import('.').StreamOptions} options
   * @param {(handler: (message: Message) => void) => void} unsubscribe
   * @returns {{stream: MessageStream, handler: (message: Message) => void, onRemoved: () => void}}
   * @throws {TypeError}
   */
  open(channel, { maxWaiting = DEFAULT_MAX_WAITING, signal }, unsubscribe) {
    checkInteger('maxWaiting', maxWaiting, 1, Number.MAX_SAFE_INTEGER);
    checkSignal(signal);
    const end = () => unsubscribe(handler);
    const stream = new MessageStream(channel, maxWaiting, end);
    /** @param {Message} message */
    function handler(message) {
      stream.push(message);
    }
    const onRemoved = () => {
      stream.end();
      this.#streams.delete(stream);
      signal?.removeEventListener('abort', end);
    };
    this.#streams.set(stream, end);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) queueMicrotask(end);
    return { stream, handler, onRemoved };
  }

  /**
   * End all. Messages that came before are still handed over.
   * @param {Error} [error] what the consumers are told after them
   */
  endAll(error) {
    for (const [stream, end] of [...this.#streams]) {
      stream.end(error);
      end();
    }
  }
}

module.exports = { MessageStream, MessageStreams };
