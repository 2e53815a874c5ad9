'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** Make a folder for the time of a test, with files whose contents are text or values for JSON. */
function makeFolder(t, files = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ipc-harness-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

module.exports = { makeFolder };
