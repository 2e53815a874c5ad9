'use strict';

// The package as users get it: packed, and installed into a folder.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');

const run = promisify(execFile);
const PACKAGE = path.join(__dirname, '..');

/** Install the packed package into a folder, and return the files that were packed. */
async function install(folder) {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: PACKAGE });
  const [{ filename, files }] = JSON.parse(stdout);
  fs.writeFileSync(path.join(folder, 'package.json'), '{"private": true}');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${filename}`], { cwd: folder });
  return files.map((file) => file.path);
}

/** Run a program in a folder; it has to end by itself, with status 0. */
async function runProgram(folder, name, source, ...programArguments) {
  const file = path.join(folder, name);
  fs.writeFileSync(file, source);
  const { stdout, stderr } = await run(process.execPath, [file, ...programArguments], { cwd: folder, timeout: 10000 });
  return { output: stdout, problems: stderr };
}

module.exports = { install, runProgram };
