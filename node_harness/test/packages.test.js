'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { startDriver } = require('./driven');
const { makeFolder } = require('./folder');
const { test } = require('./runner');

const CLASS = 'class IPCClient { constructor() { this.connectionId = "mine"; } }';
const COMMONJS = `${CLASS} module.exports = { IPCClient };`;
const ESM = `export ${CLASS}`;
const NAMED = { name: 'some-client', version: '7.8.9' };

/** Packages in each of the forms in which Node loads them: the argument of --package, then the files. */
const PACKAGES = {
  'CommonJS, by name': [
    'some-client',
    { 'node_modules/some-client/package.json': NAMED, 'node_modules/some-client/index.js': COMMONJS },
  ],
  'CommonJS with a scope, by name': [
    '@scope/some-client',
    {
      'node_modules/@scope/some-client/package.json': { ...NAMED, main: 'lib/main.js' },
      'node_modules/@scope/some-client/lib/main.js': COMMONJS,
    },
  ],
  'ESM alone, by name': [
    'some-client',
    {
      'node_modules/some-client/package.json': { ...NAMED, type: 'module', exports: './main.js' },
      'node_modules/some-client/main.js': ESM,
    },
  ],
  'ESM alone that says so in a condition, by folder': [
    './client',
    {
      'client/package.json': { ...NAMED, exports: { '.': { types: './no.d.ts', import: { default: './main.mjs' } } } },
      'client/main.mjs': ESM,
    },
  ],
  'ESM without exports, by folder': [
    './client',
    { 'client/package.json': { ...NAMED, type: 'module', main: 'main.js' }, 'client/main.js': ESM },
  ],
  'ESM that awaits, by folder': [
    './client',
    {
      'client/package.json': { ...NAMED, type: 'module', exports: { import: './main.js' } },
      'client/main.js': `await null; ${ESM}`,
    },
  ],
  'ESM with a default export alone, by folder': [
    './client',
    {
      'client/package.json': { ...NAMED, exports: { import: './main.mjs' } },
      'client/main.mjs': `${CLASS} export default { IPCClient };`,
    },
  ],
  'both, by folder': [
    './client',
    {
      'client/package.json': { ...NAMED, exports: { import: './main.mjs', require: './main.cjs' } },
      'client/main.mjs': 'export {};',
      'client/main.cjs': COMMONJS,
    },
  ],
  'a file of CommonJS': ['./client/deep/main.cjs', { 'client/package.json': NAMED, 'client/deep/main.cjs': COMMONJS }],
  'a file of ESM': ['./client/deep/main.mjs', { 'client/package.json': NAMED, 'client/deep/main.mjs': ESM }],
};

for (const [form, [spec, files]] of Object.entries(PACKAGES)) {
  test(`driver loads a package that is ${form}`, async (t) => {
    const driver = startDriver(t, { driverArguments: ['--package', spec], cwd: makeFolder(t, files) });
    const { result } = await driver.command('capabilities');
    assert.deepEqual([result.name, result.version, result.language], ['some-client', '7.8.9', 'node']);
    assert.deepEqual((await driver.command('create', { app_id: 'app' })).result, { connection_id: 'mine' });
    await driver.command('exit');
    assert.equal(await driver.ended(), 0);
  });
}

test('driver loads a file by its absolute path, and names it when no package does', async (t) => {
  const file = path.join(makeFolder(t, { 'main.cjs': COMMONJS }), 'main.cjs');
  const { result } = await startDriver(t, { driverArguments: ['--package', file] }).command('capabilities');
  assert.deepEqual([result.name, result.version], [file, 'unknown']);
});

const BROKEN = {
  'a package that is not there': [['--package', 'no-such-client'], /no package no-such-client is installed here/],
  'a folder that is not there': [['--package', './nowhere'], /there is no file or folder .*nowhere/],
  'a package without IPCClient': [['--package', './empty'], /\.\/empty: it does not export IPCClient/],
  'a package whose IPCClient is no class': [['--package', './odd'], /\.\/odd: it does not export IPCClient/],
  'a package that cannot be parsed': [['--package', './torn'], /cannot drive \.\/torn: /],
  'a package that throws': [['--package', './angry'], /cannot drive \.\/angry: no$/m],
  'a package whose manifest is broken': [['--package', './bad'], /cannot drive \.\/bad: .*JSON/],
  'a package without an entry': [['--package', './void'], /cannot drive \.\/void: Cannot find module/],
  'an unknown option': [['--pakage', 'x'], /'--pakage'/],
  'an option without a value': [['--package'], /--package/],
  'an argument': [['x'], /'x'/],
};
const BROKEN_FILES = {
  'empty/index.js': 'setInterval(() => {}, 1000);',
  'odd/index.js': 'exports.IPCClient = "text";',
  'torn/index.js': 'class {',
  'angry/index.js': 'throw "no";',
  'bad/package.json': '{"name"',
  'bad/index.js': COMMONJS,
  'void/package.json': {},
};

