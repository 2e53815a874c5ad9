'use strict';

const { ask, connectClient, openStream, serveApp, startExamples, startService, until } = require('./helper');
const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { after, before } = require('node:test');
const { serverSentEvents } = require('../../express');
const { acceptAgain, barrier, recordedClient, scriptedServer, withDeadline } = require('../helper');
const { test } = require('../runner');

let server;
before(async () => (server = await startExamples()));
after(() => server.stop());

const UP = { event: 'ipc', data: { connected: true } };
const DOWN = { event: 'ipc', data: { connected: false } };

/** Have the IPC server see the subscriptions that the service sent so far. */
async function settle(url) {
  assert.equal((await ask(`${url}/health`)).status, 200);
}

/** Middleware that writes down the responses that have ended, when their streams have noticed it too. */
function recordCloses(closed) {
  return (req, res, next) => {
    res.on('close', () => setImmediate(() => closed.push(req.url)));
    next();
  };
}

test('stream has the headers, the time to retry and the state of the connection ahead of the events', async (t) => {
  const { url } = await startService(t, server.port);
  const stream = await openStream(t, `${url}/events/news`);
  const { headers } = stream.response;
  assert.equal(headers['content-type'], 'text/event-stream');
  assert.equal(headers['cache-control'], 'no-cache, no-transform');
  assert.equal(headers['x-accel-buffering'], 'no');
  assert.equal(headers.connection, 'close');
  assert.deepEqual(stream.first, { retry: '2000', ...UP });
});

test('stream keeps the headers of middleware, such as those that let pages of other origins in', async (t) => {
  const { url } = await serveApp(t, server.port, (app, ipc) => {
    app.use((req, res, next) => {
      res.set('Access-Control-Allow-Origin', '*');
      next();
    });
    app.get('/events', serverSentEvents(ipc, { channel: 'news' }));
  });
  const { response } = await openStream(t, `${url}/events`);
  assert.equal(response.headers['access-control-allow-origin'], '*');
  assert.equal(response.headers['content-type'], 'text/event-stream');
});

test('stream has each payload of its channel, in order, and nothing else', async (t) => {
  const { url } = await startService(t, server.port);
  const stream = await openStream(t, `${url}/events/news%2Ftoday`);
  await settle(url);
  const client = await connectClient(t, server.port);
  const payloads = [null, 0, 'two\nlines\r\n\r\u2028', { data: ['é', '😀'] }, []];
  client.publish('news', 'of another channel');
  for (const payload of payloads) client.publish('news/today', payload);
  for (const data of payloads) assert.deepEqual(await stream.next(), { data });
});

test('browser that closes ends nothing of the others on its channel, nor of the program itself', async (t) => {
  const closed = [];
  const { client, url } = await serveApp(t, server.port, (app, ipc) => {
    app.use(recordCloses(closed));
    app.get('/events/:channel', serverSentEvents(ipc));
  });
  await client.connect();
  const own = [];
  client.subscribe('news', (received) => own.push(received.payload));
  const streams = [];
  for (let count = 0; count < 3; count += 1) streams.push(await openStream(t, `${url}/events/news`));
  assert.equal(await client.healthCheck(), true);
  const publisher = await connectClient(t, server.port);
  for (let round = 1; streams.length > 0; round += 1) {
    publisher.publish('news', round);
    for (const stream of streams) assert.deepEqual(await stream.next(), { data: round });
    streams.pop().close();
    await until(() => closed.length === round, 'the end of the stream');
  }
  publisher.publish('news', 4);
  await until(() => own.length === 4, 'the handler of the program');
  assert.deepEqual(own, [1, 2, 3, 4]);
});

test('a channel is subscribed to once, and unsubscribed from when its last browser is gone', async (t) => {
  const ipc = await scriptedServer(t);
  const closed = [];
  const { client } = recordedClient(t, ipc.port);
  const opened = client.connect();
  const { peer } = await acceptAgain(ipc);
  assert.equal(await opened, true);
  const { url } = await serveApp(t, ipc.port, (app) => {
    app.use(recordCloses(closed));
    app.get('/:channel', serverSentEvents(client, { resumeTime: 0 }));
  });
  const streams = [];
  for (let count = 0; count < 3; count += 1) streams.push(await openStream(t, `${url}/news`));
  const subscribe = await peer.receive();
  assert.deepEqual([subscribe.message_type, subscribe.channel_id], ['subscribe', 'news']);
  for (const [index, stream] of streams.entries()) {
    stream.close();
    await until(() => closed.length === index + 1, 'the end of the stream');
    assert.equal(await barrier(client, peer).catch(() => false), index < 2, `after ${index + 1}`);
    if (index < 2) assert.equal(peer.unread, 0);
  }
});

test('streams outlive a sudden end of the IPC server, and say so', async (t) => {
  const mortal = await startExamples();
  const { service, url } = await startService(t, mortal.port);
  const streams = await Promise.all([openStream(t, `${url}/events/news`), openStream(t, `${url}/events/news`)]);
  await mortal.kill();
  for (const stream of streams) assert.deepEqual(await stream.next(), DOWN);
  assert.equal((await ask(`${url}/health`)).status, 503);
  const late = await openStream(t, `${url}/events/late`);
  assert.deepEqual(late.first, { retry: '2000', ...DOWN });
  const again = await startExamples({ port: mortal.port });
  t.after(() => again.stop());
  for (const stream of [...streams, late]) assert.deepEqual(await stream.next(), UP);
  await settle(url);
  const client = await connectClient(t, mortal.port);
  client.publish('news', 'after the restart');
  client.publish('late', 'too');
  for (const stream of streams) assert.deepEqual(await stream.next(), { data: 'after the restart' });
  assert.deepEqual(await late.next(), { data: 'too' });
  assert.equal(service.isReady, true);
});

