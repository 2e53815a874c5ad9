'use strict';

const assert = require('node:assert/strict');
const { MicroserviceClient } = require('../../patterns');
const { acceptAgain, barrier, errorAnswer, message, response, scriptedServer } = require('../helper');
const { test } = require('../runner');
const { ownServer, sharedServer, until } = require('./helper');
const { makeRegistrar, serviceName } = require('./services');

const PROFILE = ['--profile', 'discovery'];

function makeClient(t, port, options = {}) {
  const given = { host: '127.0.0.1', port, appId: 'conformance', reconnectDelay: 5, ...options };
  const client = new MicroserviceClient('orders', given);
  const errors = [];
  client.onError((error) => errors.push(error));
  t.after(() => client.shutdown());
  return { client, errors };
}

async function makeServices(t) {
  const { port } = await sharedServer(PROFILE);
  const registrar = await makeRegistrar(t, port);
  const { client } = makeClient(t, port);
  return { client, port, registrar };
}

/** A client that has been acknowledged by a server of the test, and its request for the list. */
async function makeScripted(t) {
  const server = await scriptedServer(t);
  const { client, errors } = makeClient(t, server.port);
  const initialized = client.initialize();
  initialized.catch(() => {});
  const { peer } = await acceptAgain(server);
  const subscribe = await peer.receive();
  const request = await peer.receive();
  return { client, errors, initialized, peer, request, server, subscribe };
}

function serviceEvent(action, name, healthy) {
  return message('publish', 'service_discovery', { action, service: { name, healthy } });
}

const nameAndHealth = (client) => client.getAvailableServices().map(({ name, healthy }) => [name, healthy]);

test('a service that was there before is called on the channel of its name', async (t) => {
  const { client, registrar } = await makeServices(t);
  // The conformance suite's echo is a service that says what it was sent.
  await registrar.set('conformance.echo', 'one');
  await client.initialize();
  assert.ok(client.isReady);
  const options = { timeout: 5000, priority: 'high', source_service: 'somebody else' };
  const { payload } = await client.callService('conformance.echo', 'validate', { id: 1 }, options);
  const members = { priority: 'high', action: 'validate', data: { id: 1 }, source_service: 'orders' };
  assert.deepEqual(payload, { ...members, connection_id: client.client.connectionId });
  assert.deepEqual((await client.callService('conformance.echo', 'ping')).payload.data, {});
  await registrar.remove('conformance.echo', 'one');
});

test('timeout of a call is the one that its caller gave', async (t) => {
  const { client, registrar } = await makeServices(t);
  await registrar.set('conformance.silent', 'one');
  await client.initialize();
  await assert.rejects(client.callService('conformance.silent', 'x', {}, { timeout: 5 }), { code: 'timeout' });
  await registrar.remove('conformance.silent', 'one');
});

test('services that come, change and go are seen', async (t) => {
  const { client, registrar } = await makeServices(t);
  const name = serviceName();
  const find = () => client.getAvailableServices().find((service) => service.name === name);
  await client.initialize();
  const unknown = { name: 'IPCError', code: 'service_not_found', message: `service not found: ${name}` };
  await assert.rejects(client.callService(name, 'x'), unknown);
  await registrar.set(name, 'one', { healthy: false });
  await until(() => find(), 'the service');
  assert.equal(find().healthy, false);
  const unhealthy = { code: 'service_unhealthy', message: `service unhealthy: ${name}` };
  await assert.rejects(client.callService(name, 'x'), unhealthy);
  await registrar.set(name, 'one');
  await until(() => find().healthy, 'its health');
  assert.equal((await client.callService(name, 'x')).payload.error.code, 'no_handler');
  await registrar.remove(name, 'one');
  await until(() => !find(), 'its end');
  await assert.rejects(client.callService(name, 'x'), { code: 'service_not_found' });
});

test('the services that are returned are copies', async (t) => {
  const { client, registrar } = await makeServices(t);
  const name = serviceName();
  await registrar.set(name, 'one');
  await client.initialize();
  const find = () => client.getAvailableServices().find((service) => service.name === name);
  find().healthy = false;
  assert.equal(find().healthy, true);
});

