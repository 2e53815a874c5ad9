'use strict';

/** How long a program may wait for its client to be connected before it calls `connect`, in milliseconds. */
const PATIENCE = 5000;

/** Whether this process was warned; once is enough. */
let hasWarned = false;

/** Tells a program that waits for its client to be connected, and never calls `connect`. */
class ForgottenConnect {
  #isConnecting = false;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * The program waits for the connection. The timer does not keep the process alive.
   * @param {string} appId for the warning
   */
  expect(appId) {
    if (this.#isConnecting || this.#timer || hasWarned) return;
    this.#timer = setTimeout(() => warn(appId), PATIENCE);
    this.#timer.unref();
  }

  /** The program knows of `connect`. */
  settle() {
    this.#isConnecting = true;
    clearTimeout(this.#timer);
  }
}

/** @param {string} appId */
function warn(appId) {
  if (hasWarned) return;
  hasWarned = true;
  const told = `a client of '${appId}' has a handler for 'connected', but connect() was never called`;
  const text = `${told}: nothing happens until it is`;
  process.emitWarning(text, { type: 'IPCWarning', code: 'IPC_NEVER_CONNECTED' });
}

module.exports = { ForgottenConnect };
