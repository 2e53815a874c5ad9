'use strict';

// As a program: says which Chromium the tests take, or in one line that there is none.

const fs = require('node:fs');
const path = require('node:path');
const { chromium } = require('playwright-core');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Nothing that Chromium would do by itself belongs into a test. */
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Return where Chromium is: what IPC_TEST_CHROMIUM says, else the first of its usual names on PATH.
 * @throws {Error} there is none
 */
function findChromium() {
  const told = process.env.IPC_TEST_CHROMIUM;
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  const places = told ? [told] : NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  const found = places.find((place) => fs.existsSync(place));
  if (found) return found;
  const where = told ? `at IPC_TEST_CHROMIUM=${told}` : 'on PATH';
  throw new Error(`no Chromium ${where}: install the package chromium, or have IPC_TEST_CHROMIUM name one`);
}

/** Start Chromium for the time of a test, with an empty profile that playwright makes and removes. */
async function launchChromium(t) {
  const browser = await chromium.launch({ executablePath: findChromium(), args: ARGUMENTS });
  t.after(() => browser.close());
  return browser;
}

if (require.main === module) {
  try {
    console.log(findChromium());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

module.exports = { launchChromium };
