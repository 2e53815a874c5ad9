'use strict';

if (Number(process.versions.node.split('.')[0]) < 18) {
  throw new Error('Express 5 needs Node 18 or later; npm run test:client runs the tests that do not use it');
}

const { once } = require('node:events');
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');
const express = require('express');
const { IPCClient } = require('../../client');
const { IPCExpressService } = require('../../express');
const { withDeadline } = require('../helper');
const { startServer } = require('../reference');
const { replace } = require('../runner');

/** Longer than anything takes that works. */
const DEADLINE_MS = 10000;

/** The application that has the responder's handlers beside those of the examples. */
const APP = 'conformance';

/** Start a reference server with the example handlers. */
function startExamples(settings = {}) {
  const options = ['--handlers', 'reference_server.examples', ...(settings.options ?? [])];
  return startServer({ ...settings, options });
}

/** Start a service for the time of a test; returns it and the URL in front of its paths. */
async function startService(t, port, options = {}) {
  const client = { host: '127.0.0.1', port, reconnectDelay: 20, ...options.client };
  const service = new IPCExpressService({ appId: APP, ...options, client });
  t.after(() => service.stop());
  await service.start(0, '127.0.0.1');
  return { service, url: `http://127.0.0.1:${service.port}` };
}

/** Make a client that outlives any restart of its server. */
function makeClient(port) {
  return new IPCClient(APP, { host: '127.0.0.1', port, reconnectDelay: 20, reconnectAttempts: 10000 });
}

/** Serve an Express app of a test's own, with a client, for the time of the test. */
async function serveApp(t, port, build) {
  const client = makeClient(port);
  t.after(() => client.disconnect());
  const app = express();
  build(app, client);
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { client, url: `http://127.0.0.1:${server.address().port}` };
}

/** A client beside the service, in the same application. */
async function connectClient(t, port) {
  const client = makeClient(port);
  t.after(() => client.disconnect());
  if (!(await client.connect())) throw new Error('the client did not connect');
  return client;
}

/** Send a request, with `json` as the body of a POST when it is given, and read the JSON answer. */
async function ask(url, { json, ...options } = {}) {
  const sent = json === undefined ? {} : { method: 'POST', body: JSON.stringify(json) };
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(DEADLINE_MS), ...sent, ...options });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Wait until something becomes true. */
async function until(condition, what) {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${DEADLINE_MS} ms`);
    await sleep(10);
  }
}

function parse(block) {
  const event = {};
  for (const line of block.split('\n')) {
    const [, name, value] = /^([a-z]*): ?(.*)$/s.exec(line);
    event[name || 'comment'] = value;
  }
  const { id, ...rest } = event;
  const parsed = rest.data === undefined ? rest : { ...rest, data: JSON.parse(rest.data) };
  // Ids begin at random; those who compare events do not see them.
  return Object.defineProperty(parsed, 'id', { value: id, enumerable: false });
}

/** An event stream as a browser has it; `next` waits for the next event that is not `ipc` unless told otherwise. */
class Stream {
  #rest = '';
  #events = [];
  #wake = () => {};
  ended = false;

  constructor(response) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (text) => this.#receive(text));
    response.on('error', () => {}); // 'close' follows
    response.on('close', () => {
      this.ended = true;
      this.#wake();
    });
  }

  #receive(text) {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop();
    this.#events.push(...blocks.map(parse));
    this.#wake();
  }

  async next() {
    const deadline = sleep(DEADLINE_MS, 'late', { ref: false });
    while (this.#events.length === 0) {
      if (this.ended) return { ended: true };
      const woken = new Promise((resolve) => (this.#wake = resolve));
      if ((await Promise.race([woken, deadline])) === 'late') throw new Error('no event came');
    }
    return this.#events.shift();
  }

  /** Wait for the next event of a kind and throw others away. */
  async nextWith(member) {
    for (;;) {
      const event = await this.next();
      if (event.ended || member in event) return event;
    }
  }

  close() {
    this.response.destroy();
  }
}

/** Open an event stream; its first event has been read. */
async function openStream(t, url, headers = {}) {
  const request = http.get(url, { headers });
  t.after(() => request.destroy());
  const [response] = await withDeadline(once(request, 'response'), 'the answer');
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  const stream = new Stream(response);
  stream.first = await stream.next();
  return stream;
}

/** Return a list that has every HTTP server which is created from now on, for the time of a test. */
function createdServers(t) {
  const created = [];
  const original = http.createServer;
  replace(t, http, 'createServer', (...parameters) => {
    created.push(original(...parameters));
    return created.at(-1);
  });
  return created;
}

module.exports = { APP, ask, connectClient, createdServers, openStream, serveApp, startExamples, startService, until };
