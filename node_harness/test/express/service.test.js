'use strict';

const { APP, ask, connectClient, createdServers, openStream, startExamples, startService, until } = require('./helper');
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');
const { after, before } = require('node:test');
const { IPCExpressService, ipcMiddleware, ipcProxy, serverSentEvents, usersRouter } = require('../../express');
const { makeFolder } = require('../folder');
const { acceptAgain, scriptedServer, withDeadline } = require('../helper');
const { freePort } = require('../reference');
const { test } = require('../runner');

const EXAMPLE = path.join(__dirname, '..', '..', 'express', 'example.js');

let server;
before(async () => (server = await startExamples()));
after(() => server.stop());

test('service says its state, and not what would let others take its connection over', async (t) => {
  const { service, url } = await startService(t, server.port);
  const health = await ask(`${url}/health`);
  assert.deepEqual([health.status, health.body.status], [200, 'healthy']);
  assert.ok(Math.abs(Date.parse(health.body.timestamp) - Date.now()) < 60000);
  const { status, body } = await ask(`${url}/status`);
  const { ipc, timestamp, ...rest } = body;
  assert.deepEqual([status, rest], [200, { status: 'ok' }]);
  assert.ok(Date.parse(timestamp) > 0);
  const connection = {
    appId: APP,
    host: '127.0.0.1',
    port: server.port,
    path: null,
    connected: true,
    status: 'connected',
    subscribedChannels: [],
    pendingRequests: 0,
    answersPings: true,
  };
  assert.deepEqual(ipc, { connected: true, healthy: true, connection });
  assert.equal(JSON.stringify(body).includes(service.client.connectionId), false);
});

test('service says when the IPC server is gone, and serves again when it is back', async (t) => {
  const mortal = await startExamples();
  const { service, url } = await startService(t, mortal.port);
  await mortal.kill();
  await until(() => !service.isReady, 'the loss');
  const health = await ask(`${url}/health`);
  assert.deepEqual([health.status, health.body.status], [503, 'unhealthy']);
  const { ipc } = (await ask(`${url}/status`)).body;
  assert.deepEqual([ipc.connected, ipc.healthy, ipc.connection.status], [false, false, 'reconnecting']);
  assert.equal((await ask(`${url}/api/api/get_users`, { json: {} })).status, 503);
  const again = await startExamples({ port: mortal.port });
  t.after(() => again.stop());
  await until(async () => (await ask(`${url}/health`)).status === 200, 'the health');
  assert.equal((await ask(`${url}/api/api/get_users`, { json: {} })).status, 200);
});

test('start without an IPC server is rejected with the reason, and leaves nothing running', async () => {
  const port = await freePort();
  const service = new IPCExpressService({ client: { host: '127.0.0.1', port } });
  const message = new RegExp(`^no IPC server at 127.0.0.1, port ${port}: connection failed: .*ECONNREFUSED`);
  await assert.rejects(service.start(0), { message });
  assert.deepEqual([service.isReady, service.port], [false, null]);
  await service.stop();
});

test('start on a port that is taken is rejected with advice, and leaves nothing running', async (t) => {
  const other = net.createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address();
  const service = new IPCExpressService({ client: { host: '127.0.0.1', port: server.port } });
  const why = 'the port is in use: stop the program that listens there, or choose another port';
  const message = `cannot listen on 127.0.0.1, port ${port}: ${why}`;
  await assert.rejects(service.start(port, '127.0.0.1'), { message });
  assert.deepEqual([service.isReady, service.port], [false, null]);
  await assert.rejects(service.start(0), { message: 'the service was started before; make a new one' });
  await service.stop();
});

test('start on a host or port that cannot be is rejected with the reason', async () => {
  for (const [port, host, message] of [
    [0, 'no-such-host.invalid', /^cannot listen on no-such-host\.invalid, port 0: (the host is unknown|.*EAI_AGAIN)/],
    [0, '192.0.2.1', 'cannot listen on 192.0.2.1, port 0: the host is not an address of this machine'],
    [70000, undefined, /port.*70000/],
  ]) {
    const service = new IPCExpressService({ client: { host: '127.0.0.1', port: server.port } });
    await assert.rejects(service.start(port, host), { message });
    assert.equal(service.isReady, false);
  }
});

