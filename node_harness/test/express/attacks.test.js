'use strict';

// What foreign pages, other machines and browsers that leave or do not read may do to the service, and what not.

const helper = require('./helper');
const { ask, connectClient, createdServers, openStream, serveApp, startExamples, startService, until } = helper;
const assert = require('node:assert/strict');
const { EventEmitter, once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { after, before } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { IPCExpressService, hostGuard, ipcErrors, ipcMiddleware, ipcProxy, serverSentEvents } = require('../../express');
const { withDeadline } = require('../helper');
const { replace, test } = require('../runner');

let server;
before(async () => (server = await startExamples()));
after(() => server.stop());

const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Send a request with any headers: fetch forbids some. */
async function send(url, { method = 'POST', headers = JSON_TYPE, body = '{}' } = {}) {
  const request = http.request(url, { method, headers, agent: false });
  request.end(method === 'GET' ? undefined : body);
  const [response] = await withDeadline(once(request, 'response'), 'the answer');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode, headers: response.headers, body: text && JSON.parse(text) };
}

/** Return the status and the code of the answer to a request. */
async function outcome(url, options) {
  const { status, body } = await send(url, options);
  return [status, body.code];
}

test('service listens on the loopback interface unless told otherwise', async (t) => {
  const listened = [];
  const original = net.Server.prototype.listen;
  replace(t, net.Server.prototype, 'listen', function listen(...values) {
    listened.push(values[1]);
    return original.apply(this, values);
  });
  const service = new IPCExpressService({ client: { host: '127.0.0.1', port: server.port } });
  t.after(() => service.stop());
  await service.start(0);
  assert.deepEqual(listened, ['127.0.0.1']);
});

/** Where a service may listen, with or without authentication, and whether it warns. */
const LISTENING = [
  ['0.0.0.0', undefined, true],
  ['0.0.0.0', (req, res, next) => next(), false],
  ['127.0.0.1', undefined, false],
];
for (const [host, authenticate, warns] of LISTENING) {
  test(`service on ${host} ${authenticate ? 'with' : 'without'} authentication`, async (t) => {
    const warnings = [];
    replace(t, process, 'emitWarning', (text) => warnings.push(text));
    const service = new IPCExpressService({ authenticate, client: { host: '127.0.0.1', port: server.port } });
    t.after(() => service.stop());
    await service.start(0, host);
    const text = 'the IPC service listens on 0.0.0.0 without authentication: give the option authenticate';
    assert.deepEqual(warnings, warns ? [text] : []);
  });
}

test('authentication is in front of all routes, also those of the program', async (t) => {
  const authenticate = (req, res) => res.status(401).json({ code: 'who' });
  const { service, url } = await startService(t, server.port, { authenticate });
  service.app.get('/mine', (req, res) => res.json({}));
  for (const path of ['/health', '/status', '/events/news', '/api/api/get_users', '/mine', '/nothing']) {
    assert.deepEqual(await outcome(`${url}${path}`, { method: 'GET' }), [401, 'who'], path);
  }
});

const OWN_HOSTS = ['localhost', 'LOCALHOST:8080', '127.0.0.1:1', '127.1.2.3', '[::1]:3000', 'intern.example:7'];
const FOREIGN_HOSTS = ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', '192.0.2.1', '[::2]', 'a@b'];
test('service serves its own hosts, and no others', async (t) => {
  const { url } = await startService(t, server.port, { hosts: ['Intern.example'] });
  for (const host of OWN_HOSTS) {
    assert.deepEqual(await outcome(`${url}/health`, { method: 'GET', headers: { host } }), [200, undefined], host);
  }
  for (const host of FOREIGN_HOSTS) {
    for (const path of ['/health', '/events/news', '/nothing']) {
      const refused = await outcome(`${url}${path}`, { method: 'GET', headers: { host } });
      assert.deepEqual(refused, [421, 'foreign_host'], host);
    }
  }
});

test('request of HTTP/1.0 without a host is refused', async (t) => {
  const { service } = await startService(t, server.port);
  const socket = net.connect({ host: '127.0.0.1', port: service.port });
  t.after(() => socket.destroy());
  socket.write('GET /status HTTP/1.0\r\n\r\n');
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 421 /);
});

