'use strict';

const { APP, ask, connectClient, serveApp, startExamples, startService, until } = require('./helper');
const assert = require('node:assert/strict');
const { after, before } = require('node:test');
const express = require('express');
const { ipcErrors, ipcMiddleware, ipcProxy, requireIpc, usersRouter } = require('../../express');
const { test } = require('../runner');

let server;
before(async () => (server = await startExamples()));
after(() => server.stop());

const ADA = { id: 123, name: 'Ada Lovelace', email: 'ada@example.com', active: true };

function failed(status, code, error) {
  return { status, body: { success: false, error, code } };
}

function statusAndBody({ status, body }) {
  return { status, body };
}

test('users are listed by the query, and created', async (t) => {
  const { service, url } = await startService(t, server.port);
  service.app.use('/api/users', usersRouter());
  const { status, body } = await ask(`${url}/api/users?active=true&name=Ada%20Lovelace`);
  assert.deepEqual({ status, body }, { status: 200, body: { success: true, users: [ADA] } });
  const created = await ask(`${url}/api/users`, { json: { name: 'Alan Turing', email: 'alan@example.com' } });
  assert.equal(created.status, 200);
  assert.equal(created.body.success, true);
  assert.deepEqual(
    (await post(`${url}/api/user_service/get_user?user_id=${created.body.user.id}`)).body.result,
    { id: created.body.user.id, name: 'Alan Turing', email: 'alan@example.com', active: true },
  );
  const again = await ask(`${url}/api/users`, { json: { name: 'Alan', email: 'alan@example.com' } });
  const text = 'there is a user with the address alan@example.com already';
  assert.deepEqual(statusAndBody(again), failed(409, 'conflict', text));
  const nothing = await ask(`${url}/api/users`, { method: 'POST' });
  assert.deepEqual([nothing.status, nothing.body.code], [400, 'invalid_message']);
  assert.match(nothing.body.error, /^name must be a text .*; email must be an e-mail address$/);
});

test('proxy hands action, body, query and method to the channel and the answer back', async (t) => {
  const { url } = await startService(t, server.port);
  const path = `${url}/api/conformance.echo/an%20action?a=1&b=x&b=y`;
  const { status, body } = await ask(path, { method: 'PUT', body: JSON.stringify({ deep: [null, { é: '😀' }] }) });
  const { result } = body;
  assert.equal(status, 200);
  const data = { deep: [null, { é: '😀' }] };
  assert.deepEqual(result, { action: 'an action', data, query: { a: '1', b: ['x', 'y'] }, method: 'PUT' });
  const { result: other } = (await ask(`${url}/api/conformance.echo/look`, { method: 'DELETE' })).body;
  assert.deepEqual([other.data, other.query, other.method], [{}, {}, 'DELETE']);
});

test('proxy does not let a body speak for another connection', async (t) => {
  const { service, url } = await startService(t, server.port);
  const json = { connection_id: 'somebody else', action: 'other', method: 'x' };
  const { result } = (await ask(`${url}/api/conformance.echo/look?connection_id=x`, { json })).body;
  assert.deepEqual([result.action, result.method, result.data], ['look', 'POST', json]);
  assert.equal(JSON.stringify(result).includes(service.client.connectionId), false);
});

test('proxy reads HTML forms too', async (t) => {
  const { url } = await startService(t, server.port);
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: url };
  const form = { method: 'POST', headers, body: 'user[name]=Ada&n=1' };
  const { body } = await ask(`${url}/api/conformance.echo/look`, form);
  assert.deepEqual(body.result.data, { user: { name: 'Ada' }, n: '1' });
});

/** Run an action without arguments. */
function post(url, options) {
  return ask(url, { json: {}, ...options });
}

/** What a path is answered with, and with which options of a request. */
const ANSWERS = {
  'no handler': ['/api/nobody/x', failed(404, 'no_handler', "channel 'nobody' has no handler")],
  'no such action': [
    '/api/cache-service/x',
    failed(404, 'unknown_action', "channel 'cache-service' has the actions get, set"),
  ],
  'nothing found': ['/api/user_service/get_user?user_id=7', failed(404, 'not_found', 'there is no user 7')],
  'an argument that a handler refuses': [
    '/api/api/get_data',
    failed(400, 'invalid_message', "the argument 'id' is missing"),
  ],
  'a handler that failed': ['/api/conformance.fail/x', failed(502, 'handler_failed', /^the handler/)],
  'a reserved channel: system': [
    '/api/system/ping',
    failed(403, 'forbidden', "the channel 'system' is not offered here"),
  ],
  'a reserved channel: queue_manager': ['/api/queue_manager/enqueue', failed(403, 'forbidden', /queue_manager/)],
  'a reserved channel: service_discovery': ['/api/service_discovery/x', failed(403, 'forbidden', /discovery/)],
  'a reserved channel: service_instances': ['/api/service_instances/x', failed(403, 'forbidden', /instances/)],
  'a reserved channel: of a queue': ['/api/queue:email/x', failed(403, 'forbidden', /queue:email/)],
  'a channel that cannot be': ['/api/a%00b/x', failed(400, 'invalid_message', /free of control characters/)],
  'a channel that is too long': [`/api/${'x'.repeat(256)}/x`, failed(400, 'invalid_message', /1 to 255 characters/)],
  'a path that is no UTF-8': ['/api/%ff/x', failed(400, 'bad_request', /decode/)],
  'a body that is no JSON': ['/api/api/x', failed(400, 'entity.parse.failed', /JSON/), { method: 'POST', body: '{' }],
  'a body that is too long': [
    '/api/api/x',
    failed(413, 'entity.too.large', 'request entity too large'),
    { method: 'POST', body: JSON.stringify('x'.repeat(110000)) },
  ],
  'half of a surrogate pair': [
    '/api/api/x',
    failed(400, 'invalid_message', /surrogate/),
    { method: 'POST', body: '{"a":"\\ud800"}' },
  ],
};