test('failure to accept a connection is a warning, and the service goes on', async (t) => {
  const created = createdServers(t);
  const { url } = await startService(t, server.port);
  for (const text of ['accept EMFILE', 'accept EMFILE, again']) {
    const warned = once(process, 'warning');
    created[0].emit('error', new Error(text));
    assert.equal((await warned)[0].message, text);
  }
  assert.equal((await ask(`${url}/health`)).status, 200);
});

test('stop ends streams, answers what is in flight, and disconnects', async (t) => {
  const { service, url } = await startService(t, server.port);
  const client = await connectClient(t, server.port);
  const started = new Promise((resolve) => client.subscribe('status', resolve));
  assert.equal(await client.healthCheck(), true);
  const stream = await openStream(t, `${url}/events/news`);
  const slow = ask(`${url}/api/api/slow_operation`, { json: { seconds: 0.5 } });
  await started;
  const stopped = service.stop();
  assert.equal(service.stop(), stopped);
  assert.deepEqual(await stream.next(), { ended: true });
  assert.equal(stream.response.complete, true); // not cut off
  const { status, headers, body } = await slow;
  assert.deepEqual([status, headers.get('connection'), body.result], [200, 'close', { seconds: 0.5 }]);
  await stopped;
  assert.deepEqual([service.isReady, service.port], [false, null]);
  await assert.rejects(ask(`${url}/health`));
  await assert.rejects(service.start(0), /was started before/);
  await assert.rejects(service.initialize(), { message: 'the service was stopped; make a new one' });
});

test('stop does not wait longer than its grace for a handler or a browser', async (t) => {
  const { service, url } = await startService(t, server.port);
  const lazy = net.connect({ host: '127.0.0.1', port: service.port });
  t.after(() => lazy.destroy());
  lazy.on('error', () => {});
  lazy.write('POST /api/api/get_users HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n');
  const silent = assert.rejects(ask(`${url}/api/conformance.silent/x`, { json: {} }));
  await until(() => service.client.getConnectionInfo().pendingRequests === 1, 'the request');
  await withDeadline(service.stop(), 'the end of the service').catch(() => service.stop());
  await silent;
  assert.equal(service.isReady, false);
});

test('stop ends an attempt to connect', async (t) => {
  const ipc = await scriptedServer(t);
  const service = new IPCExpressService({ client: { host: '127.0.0.1', port: ipc.port, connectionTimeout: 60000 } });
  const started = service.start(0);
  const rejected = assert.rejects(started, { message: /^no IPC server at .*: the service was stopped$/ });
  await ipc.accept();
  await withDeadline(service.stop(), 'the end of the service');
  await rejected;
  assert.equal(service.port, null);
});

test('stop while start is about to listen leaves nothing running', async () => {
  const service = new IPCExpressService({ client: { host: '127.0.0.1', port: server.port } });
  const stopped = new Promise((resolve) => service.client.onConnected(() => resolve(service.stop())));
  await service.start(0);
  await stopped;
  assert.deepEqual([service.isReady, service.port], [false, null]);
});

test('initialize and an HTTP server of the user are enough', async (t) => {
  const service = new IPCExpressService({ client: { host: '127.0.0.1', port: server.port } });
  assert.equal(await service.initialize(), service);
  const own = service.app.listen(0, '127.0.0.1');
  await once(own, 'listening');
  t.after(() => own.close());
  assert.equal((await ask(`http://127.0.0.1:${own.address().port}/health`)).status, 200);
  await service.stop();
  assert.equal(service.isReady, false);
});

test('host and port of the IPC server come from the environment unless they are given', async (t) => {
  Object.assign(process.env, { IPC_HOST: '127.0.0.1', IPC_PORT: String(server.port) });
  t.after(() => ['IPC_HOST', 'IPC_PORT'].forEach((name) => delete process.env[name]));
  const service = await new IPCExpressService().initialize();
  assert.equal(service.isReady, true);
  await service.stop();
  const { host, port } = new IPCExpressService({ client: { host: 'a', port: 7 } }).client.getConnectionInfo();
  assert.deepEqual([host, port], ['a', 7]);
  process.env.IPC_PORT = '80a';
  assert.throws(() => new IPCExpressService(), { message: "IPC_PORT must be a port number, not '80a'" });
});

