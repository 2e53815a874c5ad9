'use strict';

/** Names that other clients have for options of this one, as `normal` writes them. */
const OTHER_NAMES = new Map(
  Object.entries({
    host: ['hostname', 'address', 'url', 'uri', 'server_host'],
    port: ['server_port'],
    path: ['socket', 'socket_path', 'unix', 'unix_socket'],
    servers: ['server', 'hosts', 'nodes', 'urls', 'brokers', 'endpoints'],
    connectionId: ['client_id', 'id'],
    tls: ['ssl', 'secure', 'ca', 'cert', 'key', 'reject_unauthorized'],
    token: ['auth', 'auth_token', 'api_key', 'password', 'secret'],
    connectionTimeout: ['connect_timeout'],
    reconnectAttempts: ['max_reconnect_attempts', 'max_retries', 'reconnect', 'reconnection_attempts'],
    reconnectDelay: ['reconnect_interval', 'reconnect_period', 'reconnect_time_wait', 'reconnection_delay'],
    maxReconnectDelay: ['reconnect_delay_max', 'reconnection_delay_max', 'reconnect_max_delay'],
    heartbeatInterval: ['heartbeat', 'ping_interval', 'keep_alive', 'keep_alive_interval', 'keepalive_interval'],
    maxBufferedBytes: ['max_buffer', 'max_buffer_size', 'high_water_mark'],
  }).flatMap(([option, names]) => names.map((name) => [normal(name), option])),
);

/** So many letters may be wrong, missing or too many in a name. */
const MISTAKES = 2;

/** Names shorter than that are all similar. */
const LEAST_LENGTH = 6;

/** @type {Set<string>} what was warned about in this process */
const warned = new Set();

/**
 * Warn about options that are not known and look like one that is: they are ignored, and a client may connect to
 * another server than its user wants.
 * @param {object} options
 * @param {string[]} known names
 */
function warnAboutSimilar(options, known) {
  for (const name of Object.keys(options)) {
    if (known.includes(name) || warned.has(name)) continue;
    const meant = similar(normal(name), known);
    if (meant === undefined) continue;
    warned.add(name);
    const text = `the client has no option '${name}', and ignores it. Is '${meant}' meant?`;
    process.emitWarning(text, { type: 'IPCWarning', code: 'IPC_UNKNOWN_OPTION' });
  }
}

/**
 * @param {string} name a normal one
 * @param {string[]} known
 * @returns {string | undefined}
 */
function similar(name, known) {
  return OTHER_NAMES.get(name) ?? known.find((each) => name === normal(each) || isMistyped(name, normal(each)));
}

/** @param {string} name */
function normal(name) {
  return name.replace(/[_-]/g, '').toLowerCase();
}

/**
 * @param {string} name
 * @param {string} right
 */
function isMistyped(name, right) {
  const isLongEnough = Math.min(name.length, right.length) >= LEAST_LENGTH;
  return isLongEnough && Math.abs(name.length - right.length) <= MISTAKES && edits(name, right) <= MISTAKES;
}

/**
 * Count the letters to change, add or remove until a name is another one.
 * @param {string} name
 * @param {string} other
 */
function edits(name, other) {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= name.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const changed = row[j - 1] + (name[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[other.length];
}

module.exports = { warnAboutSimilar };
