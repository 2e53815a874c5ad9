'use strict';

const assert = require('node:assert/strict');
const { IPCClient } = require('../../client');
const { IPCConnectionPool } = require('../../patterns');
const { acceptAgain, acknowledgement, errorAnswer, scriptedServer } = require('../helper');
const { test } = require('../runner');
const { ownServer, sharedServer, until } = require('./helper');

const ECHO = 'conformance.echo';
const CLOSE = 'conformance.close'; // the server drops the connection that asks it

async function makePool(t, options = {}, server = undefined) {
  const { port } = server ?? (await sharedServer());
  const connectionOptions = { host: '127.0.0.1', port };
  const pool = new IPCConnectionPool('pool', { appId: 'conformance', connectionOptions, ...options });
  t.after(() => pool.shutdown());
  return pool;
}

async function makeOpenPool(t, options, server) {
  const pool = await makePool(t, options, server);
  await pool.initialize();
  return pool;
}

/** A pool with one connection, which is in use, and another caller who waits. */
async function makeBusyPool(t, options = {}) {
  const pool = await makeOpenPool(t, { minConnections: 1, maxConnections: 1, ...options });
  const connection = await pool.getConnection();
  const waiting = pool.getConnection();
  waiting.catch(() => {});
  return { pool, connection, waiting };
}

test('pool opens the least number of connections, with ids of their own in one application', async (t) => {
  const pool = await makeOpenPool(t);
  assert.deepEqual(pool.getStats(), { total: 2, available: 2, inUse: 0, waiting: 0 });
  const connections = [await pool.getConnection(), await pool.getConnection(), await pool.getConnection()];
  assert.deepEqual(pool.getStats(), { total: 3, available: 0, inUse: 3, waiting: 0 });
  const ids = connections.map(({ client }) => client.connectionId);
  assert.equal(new Set([...ids, ...connections.map(({ id }) => id)]).size, 6);
  for (const { client, inUse, createdAt, lastUsed } of connections) {
    assert.equal(client.getConnectionInfo().appId, 'conformance');
    assert.ok(client.connected && inUse && createdAt <= lastUsed);
  }
  for (const connection of connections) pool.releaseConnection(connection);
  assert.deepEqual(pool.getStats(), { total: 3, available: 3, inUse: 0, waiting: 0 });
  assert.ok(connections.every(({ inUse }) => !inUse));
});

test('application is the name of the pool unless told otherwise', async (t) => {
  const pool = await makeOpenPool(t, { appId: undefined });
  assert.equal((await pool.getConnection()).client.getConnectionInfo().appId, 'pool');
});

test('requests share the connections, of which there are never too many', async (t) => {
  const pool = await makeOpenPool(t, { minConnections: 1, maxConnections: 3 });
  const requests = [...Array(50).keys()].map((number) => pool.executeRequest(ECHO, number));
  await until(() => pool.getStats().total === 3, 'three connections');
  assert.ok(pool.getStats().waiting > 0);
  assert.deepEqual((await Promise.all(requests)).map(({ payload }) => payload), [...Array(50).keys()]);
  assert.deepEqual(pool.getStats(), { total: 3, available: 3, inUse: 0, waiting: 0 });
});

test('callers at the same time cause no more attempts than there is room for', async (t) => {
  const server = await scriptedServer(t);
  const pool = await makePool(t, { minConnections: 0, maxConnections: 2 }, server);
  await pool.initialize();
  const callers = [1, 2, 3, 4].map(() => pool.getConnection());
  const peers = [await server.accept(), await server.accept()];
  assert.equal(server.waiting, 0);
  for (const peer of peers) peer.send(acknowledgement());
  const [first] = await Promise.all(callers.slice(0, 2));
  assert.deepEqual(pool.getStats(), { total: 2, available: 0, inUse: 2, waiting: 2 });
  pool.releaseConnection(first);
  assert.equal((await callers[2]).client, first.client);
  assert.equal(server.waiting, 0);
  await pool.shutdown();
  await assert.rejects(callers[3], { code: 'pool_closed' });
});

test('connection is released after a request that fails', async (t) => {
  const pool = await makeOpenPool(t, { minConnections: 1, maxConnections: 1 });
  await assert.rejects(pool.executeRequest('conformance.silent', {}, 5), { code: 'timeout' });
  await assert.rejects(pool.executeRequest(ECHO, 1n), TypeError);
  assert.deepEqual(pool.getStats(), { total: 1, available: 1, inUse: 0, waiting: 0 });
});

