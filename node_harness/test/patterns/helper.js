'use strict';

const path = require('node:path');
const { startServer } = require('../reference');
const { withDeadline } = require('../helper');

const HANDLERS = ['--handlers', path.join(__dirname, '..', 'fixtures', 'patterns.py')];

let shared = null;

/** The reference server that the tests of one file share; it ends with the process. */
function sharedServer(options = []) {
  shared ??= startServer({ options: [...HANDLERS, ...options] }).then((server) => {
    server.unref();
    process.on('exit', server.stop);
    return server;
  });
  return shared;
}

/** A reference server for one test, which can stop it and then start it again. */
async function ownServer(t, options = []) {
  const settings = { options: [...HANDLERS, ...options] };
  let running = await startServer(settings);
  const { port } = running;
  t.after(() => running.kill());
  return {
    port,
    stop: () => running.kill(),
    restart: async () => (running = await startServer({ ...settings, port })),
  };
}

/** Wait until something is so; for what no promise and no event tells of. */
async function until(isSo, what) {
  let waiting = true;
  const poll = async () => {
    while (waiting && !(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await withDeadline(poll(), what).finally(() => (waiting = false));
}

/** A promise and the functions that settle it. */
function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

module.exports = { deferred, ownServer, sharedServer, until };
