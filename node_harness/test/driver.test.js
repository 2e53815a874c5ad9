'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { makeAuthority } = require('./certificates');
const { isCommand, startDriver } = require('./driven');
const { makeFolder } = require('./folder');
const { acceptAgain, message, response, scriptedServer } = require('./helper');
const { test } = require('./runner');

/** A driver whose client is connected to a scripted server. */
async function connectedDriver(t) {
  const server = await scriptedServer(t);
  const driver = startDriver(t);
  const created = await driver.command('create', {
    app_id: 'app',
    host: '127.0.0.1',
    port: server.port,
    connection_timeout_ms: 2000,
    reconnect_attempts: 1,
    reconnect_delay_ms: 5,
    heartbeat_interval_ms: 0,
  });
  const connecting = driver.command('connect');
  const { peer, hello } = await acceptAgain(server);
  assert.deepEqual((await connecting).result, { connected: true });
  await driver.event('connected');
  return { server, driver, peer, hello, created };
}

test('driver names its commands', async (t) => {
  const { result } = await startDriver(t).command('capabilities');
  assert.deepEqual([result.language, result.protocol], ['node', '1.1']);
  assert.ok(result.commands.includes('send_request'));
  assert.equal(result.commands.length, 13);
});

test('driver creates and connects the client, and tells its connection id', async (t) => {
  const { driver, hello, created } = await connectedDriver(t);
  const id = hello.payload.connection_id;
  assert.deepEqual(created.result, { connection_id: id });
  const info = await driver.command('connection_info');
  const expected = { connection_id: id, connected: true, status: 'connected', subscribed_channels: [] };
  assert.deepEqual(info.result, expected);
  assert.match((await driver.command('create', { app_id: 'b' })).error.message, /already/);
});

test('driver hands tls and token to the client', async (t) => {
  const { ca, issue } = makeAuthority('authority');
  const server = await scriptedServer(t, issue());
  const driver = startDriver(t);
  const members = { app_id: 'app', host: '127.0.0.1', port: server.port, tls: { ca }, token: 'secret' };
  assert.deepEqual(Object.keys((await driver.command('create', members)).result), ['connection_id']);
  const connecting = driver.command('connect');
  const { hello } = await acceptAgain(server);
  assert.equal(hello.payload.token, 'secret');
  assert.deepEqual((await connecting).result, { connected: true });
});

test('driver connects the client to a path', async (t) => {
  const socket = path.join(makeFolder(t), 'ipc.sock');
  const server = await scriptedServer(t, undefined, socket);
  const driver = startDriver(t);
  const { result } = await driver.command('create', { app_id: 'app', path: socket });
  assert.deepEqual(Object.keys(result), ['connection_id']);
  const connecting = driver.command('connect');
  const { peer } = await acceptAgain(server);
  assert.deepEqual((await connecting).result, { connected: true });
  const sending = driver.command('send_request', { channel: 'c', payload: 1 });
  const answer = response(await peer.receive(), 'done');
  peer.send(answer);
  assert.deepEqual((await sending).result, { response: answer });
});

test('driver answers with an error when the client refuses a path, and can create another client', async (t) => {
  const driver = startDriver(t);
  for (const members of [{ path: '' }, { path: 5 }, { path: 'a', host: 'b' }, { path: 'a', port: 1 }]) {
    assert.match((await driver.command('create', { app_id: 'app', ...members })).error.message, /^path must be/);
  }
  assert.ok((await driver.command('create', { app_id: 'app', path: 'a' })).result);
});

test('schema of commands accepts a path in place of host and port', () => {
  const create = { id: 1, command: 'create', app_id: 'a' };
  for (const address of [{ path: 'a' }, { host: 'a' }, { port: 1 }, { host: 'a', port: 1 }, {}]) {
    assert.ok(isCommand({ ...create, ...address }), JSON.stringify(address));
  }
  for (const address of [{ path: 'a', host: 'b' }, { path: 'a', port: 1 }, { path: 5 }]) {
    assert.ok(!isCommand({ ...create, ...address }), JSON.stringify(address));
  }
});

test('driver obeys further commands while a request is in flight', async (t) => {
  const { driver, peer } = await connectedDriver(t);
  const sending = driver.command('send_request', { channel: 'c', payload: 'a\u2028b', timeout_ms: 2000 });
  const request = await peer.receive();
  assert.equal(request.payload, 'a\u2028b');
  const checking = driver.command('health_check');
  peer.send(response(await peer.receive(), { status: 'pong' }));
  assert.deepEqual((await checking).result, { healthy: true });
  const answer = response(request, 'done');
  peer.send(answer);
  assert.deepEqual((await sending).result, { response: answer });
});

test('driver answers with an error when the client rejects or throws', async (t) => {
  const { driver } = await connectedDriver(t);
  const late = await driver.command('send_request', { channel: 'c', payload: 1, timeout_ms: 10 });
  assert.equal(late.error.code, 'timeout');
  assert.match(late.error.message, /timeout/);
  const bad = await driver.command('publish', { channel: '', payload: 1 });
  assert.match(bad.error.message, /^channel must be/);
});

