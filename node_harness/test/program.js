'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { withDeadline } = require('./helper');

const CLIENT = path.join(__dirname, '..', 'client');

/** Run a program that has `IPCClient` and `port`, and collect what it prints. */
function program(t, port, source, nodeArguments = [], env = {}) {
  const prelude = `const { IPCClient } = require(${JSON.stringify(CLIENT)}); const port = ${port};`;
  const child = spawn(process.execPath, [...nodeArguments, '-e', `${prelude}(async () => {${source}})()`], {
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = once(child, 'close').then(([status]) => ({ status, output: output.trim() }));
  return { child, ended: withDeadline(ended, 'the end of the program') };
}

module.exports = { program };
