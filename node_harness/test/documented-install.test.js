'use strict';

// The commands with which the documentation installs the package, in an empty folder, and a further installation.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { makeFolder } = require('./folder');
const { test } = require('./runner');

const run = promisify(execFile);
const PACKAGE = path.join(__dirname, '..');
const NAME = require('../package.json').name;

/** Packages without contents, so that nothing has to be downloaded. */
const OTHERS = {
  'express/package.json': { name: 'express', version: '5.9.9' },
  'express/index.js': 'module.exports = () => {};',
  'other/package.json': { name: 'other', version: '1.0.0' },
};

/** Return the words of the npm commands that a page documents, for this checkout. */
function documentedCommands(page) {
  const text = fs.readFileSync(path.join(PACKAGE, page), 'utf8');
  const [block] = text.match(/```sh\n[^`]*npm [^`]*```/);
  const lines = block.split('\n').filter((line) => line.startsWith('npm '));
  return lines.map((line) => line.replace('path/to/ipc-conformance/node_harness', PACKAGE).split(' ').slice(1));
}

for (const page of ['README.md', 'express/README.md']) {
  test(`package installed as ${page} says stays usable after the next npm install`, async (t) => {
    const others = makeFolder(t, OTHERS);
    const folder = makeFolder(t);
    const npm = (...words) => run('npm', [...words, '--offline', '--no-audit', '--no-fund'], { cwd: folder });
    for (const words of documentedCommands(page)) {
      await npm(...words.map((word) => (word === 'express' ? path.join(others, 'express') : word)));
    }
    await npm('install', path.join(others, 'other'));
    const place = fs.realpathSync(path.join(folder, 'node_modules', NAME));
    assert.equal(place, path.join(fs.realpathSync(folder), 'node_modules', NAME));
    if (page === 'express/README.md') require.resolve('express', { paths: [place] });
  });
}
