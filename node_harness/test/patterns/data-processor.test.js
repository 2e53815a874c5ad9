'use strict';

const assert = require('node:assert/strict');
const { IPCClient } = require('../../client');
const { DataProcessor } = require('../../patterns');
const { acceptAgain, acknowledgement, message, response, scriptedServer } = require('../helper');
const { test } = require('../runner');
const { sharedServer, until } = require('./helper');

let applications = 0;

/** A processor, and a client of its application that publishes items and sees the outcomes. */
async function makePipeline(t, options = {}) {
  const { port } = await sharedServer();
  applications += 1;
  const appId = options.appId ?? `pipeline ${applications}`;
  const address = { host: '127.0.0.1', port };
  const processor = new DataProcessor({ ...address, appId, ...options });
  t.after(() => processor.stop());
  const user = new IPCClient(options.appId ?? appId, address);
  t.after(() => user.disconnect());
  const results = [];
  const errors = [];
  user.subscribe('processed_data', ({ payload }) => results.push(payload));
  user.subscribe('errors', ({ payload }) => errors.push(payload));
  assert.equal(await user.connect(), true);
  await processor.start();
  assert.ok(await processor.client.healthCheck()); // its subscription is there
  return { processor, user, results, errors };
}

/** A processor whose connection is the test's. */
async function makeScripted(t, options = {}, acknowledged = {}) {
  const server = await scriptedServer(t);
  const processor = new DataProcessor({ host: '127.0.0.1', port: server.port, reconnectAttempts: 0, ...options });
  const reported = [];
  processor.onError((error) => reported.push(error));
  const started = processor.start();
  const peer = await server.accept();
  await peer.receive();
  peer.send(acknowledgement(acknowledged));
  await started;
  assert.equal((await peer.receive()).message_type, 'subscribe');
  return { processor, peer, reported };
}

const item = (id, data = id) => message('publish', 'raw_data', { id, data });

test('items are processed and their results published', async (t) => {
  const { user, results, errors } = await makePipeline(t);
  const before = Date.now();
  user.publish('raw_data', { id: 7, data: [1, 2] });
  await until(() => results.length === 1, 'the result');
  const [{ id, result, processed_at: at }] = results;
  const options = { algorithm: 'advanced', validate: true };
  assert.deepEqual({ id, result }, { id: 7, result: { action: 'process_data', data: [1, 2], options } });
  assert.ok(at >= before && at <= Date.now());
  assert.deepEqual(errors, []);
});

test('items that fail are published as errors, and say nothing of the result', async (t) => {
  const { user, results, errors } = await makePipeline(t, { processing: { algorithm: 'simple' } });
  for (const [id, data] of [[1, 'good'], [2, 'bad'], ['three', 'good']]) user.publish('raw_data', { id, data });
  await until(() => results.length === 2 && errors.length === 1, 'all outcomes');
  assert.deepEqual(results.map(({ id }) => id), [1, 'three']);
  assert.deepEqual(results[0].result.options, { algorithm: 'simple' });
  const [{ id, error, timestamp }] = errors;
  assert.equal(id, 2);
  assert.match(error, /'processor' was answered with handler_failed/);
  assert.ok(Math.abs(timestamp - Date.now()) < 60000);
});

test('what is no item is an error', async (t) => {
  const { user, errors } = await makePipeline(t);
  for (const wrong of [null, 'text', 7, {}, { id: 1 }, { data: 1 }]) user.publish('raw_data', wrong);
  await until(() => errors.length === 6, 'the errors');
  assert.deepEqual(errors.map(({ id }) => id), [null, null, null, null, 1, null]);
  for (const { error } of errors) assert.match(error, /'raw_data' must be an object with id and data/);
});

test('no more items than allowed are processed at a time, and none is lost', async (t) => {
  const { user, results } = await makePipeline(t, { maxConcurrency: 3 });
  for (let id = 0; id < 50; id += 1) user.publish('raw_data', { id, data: id });
  await until(() => results.length === 50, 'the results');
  const matching = results.filter(({ id, result }) => id === result.data).map(({ id }) => id);
  assert.deepEqual(matching.sort((a, b) => a - b), [...Array(50).keys()]);
  const most = (await user.sendRequest('running', {})).payload;
  assert.equal(most, 3);
});