test('a browser that does not read is dropped, and delays nobody', async (t) => {
  const { service, url } = await startService(t, server.port);
  const reader = await openStream(t, `${url}/events/news`);
  const lazy = net.connect({ host: '127.0.0.1', port: service.port });
  t.after(() => lazy.destroy());
  lazy.write('GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [head] = await once(lazy, 'data');
  assert.match(String(head), /^HTTP\/1\.1 200 /);
  lazy.pause();
  await settle(url);
  const client = await connectClient(t, server.port);
  const large = 'x'.repeat(512 * 1024);
  const count = 64;
  for (let number = 0; number < count; number += 1) {
    client.publish('news', { number, large });
    assert.equal((await reader.next()).data.number, number);
  }
  let octets = 0;
  lazy.on('data', (chunk) => (octets += chunk.length));
  lazy.on('error', () => {}); // it may be reset
  lazy.resume();
  await until(() => lazy.closed, 'the end of the lazy browser');
  assert.ok(octets < count * large.length, `the lazy browser was sent all ${octets} octets`);
  client.publish('news', { number: 'last' });
  assert.equal((await reader.next()).data.number, 'last');
});

test('an idle stream has comments, and the timer ends with the last stream', async (t) => {
  const streams = [];
  const { client, url } = await serveApp(t, server.port, (app, ipc) => {
    app.get('/events', serverSentEvents(ipc, { channel: 'news', heartbeatInterval: 20, resumeTime: 0 }));
  });
  await client.connect();
  for (let count = 0; count < 2; count += 1) {
    const stream = await openStream(t, `${url}/events`);
    streams.push(stream);
    assert.deepEqual(await stream.next(), { comment: 'heartbeat' });
    assert.deepEqual(await stream.next(), { comment: 'heartbeat' });
  }
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const most = timers();
  for (const stream of streams) stream.close();
  await until(() => client.getConnectionInfo().subscribedChannels.length === 0, 'the end of the streams');
  assert.equal(timers(), most - 1);
  const later = await openStream(t, `${url}/events`);
  assert.deepEqual(await later.next(), { comment: 'heartbeat' });
});

test('stream of a fixed channel needs no parameter and is not bound by what is reserved', async (t) => {
  const { client, url } = await serveApp(t, server.port, (app, ipc) => {
    app.get('/discovery', serverSentEvents(ipc, { channel: 'service_discovery' }));
  });
  await client.connect();
  assert.deepEqual((await openStream(t, `${url}/discovery`)).first, { retry: '2000', ...UP });
  assert.deepEqual(client.getConnectionInfo().subscribedChannels, ['service_discovery']);
});

/** Which channels browsers may listen to, and what they are told otherwise. */
const REFUSED = {
  system: [{}, 403, 'forbidden'],
  service_discovery: [{}, 403, 'forbidden'],
  'queue:email': [{}, 403, 'forbidden'],
  news: [{ channels: ['other', 'system'] }, 403, 'forbidden'],
  'a%00b': [{}, 400, 'invalid_message'],
  '%ff': [{}, 400, 'bad_request'],
};
for (const [channel, [options, status, code]] of Object.entries(REFUSED)) {
  test(`stream of the channel ${channel} is refused with ${status}`, async (t) => {
    const { service, url } = await startService(t, server.port, options);
    const answer = await ask(`${url}/events/${channel}`);
    assert.deepEqual([answer.status, answer.body.code], [status, code]);
    assert.deepEqual(service.client.getConnectionInfo().subscribedChannels, []);
  });
}

test('channel on the allow list is streamed, also one that is reserved', async (t) => {
  const { url } = await startService(t, server.port, { channels: ['service_discovery'] });
  assert.deepEqual((await openStream(t, `${url}/events/service_discovery`)).first.event, 'ipc');
});

test('HEAD of a stream has its headers and ends', async (t) => {
  const { service, url } = await startService(t, server.port);
  const request = http.request(`${url}/events/news`, { method: 'HEAD' }).end();
  t.after(() => request.destroy());
  const [response] = await withDeadline(once(request, 'response'), 'the answer');
  response.resume();
  await withDeadline(once(response, 'end'), 'the end of the answer');
  assert.equal(response.headers['content-type'], 'text/event-stream');
  assert.deepEqual(service.client.getConnectionInfo().subscribedChannels, []);
});

test('close ends all streams, and further ones get 503', async (t) => {
  let events;
  const { client, url } = await serveApp(t, server.port, (app, ipc) => {
    events = serverSentEvents(ipc);
    app.get('/:channel', events);
  });
  await client.connect();
  const streams = [await openStream(t, `${url}/a`), await openStream(t, `${url}/b`)];
  events.close();
  for (const stream of streams) {
    assert.deepEqual(await stream.next(), { ended: true });
    assert.equal(stream.response.complete, true);
  }
  const { status, body } = await ask(`${url}/a`);
  assert.deepEqual([status, body.code], [503, 'stopping']);
  await until(() => client.getConnectionInfo().subscribedChannels.length === 0, 'the end of the subscriptions');
});