for (const [name, [driverArguments, reason]] of Object.entries(BROKEN)) {
  test(`driver refuses ${name} with one line and status 2`, async (t) => {
    const driver = startDriver(t, { driverArguments, cwd: makeFolder(t, BROKEN_FILES) });
    assert.equal(await driver.ended(), 2);
    assert.match(driver.errorOutput(), /^driver: [^\n]+\n$/);
    assert.match(driver.errorOutput(), reason);
    assert.deepEqual(driver.lines, []);
  });
}

test('driver explains itself', async (t) => {
  const { child, ended } = startDriver(t, { driverArguments: ['--help'] });
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  assert.equal(await ended(), 0);
  assert.match(output, /^Usage: .*--package/);
});

/** Drive a client whose class has this body, and create it. */
async function oddClient(t, body, address = { port: 5 }) {
  const cwd = makeFolder(t, { 'client.js': `exports.IPCClient = class { ${body} };` });
  const driver = startDriver(t, { driverArguments: ['--package', './client.js'], cwd });
  return { driver, created: await driver.command('create', { app_id: 'app', ...address }) };
}

const ID = 'connectionId = "mine";';

test('driver gives a client the options that the command has, and no others', async (t) => {
  const { created } = await oddClient(
    t,
    'constructor(appId, options) { this.connectionId = [appId, ...Object.entries(options)].join(); }',
  );
  assert.equal(created.result.connection_id, 'app,port,5');
});

const OPTIONS = 'constructor(appId, options) { this.options = options; }';

/** Bodies of classes whose instances do not show a path as their address. */
const WITHOUT_PATH = {
  'has no info': '',
  'has an info without an address': 'getConnectionInfo() { return { connected: false }; }',
  'has no info before it connects': 'getConnectionInfo() { return null; }',
  'shows host and port': 'getConnectionInfo() { return { host: "localhost", port: 8888 }; }',
  'shows its options, and a host': `${OPTIONS} getConnectionInfo() { return { host: "a", ...this.options }; }`,
  'shows its options, and a port': `${OPTIONS} getConnectionInfo() { return { port: 5, ...this.options }; }`,
  'shows another path': 'getConnectionInfo() { return { path: "/run/other.sock" }; }',
};
for (const [name, body] of Object.entries(WITHOUT_PATH)) {
  test(`driver skips a path for a client that ${name}, and does not connect it`, async (t) => {
    const { driver, created } = await oddClient(t, `${body} connect() { return true; }`, { path: '/run/ipc.sock' });
    assert.match(created.skipped, /no option path/);
    assert.match((await driver.command('connect')).error.message, /no client yet/);
    assert.ok((await driver.command('create', { app_id: 'app', port: 5 })).result);
    assert.deepEqual((await driver.command('connect')).result, { connected: true });
  });
}

test('driver gives a path to a client of another package that shows it as its address', async (t) => {
  const { created } = await oddClient(
    t,
    `constructor(appId, options) { this.connectionId = JSON.stringify(options); this.path = options.path; }
     getConnectionInfo() { return { path: this.path, host: null }; }`,
    { path: '/run/ipc.sock' },
  );
  assert.equal(created.result.connection_id, '{"path":"/run/ipc.sock"}');
});

test('driver skips what a client lacks', async (t) => {
  const { driver, created } = await oddClient(t, '');
  assert.deepEqual(created.result, {});
  assert.match((await driver.command('notify', { channel: 'c', payload: 1 })).skipped, /no notify\(\)/);
  assert.match((await driver.command('health_check')).skipped, /no healthCheck\(\)/);
  assert.match((await driver.command('connection_info')).skipped, /no getConnectionInfo\(\)/);
  assert.match((await driver.command('unsubscribe', { channel: 'c' })).skipped, /no unsubscribe\(\)/);
  assert.match((await driver.command('subscribe', { channel: 'c' })).skipped, /no subscribe\(\)/);
  await driver.command('exit');
  assert.equal(await driver.ended(), 0);
});