test('driver publishes and notifies', async (t) => {
  const { driver, peer } = await connectedDriver(t);
  assert.deepEqual((await driver.command('publish', { channel: 'c', payload: null })).result, {});
  assert.deepEqual((await driver.command('notify', { channel: 'n', payload: [1] })).result, {});
  const [publish, notification] = [await peer.receive(), await peer.receive()];
  assert.deepEqual([publish.message_type, publish.payload], ['publish', null]);
  assert.deepEqual([notification.message_type, notification.payload], ['notification', [1]]);
});

test('driver reports messages by channel and handler, and removes one handler or all', async (t) => {
  const { driver, peer } = await connectedDriver(t);
  await driver.command('subscribe', { channel: 'c', handler: 'broken', fails: true });
  await driver.command('subscribe', { channel: 'c' });
  assert.match((await driver.command('subscribe', { channel: 'c' })).error.message, /has a handler 'default' already/);
  await peer.receive();
  const published = message('publish', 'c', 1, { novelty: true });
  peer.send(published);
  const expected = { event: 'message', channel: 'c', handler: 'broken', message: published };
  assert.deepEqual(await driver.event('message'), expected);
  assert.equal((await driver.event('message')).handler, 'default');
  assert.match((await driver.event('error')).error.message, /'broken' failed/);
  assert.deepEqual((await driver.command('unsubscribe', { channel: 'c', handler: 'broken' })).result, {});
  assert.match((await driver.command('unsubscribe', { channel: 'c', handler: 'broken' })).error.message, /no handler/);
  peer.send(published);
  assert.equal((await driver.event('message')).handler, 'default');
  await driver.command('unsubscribe', { channel: 'c' });
  assert.equal((await peer.receive()).message_type, 'unsubscribe');
});

test('driver has a handler obey a command at its first call, inside the call, and reports the outcome', async (t) => {
  const { driver, peer } = await connectedDriver(t);
  const react = (channel, action) => driver.command('react', { channel, action });
  assert.deepEqual((await react('a', { command: 'unsubscribe', channel: 'a', handler: 'default' })).result, {});
  assert.deepEqual((await react('b', { command: 'send_request', channel: 'c', payload: 1 })).result, {});
  assert.deepEqual((await react('d', { command: 'unsubscribe', channel: '' })).result, {});
  assert.match((await react('d', { command: 'disconnect' })).error.message, /has a handler 'default' already/);
  for (let count = 0; count < 3; count += 1) await peer.receive();
  for (const channel of ['a', 'b', 'd', 'b']) peer.send(message('publish', channel, 1));
  const both = [await driver.event('reacted'), await driver.event('reacted')]; // in any order
  const [a, d] = both.sort((one, other) => one.channel.localeCompare(other.channel));
  assert.deepEqual(a, { event: 'reacted', channel: 'a', handler: 'default', result: {} });
  assert.match(d.error.message, /^channel must be/);
  assert.equal((await peer.receive()).message_type, 'unsubscribe');
  const answer = response(await peer.receive(), 'done');
  peer.send(answer);
  assert.deepEqual((await driver.event('reacted')).result, { response: answer });
  peer.send(message('publish', 'b', 2));
  for (const channel of ['a', 'b', 'd', 'b', 'b']) assert.equal((await driver.event('message')).channel, channel);
});

test('driver reports the loss of a connection and the next one', async (t) => {
  const { server, driver, peer } = await connectedDriver(t);
  peer.end();
  assert.equal((await driver.event('error')).error.code, 'connection_lost');
  assert.match((await driver.event('disconnected')).reason, /connection lost/);
  await acceptAgain(server);
  await driver.event('connected');
  assert.deepEqual((await driver.command('disconnect')).result, {});
  assert.equal((await driver.event('disconnected')).reason, null);
});

test('driver answers bad lines and unknown commands, and lives on', async (t) => {
  const driver = startDriver(t);
  for (const line of ['no JSON', 'null', '[]', '{"command":"exit"}', '{"id":"1","command":"exit"}', '{"id":1.5}']) {
    driver.write(line);
    assert.ok((await driver.answer(null)).error.message, line);
  }
  driver.write('');
  for (const command of ['fly', 'toString', '__proto__', null]) {
    assert.match((await driver.command(command)).error.message, /unknown command/);
  }
  assert.match((await driver.command('connect')).error.message, /no client yet/);
});

test('driver ends with status 0 on exit and at the end of its input, and disconnects', async (t) => {
  for (const finish of [(driver) => driver.command('exit'), (driver) => driver.child.stdin.end()]) {
    const { driver, peer } = await connectedDriver(t);
    await finish(driver);
    await peer.gone();
    assert.equal((await driver.event('disconnected')).reason, null);
    assert.equal(await driver.ended(), 0);
  }
});

test('driver reports what goes uncaught and ends with status 70', async (t) => {
  for (const source of ['throw new Error("oops")', 'Promise.reject(new Error("oops"))']) {
    const folder = makeFolder(t, { 'preload.js': `setTimeout(() => { ${source} }, 50)` });
    const driver = startDriver(t, { nodeArguments: ['--require', path.join(folder, 'preload.js')] });
    assert.deepEqual(await driver.event('crash'), { event: 'crash', error: { message: 'oops' } });
    assert.equal(await driver.ended(), 70);
  }
});
