'use strict';

// The package as users get it: packed, installed into an empty folder, and used as the documentation of the first
// client of this protocol (its Quick Start is fixtures/quick-start.txt) taught its users to.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const manifest = require('../package.json');
const { makeFolder } = require('./folder');
const { install, runProgram } = require('./packed');
const { startServer } = require('./reference');
const { test } = require('./runner');

const run = promisify(execFile);
const QUICK_START = fs.readFileSync(path.join(__dirname, 'fixtures', 'quick-start.txt'), 'utf8');
const REQUIRE = "const { IPCClient } = require('@ifesol/ipc-framework-nodejs');";
const IMPORT = "import { IPCClient } from '@ifesol/ipc-framework-nodejs';";
const IMPORT_DEFAULT = "import ipc from '@ifesol/ipc-framework-nodejs';\nconst { IPCClient } = ipc;";

/** The Quick Start for this package, and for a server on another port. */
function adapted(source, port) {
  return source.replace('@ifesol/ipc-framework-nodejs', manifest.name).replace('8888', String(port));
}

test('packed package has what users need and nothing else, works by require and by import', async (t) => {
  const folder = makeFolder(t);
  const files = await install(folder);
  const parts = ['address', 'advice', 'arguments', 'candidates', 'client', 'connection', 'deadline', 'diagnostics'];
  const further = ['encoding', 'events', 'forgotten-connect', 'handler-runs', 'message-stream', 'messenger'];
  const more = ['envelope', 'errors', 'framing', 'handlers', 'heartbeat', 'identity', 'linger', 'link', 'nesting'];
  const others = ['outstanding', 'reconnector', 'security', 'socket', 'subscriptions', 'index', 'similar-options'];
  const modules = [...parts, ...further, ...more, ...others].map((name) => `client/${name}.js`);
  const entry = ['client/index.mjs', 'client/index.d.ts', 'client/index.d.mts'];
  const driver = ['driver.js', 'driver/load.js', 'driver/normalize.js', 'driver/client-under-test.js'];
  const inExpress = ['arguments.js', 'channels.js', 'errors.js', 'events.js', 'listener.js', 'middleware.js'];
  const furtherInExpress = ['answers.js', 'origin.js', 'routers.js', 'service.js', 'state.js', 'index.js'];
  const page = ['example.js', 'example.html', 'README.md'];
  const othersInExpress = ['history.js', 'index.mjs', 'index.d.ts', 'index.d.mts', ...page];
  const express = [...inExpress, ...furtherInExpress, ...othersInExpress].map((name) => `express/${name}`);
  const inPatterns = [
    'answers', 'batcher', 'cache', 'circuit-breaker', 'connection-pool', 'connector', 'data-processor',
    'directory', 'load-balanced-client', 'message-queue', 'microservice-client', 'options',
    'performant-client', 'queue-manager', 'quiet', 'queue-worker', 'request-key', 'retry', 'robust-client',
    'shared-requests', 'waiting-line',
  ].map((name) => `${name}.js`);
  const atTheirDoor = ['index.js', 'index.mjs', 'index.d.ts', 'index.d.mts', 'README.md'];
  const patterns = [...inPatterns, ...atTheirDoor].map((name) => `patterns/${name}`);
  const about = ['LICENSE', 'README.md', 'package.json'];
  assert.deepEqual(files.sort(), [...modules, ...entry, ...driver, ...express, ...patterns, ...about].sort());
  assert.equal(manifest.dependencies, undefined);

  const { output: same } = await runProgram(
    folder,
    'same.mjs',
    `import ipc, { IPCClient, IPCError } from '${manifest.name}';
     import { createRequire } from 'module';
     const required = createRequire(import.meta.url)('${manifest.name}');
     console.log(required === ipc, required.IPCClient === IPCClient, ipc.IPCError === IPCError);
     await import('${manifest.name}/client/framing.js').catch((error) => console.log(error.code));`,
  );
  assert.equal(same, 'true true true\nERR_PACKAGE_PATH_NOT_EXPORTED\n');

  const installed = path.join(folder, 'node_modules', manifest.name, 'driver.js');
  const { stdout } = await run(process.execPath, [installed, '--help']);
  assert.match(stdout, /--package/);
});

test('patterns of the packed package work by require and by import', async (t) => {
  const folder = makeFolder(t);
  await install(folder);
  const { output } = await runProgram(
    folder,
    'patterns.mjs',
    `import patterns, * as named from '${manifest.name}/patterns';
     import { createRequire } from 'module';
     const required = createRequire(import.meta.url)('${manifest.name}/patterns');
     const { default: _, ...classes } = named;
     console.log(required === patterns, Object.entries(classes).every(([name, value]) => required[name] === value));
     console.log(Object.keys(classes).length === Object.keys(required).length);
     await import('${manifest.name}/patterns/retry.js').catch((error) => console.log(error.code));`,
  );
  assert.equal(output, 'true true\ntrue\nERR_PACKAGE_PATH_NOT_EXPORTED\n');
});

test('Quick Start of the first client runs as typed, by require and by import', async (t) => {
  const server = await startServer({ options: ['--handlers', 'reference_server.examples'] });
  t.after(() => server.stop());
  const folder = makeFolder(t);
  await install(folder);
  const programs = {
    'quick-start.js': QUICK_START,
    'quick-start.mjs': QUICK_START.replace(REQUIRE, IMPORT),
    'quick-start-default.mjs': QUICK_START.replace(REQUIRE, IMPORT_DEFAULT),
  };
  for (const [name, source] of Object.entries(programs)) {
    const { output, problems } = await runProgram(folder, name, adapted(source, server.port));
    const lines = output.split('\n');
    assert.equal(problems, '', name);
    assert.equal(lines[0], '✅ Connected to Python server via TCP', name);
    assert.match(output, /📥 API Response: \{\s+users: \[\s+\{\s+id: 121,\s+name: 'Grace Hopper'/, name);
    assert.deepEqual(lines.slice(-2), ['📡 Disconnected from Python server', ''], name);
  }
});

test('Quick Start says what is wrong when there is no server, and ends', async (t) => {
  const folder = makeFolder(t);
  await install(folder);
  const { output, problems } = await runProgram(folder, 'quick-start.js', adapted(QUICK_START, 1));
  assert.equal(output, '');
  assert.match(problems, /^❌ Connection error: connection failed: .*ECONNREFUSED/);
  assert.match(problems, /❌ Error: Failed to connect to Python server\n$/);
});