test('items that wait come in their order; one too many is turned away', async (t) => {
  const { peer, processor, reported } = await makeScripted(t, { maxConcurrency: 1, maxWaiting: 2 });
  peer.send(item(1), item(2), item(3), item(4));
  const first = await peer.receive();
  assert.equal(first.payload.data, 1);
  const refused = await peer.receive();
  assert.deepEqual([refused.channel_id, refused.payload.id], ['errors', 4]);
  assert.match(refused.payload.error, /2 items are waiting/);
  peer.send(response(first, 'result 1'));
  for (const id of [2, 3]) {
    const result = await peer.receive();
    assert.deepEqual([result.channel_id, result.payload.result], ['processed_data', `result ${id - 1}`]);
    const next = await peer.receive();
    assert.equal(next.payload.data, id);
    peer.send(response(next, `result ${id}`));
  }
  await peer.receive();
  await processor.stop();
  assert.deepEqual(reported, []);
});

test('an item that is not processed in time is an error', async (t) => {
  const { peer } = await makeScripted(t, { timeout: 5 });
  peer.send(item(1));
  assert.equal((await peer.receive()).channel_id, 'processor');
  const { channel_id: channel, payload } = await peer.receive();
  assert.deepEqual([channel, payload.id], ['errors', 1]);
  assert.match(payload.error, /request timeout/);
});

test('stop finishes the items that are here, also those that wait, and takes no others', async (t) => {
  const { peer, processor } = await makeScripted(t, { maxConcurrency: 1 });
  peer.send(item(1), item(2));
  const first = await peer.receive();
  const stopped = processor.stop();
  assert.equal((await peer.receive()).message_type, 'unsubscribe');
  peer.send(item(3), response(first, 'result 1'));
  assert.equal((await peer.receive()).payload.id, 1);
  const second = await peer.receive();
  peer.send(response(second, 'result 2'));
  assert.deepEqual((await peer.receive()).payload.result, 'result 2');
  await stopped;
  await peer.gone();
  assert.equal(peer.unread, 0);
});

test('result that is too long to be published is an error', async (t) => {
  const limit = 1048576;
  const { peer } = await makeScripted(t, {}, { limits: { max_frame_bytes: limit } });
  peer.send(item(1));
  const request = await peer.receive();
  const answer = response(request, '');
  answer.payload = 'x'.repeat(limit - JSON.stringify(answer).length);
  peer.send(answer);
  const { channel_id: channel, payload } = await peer.receive();
  assert.deepEqual([channel, payload.id], ['errors', 1]);
  assert.match(payload.error, /exceeds the limit/);
});

test('outcome that cannot be published is reported with its item', async (t) => {
  const { peer, processor, reported } = await makeScripted(t);
  peer.send(item('lost'));
  await peer.receive();
  peer.reset();
  await until(() => reported.length === 2, 'the errors');
  const words = /item lost failed \(connection lost.*could not be published: not connected/;
  const lost = reported.find((error) => words.test(error.message));
  assert.equal(lost.code, 'not_connected');
  await processor.stop();
});

test('items are processed again after a lost connection', async (t) => {
  const server = await scriptedServer(t);
  const processor = new DataProcessor({ host: '127.0.0.1', port: server.port, reconnectDelay: 5 });
  t.after(() => processor.stop());
  const started = processor.start();
  const { peer } = await acceptAgain(server);
  await started;
  peer.reset();
  const { peer: next } = await acceptAgain(server);
  assert.deepEqual((await next.receive()).message_type, 'subscribe');
  next.send(item(1));
  const request = await next.receive();
  next.send(response(request, 'done'));
  assert.equal((await next.receive()).payload.result, 'done');
});

test('processor that cannot connect says why, and can be started later', async (t) => {
  const processor = new DataProcessor({ host: '127.0.0.1', port: 1 });
  await assert.rejects(processor.start(), { code: 'connection_failed' });
  assert.deepEqual(processor.client.getConnectionInfo().subscribedChannels, []);
  assert.equal(processor.client.getConnectionInfo().appId, 'data-processor');
  await processor.stop();
  const { processor: other, user, results } = await makePipeline(t);
  await other.stop();
  await other.start();
  assert.ok(await other.client.healthCheck());
  user.publish('raw_data', { id: 1, data: 1 });
  await until(() => results.length === 1, 'the result');
});

test('wrong options are named', () => {
  for (const [options, words] of [
    [null, /options must be an object/],
    [{ maxConcurrency: 0 }, /maxConcurrency must be an integer from 1/],
    [{ maxWaiting: -1 }, /maxWaiting must be an integer from 0/],
    [{ timeout: 0 }, /timeout must be/],
  ]) {
    assert.throws(() => new DataProcessor(options), { name: 'TypeError', message: words });
  }
});
