'use strict';

// Starts a driver, gives it commands, and checks each of its lines against the schema.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { EventEmitter, once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const Ajv = require('ajv/dist/2020').default;
const { withDeadline } = require('./helper');

const DRIVER = path.join(__dirname, '..', 'driver.js');
const SCHEMAS = path.join(__dirname, '..', '..', 'schemas');

function readSchema(name) {
  return JSON.parse(fs.readFileSync(path.join(SCHEMAS, name), 'utf8'));
}

const schemas = new Ajv({ strict: false, schemas: [readSchema('common.schema.json')] });
const validate = schemas.compile(readSchema('tools/driver-event.schema.json'));
const isCommand = schemas.compile(readSchema('tools/driver-command.schema.json'));

function parseLine(line) {
  const value = JSON.parse(line);
  assert.ok(validate(value), `${line} breaks the schema: ${schemas.errorsText(validate.errors)}`);
  return value;
}

/** Start the driver; `answer` obtains the line with an id, `event` the next line with an event of a kind. */
function startDriver(t, { nodeArguments = [], driverArguments = [], cwd } = {}) {
  const child = spawn(process.execPath, [...nodeArguments, DRIVER, ...driverArguments], { cwd });
  t.after(() => child.kill('SIGKILL'));
  const closed = once(child, 'close').then(([status]) => status);
  const lines = [];
  const problems = [];
  const arrived = new EventEmitter();
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    try {
      lines.push(parseLine(line));
    } catch (problem) {
      problems.push(problem);
    }
    arrived.emit('line');
  });
  let errorOutput = '';
  child.stderr.on('data', (text) => (errorOutput += text));
  const find = async (isWanted) => {
    for (;;) {
      if (problems.length > 0) throw problems[0];
      const at = lines.findIndex(isWanted);
      if (at >= 0) return lines.splice(at, 1)[0];
      await once(arrived, 'line');
    }
  };
  const write = (line) => child.stdin.write(`${line}\n`);
  let id = 0;
  return {
    child,
    lines,
    write,
    errorOutput: () => errorOutput,
    ended: () => withDeadline(closed, 'the end of the driver'),
    answer: (wanted) => withDeadline(find((line) => line.id === wanted), `the answer to ${wanted}`),
    event: (kind) => withDeadline(find((line) => line.event === kind), `the event ${kind}`),
    async command(command, members = {}) {
      id += 1;
      write(JSON.stringify({ id, command, ...members }));
      return this.answer(id);
    },
  };
}

module.exports = { isCommand, startDriver };