test('released connection goes to whoever has waited longest', async (t) => {
  const { pool, connection, waiting } = await makeBusyPool(t);
  const second = pool.getConnection();
  pool.releaseConnection(connection);
  const next = await waiting;
  assert.equal(next.client, connection.client);
  assert.equal(pool.getStats().waiting, 1);
  pool.releaseConnection(next);
  assert.equal((await second).client, connection.client);
});

test('connection can be released once, also when it is in use again', async (t) => {
  const { pool, connection, waiting } = await makeBusyPool(t);
  pool.releaseConnection(connection);
  await waiting;
  const twice = { name: 'IPCError', code: 'not_in_use', message: /connection 1 is not in use in pool pool.*twice/ };
  assert.throws(() => pool.releaseConnection(connection), twice);
  for (const stranger of [undefined, {}, { ...connection }]) {
    assert.throws(() => pool.releaseConnection(stranger), { code: 'not_in_use' });
  }
  assert.deepEqual(pool.getStats(), { total: 1, available: 0, inUse: 1, waiting: 0 });
});

test('subscriptions of a connection end with its release', async (t) => {
  const pool = await makeOpenPool(t, { minConnections: 1, maxConnections: 1 });
  const connection = await pool.getConnection();
  connection.client.subscribe('news', () => {});
  pool.releaseConnection(connection);
  assert.deepEqual((await pool.getConnection()).client.getConnectionInfo().subscribedChannels, []);
});

test('connection that is lost while idle is replaced', async (t) => {
  const server = await scriptedServer(t);
  const pool = await makePool(t, { minConnections: 1, maxConnections: 1 }, server);
  const initialized = pool.initialize();
  const { peer } = await acceptAgain(server);
  await initialized;
  peer.reset();
  await acceptAgain(server);
  await until(() => pool.getStats().available === 1, 'another connection');
  const connection = await pool.getConnection();
  assert.ok(connection.client.connected && connection.id === 2);
});

test('connection that is lost while in use is not handed out again', async (t) => {
  const pool = await makeOpenPool(t, { minConnections: 1, maxConnections: 1 });
  const errors = [];
  pool.onError((error) => errors.push(error.code));
  const connection = await pool.getConnection();
  const waiting = pool.getConnection();
  await assert.rejects(connection.client.sendRequest(CLOSE, {}), { code: 'connection_lost' });
  const next = await waiting; // before the lost one is released
  assert.notEqual(next.client, connection.client);
  assert.equal((await next.client.sendRequest(ECHO, 1)).payload, 1);
  pool.releaseConnection(connection);
  assert.deepEqual(pool.getStats(), { total: 1, available: 0, inUse: 1, waiting: 0 });
  assert.throws(() => pool.releaseConnection(connection), { code: 'not_in_use' });
  assert.deepEqual(errors, ['connection_lost']);
});

test('pool survives many lost connections', async (t) => {
  const pool = await makeOpenPool(t, { minConnections: 2, maxConnections: 4 });
  for (let round = 0; round < 5; round += 1) {
    const requests = Array.from({ length: 8 }, (_, number) => pool.executeRequest(number % 2 ? ECHO : CLOSE, number));
    const outcomes = await Promise.allSettled(requests);
    const succeeded = outcomes.map(({ status }) => status === 'fulfilled');
    assert.deepEqual(succeeded, [false, true, false, true, false, true, false, true]);
  }
  await until(() => pool.getStats().available >= 2, 'two connections');
  assert.ok(pool.getStats().total <= 4);
});

test('connection that is lost as soon as it is open is not handed out', async (t) => {
  const server = await scriptedServer(t);
  const pool = await makePool(t, { minConnections: 0, maxConnections: 1 }, server);
  await pool.initialize();
  const refused = assert.rejects(pool.getConnection(), { code: 'connection_lost' });
  (await server.accept()).send(acknowledgement(), errorAnswer('shutting_down'));
  await refused;
  assert.deepEqual(pool.getStats(), { total: 0, available: 0, inUse: 0, waiting: 0 });
});