test('path of the IPC server takes the place of the host and port of the environment', async (t) => {
  Object.assign(process.env, { IPC_HOST: '127.0.0.1', IPC_PORT: 'eighty' });
  t.after(() => ['IPC_HOST', 'IPC_PORT'].forEach((name) => delete process.env[name]));
  const socket = path.join(makeFolder(t), 'ipc.sock');
  const options = { client: { path: socket } };
  const failed = new RegExp(`^no IPC server at unix:${socket}: connection failed: .*ENOENT unix:${socket}\\. `);
  await assert.rejects(new IPCExpressService(options).start(0), { message: failed });
  const ipcServer = await scriptedServer(t, undefined, socket);
  const service = new IPCExpressService(options);
  t.after(() => service.stop());
  const starting = service.start(0, '127.0.0.1');
  await acceptAgain(ipcServer);
  await starting;
  const { host, port, path: shown, connected } = service.client.getConnectionInfo();
  assert.deepEqual([host, port, shown, connected], [null, null, socket, true]);
  const both = { client: { ...options.client, host: 'localhost' } };
  assert.throws(() => new IPCExpressService(both), /^TypeError: path must be given without host and port/);
});

test('wrong options are named', () => {
  assert.throws(() => new IPCExpressService({ services: 'api' }), /^TypeError: services must be an array/);
  assert.throws(() => new IPCExpressService({ channels: {} }), /^TypeError: channels must be an array/);
  assert.throws(() => new IPCExpressService({ appId: '' }), /^TypeError: appId must be/);
  const client = new IPCExpressService().client;
  for (const [call, message] of [
    [() => ipcMiddleware(), /^client must be an IPCClient, not undefined$/],
    [() => serverSentEvents({}), /^client must be an IPCClient, not \{\}$/],
    [() => serverSentEvents(client, { channel: '' }), /^channel must be/],
    [() => serverSentEvents(client, { heartbeatInterval: 0 }), /^heartbeatInterval must be/],
    [() => usersRouter({ service: 7 }), /^channel must be/],
    [() => usersRouter({ timeout: '5' }), /^timeout must be/],
    [() => ipcProxy({ timeout: NaN }), /^timeout must be/],
    [() => ipcProxy({ bodyLimit: 'large' }), /^bodyLimit must be .* such as '100kb', not 'large'$/],
    [() => usersRouter({ bodyLimit: 0 }), /^bodyLimit must be/],
    [() => new IPCExpressService({ bodyLimit: null }), /^bodyLimit must be/],
  ]) {
    assert.throws(call, { name: 'TypeError', message });
  }
  ipcProxy({ bodyLimit: '2MB', timeout: 1 });
});

/** Run the example program and collect what it prints. */
function example(t, environment) {
  const child = spawn(process.execPath, [EXAMPLE], { env: { ...process.env, IPC_HOST: '127.0.0.1', ...environment } });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = once(child, 'close').then(([status]) => status);
  return { child, ended, output: () => output };
}

test('example program serves users, events and a page, and ends on a signal with a browser connected', async (t) => {
  const port = await freePort();
  const program = example(t, { PORT: String(port), IPC_PORT: String(server.port) });
  await until(() => program.output().includes('open '), 'the start of the program');
  const url = `http://localhost:${port}`;
  assert.equal(program.output(), `open ${url}/\n`);
  assert.match(await (await fetch(url)).text(), /<title>Live events<\/title>/);
  const stream = await openStream(t, `${url}/events/notifications`);
  const { body } = await ask(`${url}/api/users`, { json: { name: 'Ada', email: 'example@example.com' } });
  assert.deepEqual(await stream.next(), { data: { type: 'user_created', user: body.user } });
  assert.equal((await ask(`${url}/api/cache-service/get`, { json: {} })).status, 403);
  program.child.kill('SIGTERM');
  assert.deepEqual(await stream.next(), { ended: true });
  assert.equal(await withDeadline(program.ended, 'the end of the program'), 0);
});

test('example program says in one line why it cannot run', async (t) => {
  const used = String(server.port);
  const none = String(await freePort());
  for (const [environment, line] of [
    [{ IPC_PORT: none }, new RegExp(`^no IPC server at 127.0.0.1, port ${none}: connection failed: .*$`)],
    [{ IPC_PORT: used, PORT: used }, new RegExp(`^cannot listen on 127.0.0.1, port ${used}: the port is in use: .*$`)],
  ]) {
    const program = example(t, environment);
    assert.equal(await withDeadline(program.ended, 'the end of the program'), 1);
    assert.match(program.output().trim(), line); // `.` is no end of a line: there is one
  }
});
