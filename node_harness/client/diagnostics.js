'use strict';

const diagnosticsChannel = require('diagnostics_channel');
const { debuglog } = require('util');

/** With NODE_DEBUG=ipc, lines on standard error. */
const debug = debuglog('ipc');

/** For programs that observe: `diagnostics_channel.subscribe('ipc.connection', ...)`. */
const CHANNELS = {
  connection: diagnosticsChannel.channel('ipc.connection'),
  message: diagnosticsChannel.channel('ipc.message'),
};

/**
 * Tell those who observe what happens. Nobody is told a payload, a token or a connection id.
 * @param {'connection' | 'message'} subject
 * @param {string} event
 * @param {() => object} details made only if somebody observes
 */
function tell(subject, event, details) {
  if (!debug.enabled && !CHANNELS[subject].hasSubscribers) return;
  const told = { event, ...details() };
  debug('%s %s', subject, JSON.stringify(told));
  CHANNELS[subject].publish(told);
}

/**
 * @param {import('./envelope').Message} message
 * @param {number} octets of its body
 */
function describe({ message_type: type, channel_id: channel, message_id: id, reply_to: answered }, octets) {
  return { type, channel, id, answered: answered ?? null, octets };
}

module.exports = { describe, tell };