test('driver skips the removal of one of several handlers when unsubscribe takes a channel alone', async (t) => {
  const { driver } = await oddClient(t, `${ID} subscribe() {} unsubscribe(channel) { return channel; }`);
  await driver.command('subscribe', { channel: 'c', handler: 'one' });
  assert.deepEqual((await driver.command('unsubscribe', { channel: 'c', handler: 'one' })).result, {});
  await driver.command('subscribe', { channel: 'c', handler: 'one' });
  await driver.command('subscribe', { channel: 'c', handler: 'two' });
  assert.ok((await driver.command('unsubscribe', { channel: 'c', handler: 'one' })).skipped);
  assert.deepEqual((await driver.command('unsubscribe', { channel: 'c' })).result, {});
  await driver.command('subscribe', { channel: 'c', handler: 'one' });
});

test('driver describes errors that are none', async (t) => {
  const { driver } = await oddClient(
    t,
    `${ID} onError(h) { this.h = h; } onDisconnected(h) { this.d = h; }
     connect() {
       for (const e of [new Error('e'), 'text', { code: 7 }, null, undefined, { message: 5, code: {} }]) this.h(e);
       for (const reason of ['why', new Error('because'), undefined, false, 5]) this.d(reason);
       throw { code: 'odd', toString: null }; }
     async publish() { throw undefined; }`,
  );
  const failed = await driver.command('connect');
  assert.equal(failed.error.code, 'odd');
  assert.match(failed.error.message, /code: 'odd'/);
  assert.deepEqual((await driver.command('publish', { channel: 'c', payload: 1 })).error, { message: 'undefined' });
  const errors = [];
  for (let count = 0; count < 6; count += 1) errors.push((await driver.event('error')).error);
  const expected = ['e', 'text', '{ code: 7 }', 'null', 'undefined', '{ message: 5, code: {} }'];
  assert.deepEqual(errors.map((error) => error.message), expected);
  assert.deepEqual(errors.map((error) => error.code), [undefined, undefined, 7, undefined, undefined, undefined]);
  const reasons = [];
  for (let count = 0; count < 5; count += 1) reasons.push((await driver.event('disconnected')).reason);
  assert.deepEqual(reasons, ['why', 'because', null, null, null]);
});

const INFOS = {
  '{ connection_id: "a", connected: 1, status: "CONNECTED", subscribed_channels: new Set(["x", 5, "x"]) }':
    { connection_id: 'a', connected: true, status: 'connected', subscribed_channels: ['x'] },
  '{ id: "a", connected: false, status: "closed", subscriptions: { x: [], y: [] } }':
    { connection_id: 'a', connected: false, status: 'disconnected', subscribed_channels: ['x', 'y'] },
  '{ connectionId: "a", status: "reconnecting", channels: new Map([["x", 1]]) }':
    { connection_id: 'a', connected: false, status: 'reconnecting', subscribed_channels: ['x'] },
};
for (const [info, expected] of Object.entries(INFOS)) {
  test(`driver takes from ${info} what fits`, async (t) => {
    const { driver } = await oddClient(t, `getConnectionInfo() { return ${info}; }`);
    assert.deepEqual((await driver.command('connection_info')).result, expected);
  });
}

test('driver takes from a client without an info what its properties say', async (t) => {
  const { driver } = await oddClient(t, `${ID} connected = true; getConnectionInfo() { return null; }`);
  const expected = { connection_id: 'mine', connected: true, status: 'connected', subscribed_channels: [] };
  assert.deepEqual((await driver.command('connection_info')).result, expected);
});

test('driver reports responses and messages that are none, and logs do not disturb it', async (t) => {
  const { driver } = await oddClient(
    t,
    `${ID} async sendRequest(channel, payload) { console.log('noise'); console.info('noise'); return payload; }
     connect() { return 'yes'; } disconnect() { return this; }
     subscribe(channel, handler) { handler(undefined); handler([]); handler({ payload: 1, reply() {} }); }`,
  );
  for (const payload of [null, 5, []]) {
    const answer = await driver.command('send_request', { channel: 'c', payload });
    assert.match(answer.error.message, /the client made .* of the response/);
  }
  const { result } = await driver.command('send_request', { channel: 'c', payload: { a: 1 } });
  assert.deepEqual(result, { response: { a: 1 } });
  assert.deepEqual((await driver.command('connect')).result, { connected: true });
  assert.deepEqual((await driver.command('subscribe', { channel: 'c' })).result, {});
  assert.match((await driver.event('error')).error.message, /'default' was given undefined/);
  assert.match((await driver.event('error')).error.message, /'default' was given \[\]/);
  assert.deepEqual((await driver.event('message')).message, { payload: 1 });
  assert.deepEqual((await driver.command('disconnect')).result, {});
  assert.match(driver.errorOutput(), /noise\nnoise/);
});
