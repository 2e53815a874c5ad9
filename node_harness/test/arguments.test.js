'use strict';

const assert = require('node:assert/strict');
const { IPCClient } = require('../client');
const { test } = require('./runner');

const BAD_NAMES = [undefined, null, 5, '', 'x'.repeat(256), '😀'.repeat(256), 'half \ud800'];
const URLS = ['ws://localhost:8888', 'tcp://localhost', 'localhost:8888', 'localhost/ipc', '[::1]', '[::1]:8888'];
const BAD_OPTIONS = {
  host: ['', 5, {}, 'a b', ...URLS],
  port: [0, 65536, 1.5, NaN, '', '0', '65536', ' 8888', '88.5', '0x22b8', 'http', [8888]],
  connectionTimeout: [0, -1, Infinity, NaN, '1', 2 ** 31],
  reconnectAttempts: [-1, 1.5, NaN],
  reconnectDelay: [-1, NaN, 2 ** 31],
  maxReconnectDelay: [-1, NaN, 2 ** 31],
  heartbeatInterval: [-1, Infinity],
};

test('constructor names the defaults of the documentation', () => {
  const { host, port, connected, status, server } = new IPCClient('app').getConnectionInfo();
  assert.deepEqual([host, port, connected, status, server], ['localhost', 8888, false, 'disconnected', null]);
});

test('constructor counts the characters of appId, not its code units', () => {
  assert.ok(new IPCClient('😀'.repeat(255)));
  assert.ok(new IPCClient('x'.repeat(255)));
});

for (const name of BAD_NAMES) {
  test(`constructor refuses the appId ${String(name).slice(0, 12)}`, () => {
    assert.throws(() => new IPCClient(name), { name: 'TypeError', message: /^appId must be/ });
  });
}

for (const [option, values] of Object.entries(BAD_OPTIONS)) {
  test(`constructor refuses bad values of ${option}`, () => {
    for (const value of values) {
      const expected = { name: 'TypeError', message: new RegExp(`^${option} must be`) };
      assert.throws(() => new IPCClient('a', { [option]: value }), expected);
    }
  });
}

test('constructor tells who gives a URL as host to give host and port apart', () => {
  const expected = /^TypeError: host must be .* alone, as in { host: 'localhost', port: 8888 }, not '.*localhost/;
  for (const host of URLS.slice(0, 4)) assert.throws(() => new IPCClient('a', { host }), expected);
});

const PATH = '/run/ipc.sock';
const BAD_PATHS = {
  'a string of at least one character, not': ['', 5, {}, true, ['/run/ipc.sock'], Buffer.from('/run/ipc.sock')],
  "a path alone, without 'unix:', not 'unix:/run/ipc.sock'": [`unix:${PATH}`],
  'free of NUL characters, not': ['\0abstract', '/run/ipc\0.sock'],
};
for (const [rule, paths] of Object.entries(BAD_PATHS)) {
  test(`constructor says that a path must be ${rule}`, () => {
    for (const path of paths) {
      const expected = (error) => error instanceof TypeError && error.message.startsWith(`path must be ${rule}`);
      assert.throws(() => new IPCClient('a', { path }), expected);
    }
  });
}

test('constructor refuses a path that the system would cut', () => {
  const longest = process.platform === 'linux' ? 107 : 103;
  assert.equal(new IPCClient('a', { path: 'x'.repeat(longest) }).getConnectionInfo().path.length, longest);
  for (const path of ['x'.repeat(longest + 1), 'é'.repeat((longest + 1) / 2)]) {
    const message = `path must be at most ${longest} bytes long, the limit for sockets here, not ${longest + 1}`;
    assert.throws(() => new IPCClient('a', { path }), { name: 'TypeError', message });
  }
});

test('constructor refuses a path together with host or port', () => {
  for (const [other, given] of [['host', { host: 'localhost' }], ['port', { port: 8888 }], ['port', { port: '' }]]) {
    const message = `path must be given without host and port: omit ${other}, or omit path to use TCP`;
    assert.throws(() => new IPCClient('a', { path: PATH, ...given }), { name: 'TypeError', message });
  }
  assert.throws(() => new IPCClient('a', { path: PATH, host: 'a', port: 1 }), /omit host,/);
});

test('constructor takes a path, or host and port, that is undefined or null for absent', () => {
  const address = (options) => {
    const { host, port, path } = new IPCClient('a', options).getConnectionInfo();
    return { host, port, path };
  };
  const unix = { host: null, port: null, path: PATH };
  assert.deepEqual(address({ path: PATH }), unix);
  assert.deepEqual(address({ path: PATH, host: undefined, port: null }), unix);
  const tcp = { host: 'localhost', port: 8888, path: null };
  for (const path of [undefined, null]) assert.deepEqual(address({ path }), tcp);
});

test('constructor accepts every form of a host', () => {
  for (const host of ['localhost', 'ipc.example.com', 'my_service', '127.0.0.1', '::1', 'fe80::1%eth0']) {
    assert.equal(new IPCClient('a', { host }).getConnectionInfo().host, host);
  }
});

test('constructor accepts a port in digits, as an environment variable has it', () => {
  assert.equal(new IPCClient('a', { port: '8889' }).getConnectionInfo().port, 8889);
});

test('constructor refuses options that are no object', () => {
  for (const options of [null, 8888, 'localhost']) assert.throws(() => new IPCClient('a', options), /options must be/);
});

test('constructor ignores options that it does not know or that are undefined', () => {
  const client = new IPCClient('a', { batchTimeout: 5, port: undefined });
  assert.equal(client.getConnectionInfo().port, 8888);
});

test('every method refuses a bad channel with a TypeError', async () => {
  const client = new IPCClient('a');
  for (const channel of [...BAD_NAMES, 'line\nbreak', 'nul\0']) {
    assert.throws(() => client.subscribe(channel, () => {}), { name: 'TypeError', message: /^channel must be/ });
    assert.throws(() => client.unsubscribe(channel), TypeError);
    assert.throws(() => client.publish(channel, 1), TypeError);
    assert.throws(() => client.notify(channel, 1), TypeError);
    await assert.rejects(client.sendRequest(channel, 1), TypeError);
  }
});

test('every method that takes a handler refuses what is no function', () => {
  const client = new IPCClient('a');
  const registers = ['onConnected', 'onDisconnected', 'onError', 'onDrain', 'onReconnecting', 'onReconnectFailed'];
  for (const register of registers) {
    assert.throws(() => client[register]('no'), { name: 'TypeError', message: /^handler must be a function/ });
  }
  assert.throws(() => client.subscribe('c'), TypeError);
  assert.throws(() => client.unsubscribe('c', null), TypeError);
});

test('sendRequest refuses a bad timeout with a TypeError', async () => {
  for (const timeout of [0, -1, NaN, Infinity, '5', null]) {
    const sending = new IPCClient('a').sendRequest('c', {}, timeout);
    await assert.rejects(sending, { name: 'TypeError', message: /^timeout must be/ });
  }
});