test('events reach the services of the same application, by type, and no others', async (t) => {
  const { port } = await sharedServer(PROFILE);
  const got = [];
  const make = async (name, appId) => {
    const client = new MicroserviceClient(name, { host: '127.0.0.1', port, ...(appId && { appId }) });
    t.after(() => client.shutdown());
    client.subscribeToEvents('created', ({ data }) => got.push([name, data]));
    await client.initialize();
    return client;
  };
  const [orders, stock] = [await make('orders'), await make('stock')];
  await make('stranger', 'another application');
  const other = [];
  const end = stock.subscribeToEvents('deleted', (event) => other.push(event));
  await orders.broadcastEvent('created', { id: 7 });
  await orders.broadcastEvent('deleted', { id: 8 });
  for (const client of [stock, orders]) assert.ok(await client.client.healthCheck());
  assert.deepEqual(got.sort(), [['orders', { id: 7 }], ['stock', { id: 7 }]]);
  const [{ timestamp, ...event }] = other;
  assert.deepEqual(event, { type: 'deleted', data: { id: 8 }, source: 'orders' });
  assert.ok(Math.abs(timestamp - Date.now()) < 60000);
  end();
  await orders.broadcastEvent('deleted', { id: 9 });
  assert.ok(await stock.client.healthCheck());
  assert.equal(other.length, 1);
});

test('an event that is no object of this kind is ignored', async (t) => {
  const { client, errors, initialized, peer, request } = await makeScripted(t);
  const got = [];
  client.subscribeToEvents('created', (event) => got.push(event));
  peer.send(response(request, { services: [] }));
  await initialized;
  await peer.receive();
  peer.send(...[null, 1, [], {}, { type: 'created', data: 1 }].map((event) => message('publish', 'events', event)));
  await barrier(client.client, peer);
  assert.deepEqual([got, errors], [[{ type: 'created', data: 1 }], []]);
});

test('client subscribes before it asks, and takes events from before the list again after it', async (t) => {
  const { client, initialized, peer, request, subscribe } = await makeScripted(t);
  assert.deepEqual([subscribe.message_type, subscribe.channel_id], ['subscribe', 'service_discovery']);
  assert.deepEqual([request.channel_id, request.payload.action], ['system', 'list_services']);
  peer.send(
    serviceEvent('service_registered', 'new', true),
    serviceEvent('service_health_changed', 'ill', false),
    serviceEvent('service_unregistered', 'gone', true),
    response(request, { services: [{ name: 'ill', healthy: true }, { name: 'gone', healthy: true }] }),
    serviceEvent('service_registered', 'new', true),
    serviceEvent('service_registered', 'later', true),
    serviceEvent('some_action_to_come', 'later', false),
  );
  await initialized;
  await barrier(client.client, peer);
  assert.deepEqual(nameAndHealth(client), [['ill', false], ['new', true], ['later', true]]);
});

test('what changed while the connection was lost is seen after it', async (t) => {
  const { client, errors, initialized, peer, request, server } = await makeScripted(t);
  peer.send(response(request, { services: [{ name: 'a', healthy: true }, { name: 'b', healthy: true }] }));
  await initialized;
  peer.reset();
  const { peer: next } = await acceptAgain(server);
  assert.equal((await next.receive()).message_type, 'subscribe');
  const again = await next.receive();
  const early = client.callService('c', 'x'); // waits for the list
  next.send(serviceEvent('service_registered', 'd', true));
  next.send(response(again, { services: [{ name: 'b', healthy: false }, { name: 'c', healthy: true }] }));
  const call = await next.receive();
  assert.equal(call.channel_id, 'c');
  next.send(response(call));
  await early;
  assert.deepEqual(nameAndHealth(client), [['b', false], ['c', true], ['d', true]]);
  assert.deepEqual(errors.map(({ code }) => code), ['connection_lost']);
});

test('view is right when the real server has been away', async (t) => {
  const server = await ownServer(t, PROFILE);
  const { client } = makeClient(t, server.port, { reconnectAttempts: 10000 });
  await (await makeRegistrar(t, server.port)).set('before', 'one');
  await client.initialize();
  assert.deepEqual(nameAndHealth(client), [['before', true]]);
  await server.stop();
  await server.restart();
  await until(() => client.client.connected, 'the connection');
  await assert.rejects(client.callService('before', 'x'), { code: 'service_not_found' });
  await (await makeRegistrar(t, server.port)).set('after', 'one');
  await until(() => client.getAvailableServices().length === 1, 'the service');
  assert.deepEqual(nameAndHealth(client), [['after', true]]);
});

test('a list that cannot be had after a loss is reported, and what was known remains', async (t) => {
  const { client, errors, initialized, peer, request, server } = await makeScripted(t);
  peer.send(response(request, { services: [{ name: 'a', healthy: true }] }));
  await initialized;
  peer.reset();
  const { peer: next } = await acceptAgain(server);
  await next.receive();
  next.send(errorAnswer('handler_failed', { reply_to: (await next.receive()).message_id }));
  await barrier(client.client, next);
  assert.deepEqual(errors.map(({ code }) => code), ['connection_lost', 'handler_failed']);
  assert.deepEqual(nameAndHealth(client), [['a', true]]);
});