for (const [name, [path, expected, options]] of Object.entries(ANSWERS)) {
  test(`proxy answers: ${name}`, async (t) => {
    const { service, url } = await startService(t, server.port);
    const { status, body } = await post(`${url}${path}`, options);
    const { error, ...rest } = body;
    const { error: text, ...others } = expected.body;
    assert.deepEqual({ status, body: rest }, { status: expected.status, body: others });
    if (text instanceof RegExp) assert.match(error, text);
    else assert.equal(error, text);
    assert.equal(service.isReady, true);
  });
}

test('proxy answers 504 when a handler does not', async (t) => {
  const { service, url } = await startService(t, server.port, { timeout: 50 });
  const { status, body } = await post(`${url}/api/conformance.silent/x`);
  assert.deepEqual([status, body.code], [504, 'timeout']);
  assert.match(body.error, /within 50 ms/);
  assert.equal(service.client.getConnectionInfo().pendingRequests, 0);
});

test('proxy answers 413 for a message that the IPC server would refuse', async (t) => {
  const small = await startExamples({ options: ['--max-frame-bytes', '1048576'] });
  t.after(() => small.stop());
  const { service, url } = await startService(t, small.port, { bodyLimit: '2mb' });
  const { status, body } = await ask(`${url}/api/conformance.echo/x`, { json: { a: 'x'.repeat(1100000) } });
  assert.deepEqual([status, body.code], [413, 'frame_too_large']);
  assert.equal(service.isReady, true);
});

test('proxy with an allow list offers what is on it and nothing else', async (t) => {
  const { url } = await startService(t, server.port, { services: ['api', 'system'] });
  assert.equal((await post(`${url}/api/api/get_users`)).body.result.users.length > 0, true);
  assert.deepEqual((await post(`${url}/api/system/ping`)).body.result, { status: 'pong' });
  const other = await post(`${url}/api/user_service/get_all_users`);
  assert.deepEqual(statusAndBody(other), failed(403, 'forbidden', "the channel 'user_service' is not offered here"));
});

test('option services has to be a list of names', () => {
  for (const services of ['api', [7], null]) {
    const message = /^services must be an array of channel names/;
    assert.throws(() => ipcProxy({ services }), { name: 'TypeError', message });
  }
});

test('routes of an own app have the client, and answer 503 while it is not connected', async (t) => {
  const { client, url } = await serveApp(t, server.port, (app, ipc) => {
    app.use(ipcMiddleware(ipc));
    app.get('/ready', (req, res) => res.json([req.ipc === ipc, req.ipcReady]));
    app.get('/mine', requireIpc, async (req, res) => res.json((await req.ipc.sendRequest('api', {})).payload));
    app.get('/mine/silent', async (req, res) => res.json(await req.ipc.sendRequest('conformance.silent', {}, 5)));
    app.use('/api/users', usersRouter());
    app.use('/api', ipcProxy());
    app.use('/bug', () => {
      throw new TypeError('a bug');
    });
    app.use(ipcErrors);
    // eslint-disable-next-line no-unused-vars -- Express knows an error handler by its four parameters
    app.use((error, req, res, next) => res.status(500).json({ own: error.message }));
  });
  const down = failed(503, 'not_connected', 'the connection to the IPC server is down');
  assert.deepEqual((await ask(`${url}/ready`)).body, [true, false]);
  for (const path of ['/mine', '/mine/silent', '/api/users']) {
    assert.deepEqual(statusAndBody(await ask(`${url}${path}`)), down, path);
  }
  assert.deepEqual(statusAndBody(await post(`${url}/api/api/get_users`)), down);
  await client.connect();
  assert.deepEqual((await ask(`${url}/ready`)).body, [true, true]);
  assert.equal((await ask(`${url}/mine`)).body.status, 'error');
  assert.equal((await ask(`${url}/mine/silent`)).status, 504);
  assert.equal((await ask(`${url}/api/users`)).status, 200);
  assert.deepEqual(statusAndBody(await ask(`${url}/bug`)), { status: 500, body: { own: 'a bug' } });
});

test('body that an own app has parsed is handed on', async (t) => {
  const { client, url } = await serveApp(t, server.port, (app, ipc) => {
    app.use(express.json(), ipcMiddleware(ipc), ipcProxy());
  });
  await client.connect();
  assert.deepEqual((await ask(`${url}/conformance.echo/x`, { json: { a: 1 } })).body.result.data, { a: 1 });
});

test('request in flight is answered with 503 when the IPC server is killed', async (t) => {
  const mortal = await startExamples();
  const { service, url } = await startService(t, mortal.port);
  const answer = post(`${url}/api/conformance.silent/x`);
  await until(() => service.client.getConnectionInfo().pendingRequests === 1, 'the request');
  await mortal.kill();
  const down = 'the connection to the IPC server is down';
  assert.deepEqual(statusAndBody(await answer), failed(503, 'connection_lost', down));
});

test('created user is announced to the subscribers of the application', async (t) => {
  const { service, url } = await startService(t, server.port);
  service.app.use('/api/users', usersRouter());
  const client = await connectClient(t, server.port);
  const announced = new Promise((resolve) => client.subscribe('notifications', resolve));
  assert.equal(await client.healthCheck(), true);
  const { user } = (await ask(`${url}/api/users`, { json: { name: 'Kurt Gödel', email: 'kurt@example.com' } })).body;
  const message = await announced;
  assert.deepEqual([message.app_id, message.payload], [APP, { type: 'user_created', user }]);
});