test('host guard is there for own apps', async (t) => {
  const { url } = await serveApp(t, server.port, (app) => app.use(hostGuard(), (req, res) => res.json({})));
  assert.equal((await send(url, { method: 'GET', headers: {} })).status, 200);
  assert.equal((await send(url, { method: 'GET', headers: { host: 'evil.example' } })).status, 421);
  assert.throws(() => hostGuard({ hosts: 'a' }), { name: 'TypeError', message: /^hosts must be/ });
});

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
const REFUSED = {
  'an image of any page': [{ method: 'GET', headers: {} }, 405, 'method_not_allowed'],
  'a method that only asks': [{ method: 'OPTIONS' }, 405, 'method_not_allowed'],
  'a form of a browser that says nothing': [{ headers: FORM, body: 'a=1' }, 415, 'unsupported_media_type'],
  'a form of a foreign page': [{ headers: { ...FORM, Origin: 'http://evil.example' } }, 403, 'cross_site'],
  'a form of a page without origin': [{ headers: { ...FORM, Origin: 'null' } }, 403, 'cross_site'],
  'a form with JSON in it': [{ headers: { 'Content-Type': 'text/plain' } }, 415, 'unsupported_media_type'],
  'a request without a type': [{ headers: {}, body: '' }, 415, 'unsupported_media_type'],
  'JSON of a foreign page': [{ headers: { ...JSON_TYPE, Origin: 'https://evil.example' } }, 403, 'cross_site'],
  'JSON of another port': [{ headers: { ...JSON_TYPE, Origin: 'http://127.0.0.1:1' } }, 403, 'cross_site'],
  'a site that is foreign': [{ headers: { ...JSON_TYPE, 'Sec-Fetch-Site': 'cross-site' } }, 403, 'cross_site'],
  'another port of this machine': [{ headers: { ...JSON_TYPE, 'Sec-Fetch-Site': 'same-site' } }, 403, 'cross_site'],
};
for (const [name, [options, ...expected]] of Object.entries(REFUSED)) {
  test(`action is not run by ${name}`, async (t) => {
    const { url } = await startService(t, server.port);
    assert.deepEqual(await outcome(`${url}/api/conformance.echo/x`, options), expected);
  });
}

test('action is run by own pages, listed origins and programs', async (t) => {
  const { url } = await startService(t, server.port, { origins: ['https://friend.example'] });
  const friend = { Origin: 'https://friend.example', 'Sec-Fetch-Site': 'cross-site' };
  const own = { Origin: url, 'Sec-Fetch-Site': 'same-origin' };
  for (const headers of [{}, friend, own, { 'Content-Type': 'Application/JSON; charset=utf-8' }]) {
    assert.equal((await send(`${url}/api/conformance.echo/x`, { headers: { ...JSON_TYPE, ...headers } })).status, 200);
  }
  for (const headers of [friend, own, { 'Sec-Fetch-Site': 'same-origin' }]) {
    const { status } = await send(`${url}/api/conformance.echo/x`, { headers: { ...FORM, ...headers }, body: 'a=1' });
    assert.equal(status, 200);
  }
});

test('GET requests the actions that only read, and no others', async (t) => {
  const { url } = await startService(t, server.port, { reads: ['conformance.echo/look'] });
  const get = { method: 'GET', headers: {} };
  const { body } = await send(`${url}/api/conformance.echo/look?a=1`, get);
  assert.deepEqual(body.result, { action: 'look', data: {}, query: { a: '1' }, method: 'GET' });
  const { status, headers } = await send(`${url}/api/conformance.echo/write`, get);
  assert.deepEqual([status, headers.allow], [405, 'POST, PUT, PATCH, DELETE']);
  const foreign = { method: 'GET', headers: { 'Sec-Fetch-Site': 'cross-site' } };
  assert.deepEqual(await outcome(`${url}/api/conformance.echo/look`, foreign), [403, 'cross_site']);
});

test('stream of a foreign page is refused unless its origin may listen', async (t) => {
  const { url } = await startService(t, server.port, { origins: ['https://friend.example'] });
  const headers = { Origin: 'https://evil.example' };
  assert.deepEqual(await outcome(`${url}/events/news`, { method: 'GET', headers }), [403, 'cross_site']);
  const friend = { method: 'HEAD', headers: { Origin: 'https://friend.example' } };
  assert.equal((await send(`${url}/events/news`, friend)).status, 200);
});

test('streams have a limit for all and one for an address', async (t) => {
  const { url } = await serveApp(t, server.port, (app, ipc) => {
    app.get('/all', serverSentEvents(ipc, { channel: 'a', maxStreams: 2 }));
    app.get('/each', serverSentEvents(ipc, { channel: 'a', maxStreamsPerAddress: 2 }));
  });
  for (const path of ['/all', '/each']) {
    const streams = [await openStream(t, url + path), await openStream(t, url + path)];
    const { status, headers, body } = await ask(url + path);
    assert.deepEqual([status, headers.get('retry-after'), body.code], [503, '5', 'too_many_streams']);
    assert.equal(body.error, 'too many event streams are open; close one, or try again later');
    streams[0].close();
    await until(() => openStream(t, url + path).catch(() => false), 'room for a stream');
  }
  for (const option of ['maxStreams', 'maxStreamsPerAddress']) {
    const message = new RegExp(`^${option} must be an integer`);
    assert.throws(() => new IPCExpressService({ [option]: 0 }), { name: 'TypeError', message });
  }
});

/** A response of which so many octets wait; `read` takes one more of them each time it is looked at. */
function waitingResponse(read) {
  const socket = { bytesWritten: 1000, writableLength: 500, remoteAddress: '127.0.0.1' };
  if (read) Object.defineProperty(socket, 'bytesWritten', { get: () => (socket.count = (socket.count ?? 1000) + 1) });
  const methods = { hasHeader: () => false, writeHead: () => {}, write: () => {}, end: () => {} };
  const response = Object.assign(new EventEmitter(), { req: { socket }, socket, writableLength: 500, ...methods });
  response.destroy = () => setImmediate(() => response.emit('close'));
  return response;
}

