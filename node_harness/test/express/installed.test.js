'use strict';

// The Express part of the package as users get it: packed, and installed next to Express.

const { ask, startExamples, until } = require('./helper');
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { name } = require('../../package.json');
const { makeFolder } = require('../folder');
const { install, runProgram } = require('../packed');
const { freePort } = require('../reference');
const { test } = require('../runner');

const EXPRESS = path.dirname(require.resolve('express/package.json'));

/** Install the packed package below a hidden folder, as pnpm does, and Express next to it when it is wanted. */
async function installWithExpress(t, wanted = true) {
  const folder = path.join(makeFolder(t), '.hidden');
  fs.mkdirSync(folder);
  await install(folder);
  if (wanted) fs.symlinkSync(EXPRESS, path.join(folder, 'node_modules', 'express'), 'dir');
  return folder;
}

test('Express part is there by require and by import, and uses the same client', async (t) => {
  const folder = await installWithExpress(t);
  const { output, problems } = await runProgram(
    folder,
    'same.mjs',
    `import integration, { IPCExpressService, serverSentEvents } from '${name}/express';
     import { createRequire } from 'module';
     import { IPCClient } from '${name}';
     const required = createRequire(import.meta.url)('${name}/express');
     console.log(required === integration, required.IPCExpressService === IPCExpressService);
     console.log(Object.keys(required).join());
     console.log(new IPCExpressService().client instanceof IPCClient, typeof serverSentEvents);`,
  );
  const handlers = 'health,hostGuard,ipcErrors,ipcMiddleware,ipcProxy,requireIpc,serverSentEvents,status,usersRouter';
  assert.equal(problems, '');
  assert.equal(output, `true true\nIPCExpressService,${handlers}\ntrue function\n`);
});

test('client works without Express, and its Express part says what is missing', async (t) => {
  const folder = await installWithExpress(t, false);
  const { output } = await runProgram(
    folder,
    'without.js',
    `console.log(typeof require('${name}').IPCClient);
     try { require('${name}/express'); } catch (error) { console.log(error.code, error.message.split('\\n')[0]); }`,
  );
  assert.equal(output, "function\nMODULE_NOT_FOUND Cannot find module 'express'\n");
});

test('example program runs from the installed package', async (t) => {
  const server = await startExamples();
  t.after(() => server.stop());
  const folder = await installWithExpress(t);
  const port = await freePort();
  const environment = { ...process.env, IPC_HOST: '127.0.0.1', IPC_PORT: String(server.port), PORT: String(port) };
  const file = path.join('node_modules', name, 'express', 'example.js');
  const stdio = ['ignore', 'pipe', 'inherit'];
  const child = spawn(process.execPath, [file], { cwd: folder, env: environment, stdio });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  await until(() => output.includes('open '), 'the start of the program');
  assert.equal((await ask(`http://127.0.0.1:${port}/api/users`)).body.users.length, 3);
  assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /EventSource/);
});