test('initialize that fails says why and leaves no connection', async (t) => {
  const { port } = await sharedServer(PROFILE);
  const nobody = makeClient(t, 1).client;
  await assert.rejects(nobody.initialize(), { code: 'connection_failed' });
  await assert.rejects(nobody.callService('a', 'x'), { code: 'not_initialized', message: /initialize\(\) first/ });
  const { client } = makeClient(t, port);
  await client.initialize();
  await assert.rejects(client.initialize(), { code: 'already_initialized' });
  assert.ok(client.isReady);

  for (const [answer, code] of [
    [{ services: 1 }, 'invalid_message'],
    [{ services: [{ healthy: true }] }, 'invalid_message'],
    [null, 'invalid_message'],
    [errorAnswer('unknown_action').payload, 'unknown_action'],
  ]) {
    const { client: other, initialized, peer, request } = await makeScripted(t);
    peer.send(response(request, answer));
    await assert.rejects(initialized, { code });
    await peer.gone();
    assert.equal(other.isReady, false);
  }
});

test('server without the profile is named as the reason', async (t) => {
  const server = await ownServer(t);
  const { client } = makeClient(t, server.port);
  const reason = { code: 'unknown_action', message: /does not offer service discovery, the profile 'discovery'/ };
  await assert.rejects(client.initialize(), reason);
});

test('connection that is lost during initialize fails it, and nothing connects again', async (t) => {
  const { client, initialized, peer, server } = await makeScripted(t);
  peer.reset();
  await assert.rejects(initialized, { code: 'connection_lost' });
  assert.equal(client.client.getConnectionInfo().status, 'disconnected');
  const again = client.initialize();
  const { peer: next } = await acceptAgain(server);
  await next.receive();
  next.send(response(await next.receive(), { services: [] }));
  await again;
  assert.equal(server.waiting, 0);
});

test('event that says nothing of a service is reported', async (t) => {
  const { client, errors, initialized, peer, request } = await makeScripted(t);
  peer.send(response(request, { services: [] }));
  await initialized;
  peer.send(message('publish', 'service_discovery', { action: 'service_registered' }));
  peer.send(...[null, 'text'].map((event) => message('publish', 'service_discovery', event)));
  await barrier(client.client, peer);
  assert.deepEqual(errors.map(({ code }) => code), ['invalid_message']);
});

test('shutdown ends what initialize began, and both can be repeated', async (t) => {
  const { client, registrar } = await makeServices(t);
  const name = serviceName();
  await registrar.set(name, 'one');
  await client.initialize();
  await client.shutdown();
  assert.deepEqual([client.isReady, client.client.connected, client.getAvailableServices()], [false, false, []]);
  await assert.rejects(client.broadcastEvent('x', 1), { code: 'not_connected' });
  await client.initialize();
  assert.ok(nameAndHealth(client).some(([known]) => known === name));
  await client.client.disconnect();
  await client.shutdown();
});

test('client that the user has connected before is initialized all the same', async (t) => {
  const { client, registrar } = await makeServices(t);
  const name = serviceName();
  await registrar.set(name, 'one');
  await client.client.connect();
  await client.initialize();
  assert.ok(nameAndHealth(client).some(([known]) => known === name));
});

test('host and port come from the environment unless they are given', async (t) => {
  t.after(() => {
    delete process.env.IPC_HOST;
    delete process.env.IPC_PORT;
  });
  const address = (options) => {
    const { host, port, appId } = new MicroserviceClient('a', options).client.getConnectionInfo();
    return [host, port, appId];
  };
  assert.deepEqual(address(), ['localhost', 8888, 'microservices']);
  Object.assign(process.env, { IPC_HOST: '127.0.0.2', IPC_PORT: '8899' });
  assert.deepEqual(address(), ['127.0.0.2', 8899, 'microservices']);
  assert.deepEqual(address({ host: '127.0.0.3', port: 9000, appId: 'mine' }), ['127.0.0.3', 9000, 'mine']);
  assert.deepEqual(address({ servers: ['127.0.0.4:9001', '127.0.0.5:9002'] }), ['127.0.0.4', 9001, 'microservices']);
  process.env.IPC_PORT = 'eighty';
  assert.throws(() => new MicroserviceClient('a'), { name: 'TypeError', message: /IPC_PORT \(eighty\) must be/ });
});

test('wrong arguments are named', () => {
  assert.throws(() => new MicroserviceClient(''), /TypeError: serviceName must be a name/);
  assert.throws(() => new MicroserviceClient('a', null), /TypeError: options must be an object/);
  assert.throws(() => new MicroserviceClient('a', { appId: '' }), /TypeError: appId must be/);
  assert.throws(() => new MicroserviceClient('a').subscribeToEvents('x'), /TypeError: handler must be a function/);
});