test('a browser that reads nothing from one comment to the next is dropped, and a slow one is not', async (t) => {
  const client = await connectClient(t, server.port);
  const events = serverSentEvents(client, { heartbeatInterval: 20, resumeTime: 0 });
  const responses = { stuck: waitingResponse(false), slow: waitingResponse(true) };
  for (const [channel, response] of Object.entries(responses)) {
    events({ method: 'GET', headers: {}, params: { channel } }, response, assert.fail);
  }
  const { stuck, slow } = responses;
  t.after(() => slow.emit('close'));
  await withDeadline(once(stuck, 'close'), 'the end of the stuck stream');
  await sleep(100);
  assert.deepEqual(client.getConnectionInfo().subscribedChannels, ['slow']);
});

test('request of a browser that leaves is forgotten', async (t) => {
  const { service, url } = await startService(t, server.port);
  const pending = () => service.client.getConnectionInfo().pendingRequests;
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const most = timers() + 1;
  const requests = Array.from({ length: 20 }, () => {
    const options = { method: 'POST', headers: JSON_TYPE, agent: false };
    const request = http.request(`${url}/api/conformance.silent/x`, options);
    return request.on('error', () => {}).end('{}');
  });
  await until(() => pending() === 20, 'the requests');
  for (const request of requests) request.destroy();
  await until(() => pending() === 0, 'the end of the requests');
  await until(() => timers() <= most, 'the end of the timers');
  assert.equal((await ask(`${url}/health`)).status, 200);
});

test('handlers that echo, and events, do not show the connection id', async (t) => {
  const { service, url } = await startService(t, server.port);
  const id = service.client.connectionId;
  const json = { [id]: 1, list: [id, `a ${id} b`], nested: { id } };
  const { result } = (await ask(`${url}/api/conformance.echo/x`, { json })).body;
  assert.equal(JSON.stringify(result).includes(id), false);
  assert.deepEqual(result.data, { '(hidden)': 1, list: [null, 'a (hidden) b'], nested: {} });
  const stream = await openStream(t, `${url}/events/news`);
  assert.equal((await ask(`${url}/health`)).status, 200);
  (await connectClient(t, server.port)).publish('news', { connection_id: id, text: id + id });
  assert.deepEqual(await stream.next(), { data: { text: '(hidden)(hidden)' } });
});

test('body that is nested deep does not end the connection of all browsers', async (t) => {
  const { service, url } = await startService(t, server.port);
  let losses = 0;
  service.client.onDisconnected(() => (losses += 1));
  for (const depth of [200, 3000, 20000]) {
    const body = '['.repeat(depth) + ']'.repeat(depth);
    const { status } = await send(`${url}/api/conformance.echo/x`, { body });
    assert.equal(status, 400, `${depth} levels`);
  }
  assert.deepEqual([losses, service.isReady], [0, true]);
});

test('body and query with the member __proto__ change no object', async (t) => {
  const { url } = await startService(t, server.port);
  const body = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
  assert.equal((await send(`${url}/api/conformance.echo/x?__proto__[polluted]=1&__proto__=2`, { body })).status, 200);
  const form = { headers: { ...FORM, Origin: url }, body: '__proto__[polluted]=1&constructor[prototype][polluted]=1' };
  assert.equal((await send(`${url}/api/conformance.echo/x`, form)).status, 200);
  assert.equal({}.polluted, undefined);
});

test('failure of an own route shows no stack to a browser', async (t) => {
  replace(t, console, 'error', () => {});
  const { service, url } = await startService(t, server.port);
  service.app.get('/bug', () => {
    throw new Error('secret');
  });
  const response = await fetch(`${url}/bug`);
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret|\.js/);
});

test('HTTP server has limits of its own', async (t) => {
  const created = createdServers(t);
  const { url } = await startService(t, server.port);
  const { headersTimeout, requestTimeout, keepAliveTimeout, maxConnections } = created[0];
  assert.deepEqual([headersTimeout, requestTimeout, keepAliveTimeout, maxConnections], [10000, 30000, 5000, 1024]);
  const tooLong = http.get(`${url}/health`, { headers: { long: 'x'.repeat(17000) }, agent: false });
  assert.equal((await withDeadline(once(tooLong, 'response'), 'the answer'))[0].statusCode, 431);
});

test('proxy in an own app has the same guards', async (t) => {
  const { client, url } = await serveApp(t, server.port, (app, ipc) => {
    app.use(ipcMiddleware(ipc), ipcProxy(), ipcErrors);
  });
  await client.connect();
  assert.deepEqual(await outcome(`${url}/conformance.echo/x`, { method: 'GET' }), [405, 'method_not_allowed']);
  assert.deepEqual(await outcome(`${url}/conformance.echo/x`, { headers: FORM }), [415, 'unsupported_media_type']);
});
