'use strict';

// A browser whose connection broke comes back with the id of its last event, and gets what it missed.

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const { serverSentEvents } = require('../../express');
const { History } = require('../../express/history');
const { acceptAgain, connectedPair, message } = require('../helper');
const { replace, test } = require('../runner');
const { openStream, serveApp, until } = require('./helper');

/** An app with streams of a client whose IPC server is scripted. */
async function serveStreams(t, options = {}) {
  const pair = await connectedPair(t);
  let events;
  const { url } = await serveApp(t, 1, (app) => {
    events = serverSentEvents(pair.client, options);
    app.get('/:channel', events);
  });
  const publish = async (channel, ...payloads) => {
    pair.peer.send(...payloads.map((payload) => message('publish', channel, payload)));
    await sleep(20);
  };
  const resume = (channel, id) => openStream(t, `${url}/${channel}`, { 'Last-Event-ID': id });
  return { ...pair, url, events, publish, resume };
}

async function take(stream, count) {
  const events = [];
  while (events.length < count) events.push(await stream.next());
  return events;
}

test('browser that comes back gets the events that it missed, and then the others', async (t) => {
  const { url, publish, resume } = await serveStreams(t);
  const stream = await openStream(t, `${url}/news`);
  assert.deepEqual(stream.first.data, { connected: true });
  await publish('news', 1, 2);
  const [{ id }, { id: later }] = await take(stream, 2);
  assert.match(id, /^[0-9a-f]{8}-\d+$/);
  assert.notEqual(id, later);
  stream.close();
  await publish('news', 3);
  const again = await resume('news', id);
  assert.deepEqual(again.first.data, { connected: true, missed: false });
  await publish('news', 4);
  assert.deepEqual((await take(again, 3)).map(({ data }) => data), [2, 3, 4]);
  assert.deepEqual((await take(await resume('news', later), 2)).map(({ data }) => data), [3, 4]);
});

test('browser whose connection breaks during the replay gets the rest when it comes back', async (t) => {
  const { url, publish, resume } = await serveStreams(t);
  const stream = await openStream(t, `${url}/news`);
  await publish('news', 1, 2, 3);
  const [{ id }] = await take(stream, 3);
  const cut = await resume('news', id);
  assert.deepEqual([cut.first.data.missed, cut.first.id], [false, id]);
  cut.close();
  const again = await resume('news', cut.first.id);
  assert.equal(again.first.data.missed, false);
  const [two] = await take(again, 1);
  assert.deepEqual((await take(await resume('news', two.id), 1)).map(({ data }) => data), [3]);
});

test('browser that has had no event yet misses none either', async (t) => {
  const { url, publish, resume } = await serveStreams(t);
  await openStream(t, `${url}/other`);
  await publish('other', 'x');
  const stream = await openStream(t, `${url}/news`);
  stream.close();
  await publish('news', 1);
  const again = await resume('news', stream.first.id);
  assert.deepEqual([again.first.data.missed, (await again.next()).data], [false, 1]);
});

test('browser that comes back too late, from elsewhere, or after a loss is told that it missed events', async (t) => {
  const { client, server, peer, url, publish, resume, nextConnected } = await serveStreams(t, { resumeTime: 1 });
  const stream = await openStream(t, `${url}/news`);
  stream.close();
  await until(() => client.getConnectionInfo().subscribedChannels.length === 0, 'the end of the subscription');
  const late = await resume('news', stream.first.id);
  assert.deepEqual(late.first.data, { connected: true, missed: true });
  for (const id of ['00000000-0', 'x', '', `${late.first.id}0000000`]) {
    assert.equal((await resume('news', id)).first.data.missed, true);
  }
  await publish('news', 1);
  const { id } = await late.next();
  assert.equal((await resume('news', id)).first.data.missed, false);
  peer.end();
  await acceptAgain(server);
  await nextConnected();
  assert.equal((await resume('news', id)).first.data.missed, true);
});

test('browser that first came while the IPC server was away is told that it missed events', async (t) => {
  const { server, peer, client, url, resume, nextConnected } = await serveStreams(t);
  peer.end();
  await until(() => !client.connected, 'the loss');
  const stream = await openStream(t, `${url}/news`);
  assert.deepEqual(stream.first.data, { connected: false });
  const other = await openStream(t, `${url}/news`);
  stream.close();
  await acceptAgain(server);
  await nextConnected();
  assert.deepEqual((await resume('news', stream.first.id)).first.data, { connected: true, missed: true });
  // Who was there has been told to load everything, and has missed nothing since.
  const restored = await other.next();
  assert.deepEqual(restored.data, { connected: true });
  assert.equal((await resume('news', restored.id)).first.data.missed, false);
});

test('streams that are closed leave no handler with the client', async (t) => {
  const { client } = await connectedPair(t);
  const handlers = new Set();
  for (const name of ['onConnected', 'onDisconnected', 'on', 'once']) {
    const original = client[name].bind(client);
    replace(t, client, name, (...values) => {
      handlers.add(values.at(-1));
      return original(...values);
    });
  }
  const off = client.off.bind(client);
  replace(t, client, 'off', (event, handler) => {
    handlers.delete(handler);
    return off(event, handler);
  });
  const events = serverSentEvents(client);
  assert.equal(handlers.size, 2);
  events.close();
  assert.equal(handlers.size, 0);
});

test('a channel without browsers is kept for a while, and few of them', async (t) => {
  const { client, url, events } = await serveStreams(t, { resumeTime: 60000 });
  const channels = () => client.getConnectionInfo().subscribedChannels;
  for (let number = 0; number < 40; number += 1) (await openStream(t, `${url}/c${number}`)).close();
  await until(() => channels().length === 32, 'the end of some subscriptions');
  events.close();
  assert.deepEqual(channels(), []);
});

test('history is bounded in number and octets', () => {
  const history = new History(0);
  for (let number = 1; number <= 300; number += 1) history.add(number, Buffer.from('x'));
  assert.deepEqual([history.since(43), history.since(44).length, history.since(299).length], [null, 256, 1]);
  history.add(301, Buffer.alloc(100 * 1024));
  history.add(302, Buffer.alloc(100 * 1024));
  assert.deepEqual([history.since(300), history.since(301).length], [null, 1]);
  history.add(303, Buffer.alloc(200 * 1024));
  assert.deepEqual([history.since(302), history.since(303)], [null, []]);
});
