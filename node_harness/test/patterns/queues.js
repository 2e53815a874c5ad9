'use strict';

const { MessageQueue } = require('../../patterns');
const { deferred, sharedServer } = require('./helper');

const PROFILE = ['--profile', 'queue'];
const QUICK = { retryDelay: 1, reconnectDelay: 5, reconnectAttempts: 10000 };
let names = 0;

/** An end of a queue, and the errors that it reported; `queueName` makes it another end of the same one. */
function makeEnd(t, port, { queueName, ...options } = {}) {
  names += queueName ? 0 : 1;
  const queue = new MessageQueue(queueName ?? `queue ${names}`, { host: '127.0.0.1', port, ...QUICK, ...options });
  const errors = [];
  queue.onError((error) => errors.push(error));
  t.after(() => queue.shutdown({ timeout: 0 }));
  return { queue, errors };
}

/** An end of a new queue on the real server. */
async function makeQueue(t, options = {}) {
  const { port } = await sharedServer(PROFILE);
  const end = makeEnd(t, port, options);
  await end.queue.initialize();
  return { ...end, port };
}

/** The numbers of jobs in a queue, and what they are when there are none. */
async function counts(queue) {
  const { pending, delayed, in_flight: inFlight, completed, failed } = await queue.getQueueStats();
  return { pending, delayed, inFlight, completed, failed };
}

const NONE = { pending: 0, delayed: 0, inFlight: 0, completed: 0, failed: 0 };

/** Register a processor that waits until the test lets it go, and writes down what it gets. */
function register(queue, type = 'work') {
  const gates = [];
  queue.registerProcessor(type, (data) => {
    const gate = deferred();
    gates.push({ data, ...gate });
    return gate.promise;
  });
  return gates;
}

module.exports = { NONE, PROFILE, counts, makeEnd, makeQueue, register };