test('callers are told when the server is away, and get connections when it is back', async (t) => {
  const server = await ownServer(t);
  const pool = await makeOpenPool(t, {}, server);
  await server.stop();
  await until(() => pool.getStats().total === 0, 'the loss of all connections');
  const refused = await Promise.allSettled([1, 2, 3].map((number) => pool.executeRequest(ECHO, number)));
  assert.deepEqual(refused.map(({ reason }) => reason.code), Array(3).fill('connection_failed'));
  await server.restart();
  assert.equal((await pool.executeRequest(ECHO, 1)).payload, 1);
  await until(() => pool.getStats().total === 2, 'the least number of connections');
});

test('initialize that fails leaves no connection open and says why', async (t) => {
  const server = await ownServer(t, ['--max-connections', '100']);
  const pool = await makePool(t, { minConnections: 105, maxConnections: 105 }, server);
  await assert.rejects(pool.initialize(), { code: 'too_many_connections' });
  assert.equal(pool.getStats().total, 0);
  await assert.rejects(pool.getConnection(), { code: 'not_initialized' });
  const options = { host: '127.0.0.1', port: server.port };
  const others = Array.from({ length: 100 }, () => new IPCClient('conformance', options));
  t.after(() => others.forEach((client) => client.disconnect()));
  for (const client of others) await until(() => client.connect(), 'room for another client');
});

test('initialize can be called again after it failed, and not while the pool is in use', async (t) => {
  const server = await ownServer(t);
  const pool = await makePool(t, {}, server);
  await server.stop();
  await assert.rejects(pool.initialize(), { code: 'connection_failed' });
  await server.restart();
  await pool.initialize();
  await assert.rejects(pool.initialize(), { code: 'already_initialized' });
});

test('caller who has waited too long is rejected, and does not get the connection', async (t) => {
  const { pool, connection, waiting } = await makeBusyPool(t, { acquireTimeout: 5 });
  await assert.rejects(waiting, { code: 'timeout', message: /no connection.*5 ms/ });
  assert.equal(pool.getStats().waiting, 0);
  pool.releaseConnection(connection);
  assert.deepEqual(pool.getStats(), { total: 1, available: 1, inUse: 0, waiting: 0 });
});

test('shutdown rejects callers and requests, and the pool can be initialized again', async (t) => {
  const { pool, connection, waiting } = await makeBusyPool(t);
  const pending = assert.rejects(connection.client.sendRequest('conformance.silent', {}), { code: 'connection_lost' });
  await pool.shutdown();
  await pending;
  await assert.rejects(waiting, { code: 'pool_closed' });
  await assert.rejects(pool.getConnection(), { code: 'not_initialized', message: /pool pool is not initialized/ });
  assert.deepEqual(pool.getStats(), { total: 0, available: 0, inUse: 0, waiting: 0 });
  pool.releaseConnection(connection);
  await pool.initialize();
  assert.equal((await pool.executeRequest(ECHO, 1)).payload, 1);
  assert.deepEqual(pool.getStats(), { total: 1, available: 1, inUse: 0, waiting: 0 });
});

test('shutdown ends attempts to connect that are under way', async (t) => {
  const server = await scriptedServer(t);
  const pool = await makePool(t, { minConnections: 1, maxConnections: 2 }, server);
  const first = assert.rejects(pool.initialize(), { code: 'pool_closed' });
  const silent = await server.accept();
  await pool.shutdown();
  await first;
  await silent.gone();
  const second = pool.initialize();
  await acceptAgain(server);
  await second;
  const callers = [pool.getConnection(), pool.getConnection()];
  const other = await server.accept();
  const closed = assert.rejects(callers[1], { code: 'pool_closed' });
  await pool.shutdown();
  await closed;
  await other.gone();
  assert.equal(pool.getStats().total, 0);
});

test('wrong options are named', () => {
  for (const [options, words] of [
    [null, /options must be an object/],
    [{ minConnections: -1 }, /minConnections must be an integer from 0 to 10/],
    [{ maxConnections: 0 }, /maxConnections must be an integer from 1/],
    [{ minConnections: 3, maxConnections: 2 }, /minConnections must be an integer from 0 to 2/],
    [{ acquireTimeout: -1 }, /acquireTimeout must be/],
    [{ appId: '' }, /appId must be/],
    [{ connectionOptions: { port: 0 } }, /port must be/],
  ]) {
    assert.throws(() => new IPCConnectionPool('pool', options), { name: 'TypeError', message: words });
  }
});
