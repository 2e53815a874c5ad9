'use strict';

const { IPCError } = require('../client');
const { checkNames } = require('./arguments');

/** The channels on which a server talks about itself; browsers get access only if an option allows it. */
const RESERVED = new Set(['queue_manager', 'service_discovery', 'service_instances', 'system']);
const RESERVED_PREFIX = 'queue:';

/**
 * Return a function that throws `forbidden` for a channel which browsers may not use.
 * @param {string} option the name of the option, for its error
 * @param {string[]} [allowed] the only channels they may use; when absent, all that are not reserved
 * @returns {(channel: string) => void}
 * @throws {TypeError} `allowed` is something else
 */
function channelGuard(option, allowed) {
  if (allowed !== undefined) checkNames(option, allowed);
  const isAllowed = allowed ? inList(allowed) : isPublic;
  return (channel) => {
    if (!isAllowed(channel)) throw new IPCError('forbidden', `the channel '${channel}' is not offered here`);
  };
}

/**
 * @param {string[]} allowed
 * @returns {(channel: string) => boolean}
 */
function inList(allowed) {
  const names = new Set(allowed);
  return (channel) => names.has(channel);
}

/** @param {string} channel */
function isPublic(channel) {
  return !RESERVED.has(channel) && !channel.startsWith(RESERVED_PREFIX);
}

module.exports = { channelGuard };
