'use strict';

const assert = require('node:assert/strict');
const { LoadBalancedClient } = require('../../patterns');
const { acceptAgain, barrier, message, response, scriptedServer } = require('../helper');
const { test } = require('../runner');
const { sharedServer, until } = require('./helper');
const { makeRegistrar, serviceName } = require('./services');

const HOUR = 3600000;
const QUICK = { timeout: 20, retryDelay: 1 };
const SILENT = 'conformance.silent'; // never answers

/** A client for a service with the given instances: their ids and the members in which they differ. */
async function makeBalanced(t, instances, options = {}) {
  const { port } = await sharedServer(['--profile', 'discovery']);
  const registrar = await makeRegistrar(t, port);
  const name = serviceName();
  for (const [id, members] of Object.entries(instances)) await registrar.set(name, id, members);
  const client = new LoadBalancedClient(name, { host: '127.0.0.1', port, appId: 'conformance', ...options });
  t.after(() => client.shutdown());
  await client.initialize();
  return { client, name, registrar };
}

async function makeScripted(t, instances, options = {}) {
  const server = await scriptedServer(t);
  const given = { host: '127.0.0.1', port: server.port, reconnectDelay: 5, ...options };
  const client = new LoadBalancedClient('service', given);
  t.after(() => client.shutdown());
  const initialized = client.initialize();
  const { peer } = await acceptAgain(server);
  const subscribe = await peer.receive();
  const request = await peer.receive();
  peer.send(response(request, { service_type: 'service', instances }));
  await initialized;
  return { client, peer, request, server, subscribe };
}

const instance = (id, members = {}) => ({ id, channel: `channel ${id}`, healthy: true, connections: 0, ...members });
const select = (client, count) => Array.from({ length: count }, () => client.selectInstance().id);
const ids = (client) => client.serviceInstances.map(({ id }) => id);

test('request goes to the channel of a healthy instance and names it', async (t) => {
  const { client } = await makeBalanced(t, { ill: { healthy: false }, well: {} });
  const { payload } = await client.makeRequest('process_data', { x: 1 });
  const members = { action: 'process_data', data: { x: 1 }, instance_id: 'well' };
  assert.deepEqual(payload, { ...members, connection_id: client.client.connectionId });
  assert.deepEqual(ids(client), ['well']);
});

test('round robin takes the instances in turn, those that come and go included', async (t) => {
  const { client, name, registrar } = await makeBalanced(t, { a: {}, b: {}, c: {} });
  assert.deepEqual(select(client, 7), ['a', 'b', 'c', 'a', 'b', 'c', 'a']);
  await registrar.remove(name, 'b');
  await registrar.set(name, 'd');
  await until(() => ids(client).join('') === 'acd', 'the changes');
  assert.deepEqual(select(client, 5), ['d', 'c', 'a', 'd', 'c']);
  await registrar.set(name, 'a', { healthy: false });
  await until(() => ids(client).join('') === 'cd', 'the change');
  assert.deepEqual(select(client, 3), ['d', 'c', 'd']);
  await registrar.set(name, 'a');
  await until(() => ids(client).join('') === 'acd', 'the change');
  assert.deepEqual(select(client, 3), ['a', 'c', 'd']);
  await registrar.remove(name, 'd');
  await until(() => ids(client).join('') === 'ac', 'the change');
  assert.deepEqual(select(client, 1), ['a']);
  await registrar.set(name, 'd'); // a new one, whatever its name was used for before
  await until(() => ids(client).join('') === 'acd', 'the change');
  assert.deepEqual(select(client, 3), ['d', 'c', 'a']);
});

test('an instance that was unhealthy from the beginning is used when it is healthy', async (t) => {
  const { client, name, registrar } = await makeBalanced(t, { a: { healthy: false } });
  const none = { code: 'no_instance', message: new RegExp(`no healthy instance of the service ${name}`) };
  assert.throws(() => client.selectInstance(), none);
  await registrar.set(name, 'a');
  await until(() => ids(client).length === 1, 'its health');
  assert.equal(client.selectInstance().id, 'a');
});

test('random takes each instance now and then', async (t) => {
  const { client } = await makeBalanced(t, { a: {}, b: {}, c: {} }, { strategy: 'random' });
  const selected = select(client, 300);
  for (const id of ['a', 'b', 'c']) assert.ok(selected.filter((each) => each === id).length > 30, id);
  assert.notDeepEqual(selected.slice(0, 99), [...'abc'.repeat(33)]);
});

test('least connections adds the requests under way to what the server says', async (t) => {
  const instances = [instance('a', { connections: 1 }), instance('b', { connections: 3 })];
  const ill = instance('ill', { healthy: false });
  const { client, peer } = await makeScripted(t, [...instances, ill], { strategy: 'least_connections' });
  const answers = [];
  const requests = [];
  for (let count = 0; count < 6; count += 1) {
    answers.push(client.makeRequest('x', count));
    requests.push(await peer.receive());
  }
  // a has 1 and gets 2, so that it is a's turn when both have 3: b was selected never.
  assert.deepEqual(requests.map(({ payload }) => payload.instance_id).join(' '), 'a a b a b a');
  const ofA = requests.filter(({ payload }) => payload.instance_id === 'a');
  peer.send(...ofA.map((request) => response(request)));
  await Promise.all(answers.filter((_, place) => ofA.includes(requests[place])));
  assert.deepEqual(select(client, 2), ['a', 'a']);
  const rest = Promise.allSettled(answers);
  await client.shutdown();
  assert.equal((await rest).filter(({ status }) => status === 'rejected').length, 2);
});

test('least connections takes instances with as much to do in turn', async (t) => {
  const { client } = await makeBalanced(t, { a: {}, b: {} }, { strategy: 'least_connections' });
  const responses = [];
  for (let count = 0; count < 4; count += 1) responses.push(await client.makeRequest('x', count));
  assert.deepEqual(responses.map(({ payload }) => payload.instance_id).join(' '), 'a b a b');
});

test('unknown strategy and other wrong options are named', () => {
  for (const [options, words] of [
    [{ strategy: 'fastest' }, /strategy must be one of round_robin, random, least_connections, not 'fastest'/],
    [{ strategy: 'toString' }, /strategy must be one of/],
    [null, /options must be an object/],
    [{ appId: '' }, /appId must be/],
  ]) {
    assert.throws(() => new LoadBalancedClient('service', options), { name: 'TypeError', message: words });
  }
  assert.throws(() => new LoadBalancedClient(''), /TypeError: serviceType must be a name/);
});

test('request that is not answered in time goes to another instance', async (t) => {
  const { client } = await makeBalanced(t, { a: { channel: SILENT }, b: { channel: SILENT }, c: {} });
  assert.equal((await client.makeRequest('x', 1, QUICK)).payload.instance_id, 'c');
});

test('request to an instance without a handler goes to another one', async (t) => {
  const { client } = await makeBalanced(t, { a: { channel: 'nobody' }, b: {} });
  assert.equal((await client.makeRequest('x', 1, QUICK)).payload.instance_id, 'b');
});

test('retries avoid the instances that have had the request, under every strategy', async (t) => {
  for (const strategy of ['round_robin', 'random', 'least_connections']) {
    const instances = { a: { channel: 'nobody' }, b: { channel: 'nobody', connections: 5 }, c: { connections: 9 } };
    const { client } = await makeBalanced(t, instances, { strategy });
    for (let count = 0; count < 5; count += 1) {
      assert.equal((await client.makeRequest('x', 1, QUICK)).payload.instance_id, 'c');
    }
  }
});

test('request fails with the last error when all attempts did', async (t) => {
  const { client } = await makeBalanced(t, { a: { channel: SILENT } });
  const failed = client.makeRequest('x', 1, { ...QUICK, retries: 2 });
  await assert.rejects(failed, { name: 'IPCError', code: 'timeout', message: /failed after 2 attempts/ });
  await assert.rejects(client.makeRequest('x', 1, { ...QUICK, retries: 0 }), TypeError);
});

test('error answer of a handler resolves, and is not asked for again', async (t) => {
  const { client } = await makeBalanced(t, { a: { channel: 'conformance.fail' }, b: {} });
  assert.equal((await client.makeRequest('x', 1, QUICK)).payload.error.code, 'handler_failed');
});

test('request waits for an instance as long as it has attempts', async (t) => {
  const { client, name, registrar } = await makeBalanced(t, {});
  await assert.rejects(client.makeRequest('x', 1, { ...QUICK, retries: 2 }), { code: 'no_instance' });
  const patient = client.makeRequest('x', 1, { retries: 10000, retryDelay: 5, backoffMultiplier: 1 });
  await registrar.set(name, 'a');
  assert.equal((await patient).payload.instance_id, 'a');
});

test('client subscribes before it asks, and heeds only events of its service', async (t) => {
  const { client, peer, request, subscribe } = await makeScripted(t, [instance('a'), instance('b')]);
  assert.deepEqual([subscribe.message_type, subscribe.channel_id], ['subscribe', 'service_instances']);
  assert.equal(request.payload.service_type, 'service');
  const event = (action, changed, type = 'service') => {
    return message('publish', 'service_instances', { action, service_type: type, instance: changed });
  };
  peer.send(
    event('instance_added', instance('c'), 'another service'),
    event('instance_removed', instance('a'), 'another service'),
    event('instance_added', instance('b')),
    event('instance_added', instance('d')),
    event('instance_health_changed', instance('e')),
    event('instance_removed', instance('nobody')),
  );
  await barrier(client.client, peer);
  assert.deepEqual(ids(client), ['a', 'b', 'd', 'e']);
});

test('instances are right after a lost connection, and a request is made again on the next one', async (t) => {
  const { client, peer, server } = await makeScripted(t, [instance('a')]);
  const answered = client.makeRequest('x', 1, { retries: 10000, retryDelay: 5, backoffMultiplier: 1 });
  assert.equal((await peer.receive()).channel_id, 'channel a');
  peer.reset();
  const { peer: next } = await acceptAgain(server);
  await next.receive();
  next.send(response(await next.receive(), { service_type: 'service', instances: [instance('b')] }));
  const request = await next.receive();
  assert.deepEqual([request.channel_id, request.payload.instance_id], ['channel b', 'b']);
  next.send(response(request, 'done'));
  assert.equal((await answered).payload, 'done');
  assert.deepEqual(ids(client), ['b']);
});

test('shutdown ends a request that waits for its next attempt', async (t) => {
  const { client } = await makeBalanced(t, {});
  const waiting = client.makeRequest('x', 1, { retryDelay: HOUR, maxRetryDelay: HOUR });
  const ended = assert.rejects(waiting, { code: 'no_instance' });
  await new Promise(setImmediate);
  await client.shutdown();
  await ended;
  await assert.rejects(client.makeRequest('x', 1), { code: 'not_initialized' });
});
