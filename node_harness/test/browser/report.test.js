'use strict';

// The HTML report of the kit in a real browser: its parts work, and axe finds nothing to complain about.

const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { test } = require('../runner');
const { launchChromium } = require('./chromium');
const { DEADLINE_MS, SIZES, checkWidth, complaints, openWatched } = require('./watched');

const ROOT = path.join(__dirname, '..', '..', '..');
const PYTHON = process.env.IPC_TEST_PYTHON ?? 'python3';

const LONG_NAME = 'very_long_name_'.repeat(40);

/** Run the kit; its status is not judged, since the servers of these tests do not conform. */
function kit(...args) {
  const options = { cwd: ROOT, encoding: 'utf8', timeout: DEADLINE_MS };
  return spawnSync(PYTHON, ['-m', 'conformance', ...args], options);
}

/**
 * Test a server without error answers and the reference server; return the report with the run of the former twice, and
 * with a long name of the latter.
 */
function makeReport() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ipc-report-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true }));
  const servers = ['tests/helpers/lacking_server.py errors', '-m reference_server --responder'];
  const [lacking, reference] = servers.map((server, index) => {
    const results = path.join(folder, `${index}.json`);
    const cases = ['--case', 'errors/*-is-not-fatal', '--case', 'framing/length-zero*'];
    const found = kit('run', '--server-cmd', `${PYTHON} ${server} --port {port}`, ...cases, '--json', results);
    assert.ok(fs.existsSync(results), found.stdout + found.stderr);
    return results;
  });
  const content = JSON.parse(fs.readFileSync(reference, 'utf8'));
  content.target.name = LONG_NAME;
  fs.writeFileSync(reference, JSON.stringify(content));
  const page = path.join(folder, 'report.html');
  execFileSync(PYTHON, ['-m', 'conformance', 'report', lacking, reference, lacking, '--html', page], { cwd: ROOT });
  return pathToFileURL(page).href;
}

let made;

/** Return the URL of the report, which the first test makes. */
function report() {
  made ??= makeReport();
  return made;
}

/** Open the report; axe, which the page's own policy would not let in, needs `bypassCSP`. */
async function openReport(browser, url, options) {
  const opened = await openWatched(browser, url, options, ['file:', 'blob:']);
  await opened.page.locator('html[data-ready]').waitFor();
  return opened;
}

test('the parts of the report work', async (t) => {
  const { page, problems } = await openReport(await launchChromium(t), report(), { viewport: SIZES.desktop });
  await page.locator('.verdicts a').first().click();
  assert.match(await page.locator('#target-0').innerText(), /no error answers/);
  assert.match(await page.locator('#changes').innerText(), /fail as before/);

  await page.locator('#requirement-filter [name=text]').fill('ERR-005');
  assert.equal(await page.locator('.requirements tbody tr:visible').count(), 1);

  await page.locator('.chapters a', { hasText: /\d/ }).first().click();
  const ids = await page.locator('#case-list a').allInnerTexts();
  assert.ok(ids.length > 0 && ids.every((each) => each.startsWith('errors/')), ids.join());
  await page.locator('#case-filter [name=verdict]').selectOption('known');
  assert.equal(await page.locator('#case-list a').count(), 0);
  await page.locator('#case-filter [name=verdict]').selectOption('unexpected');
  assert.ok((await page.locator('#case-list a').count()) > 0);

  await page.locator('#case-filter [name=verdict]').selectOption('fail');
  const failed = page.locator('#case-list a').first();
  const id = await failed.innerText();
  await failed.click();
  assert.equal(await page.locator('#case h1').innerText(), id);
  assert.ok((await page.title()).startsWith(id));
  assert.match(await page.locator('#case .again code').innerText(), /ipc-conformance run .*--case/);
  assert.ok((await page.locator('#case .wire .hex mark').count()) > 0);
  assert.match(await page.locator('#case').innerText(), /Other targets/);
  await page.goBack();
  assert.ok(await page.locator('#report').isVisible());

  await page.locator('#case').waitFor({ state: 'hidden' });
  assert.doesNotMatch(await page.title(), /\//);

  await page.keyboard.press('Tab');
  assert.equal(await page.locator(':focus').count(), 1);
  assert.deepEqual(problems, []);
});

test('an address leads to its part, each time it is asked for, and a strange one to nothing', async (t) => {
  const { page, problems } = await openReport(await launchChromium(t), report(), { viewport: SIZES.desktop });
  const visit = (hash) => page.evaluate((text) => {
    globalThis.location.hash = text;
    return new Promise((done) => { setTimeout(done, 100); });
  }, hash);
  for (const strange of ['%', 'case=0:%', 'case=99:a/1', 'case=0:constructor', 'cases=99:']) await visit(strange);
  await visit('case=0:constructor');
  assert.equal(await page.locator('#case h1').innerText(), 'No such case');

  await visit('overview');
  const link = page.locator('.chapters a').first();
  await link.click();
  const all = await page.locator('#case-list a').count();
  await page.locator('#case-filter [name=text]').fill('no such case');
  assert.equal(await page.locator('#case-list a').count(), 0);
  await link.click();
  assert.equal(await page.locator('#case-list a').count(), all);

  await page.locator('#runs summary').first().waitFor();
  await visit('target-0');
  assert.ok(await page.locator('#target-0 .verdict').isVisible());
  assert.ok(await page.locator('#unready').isHidden());
  assert.deepEqual(problems, []);
});

test('without the script, the report says so and has its tables', async (t) => {
  const browser = await launchChromium(t);
  const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await page.goto(report());
  assert.ok(await page.locator('#unready').isVisible());
  assert.equal(await page.locator('form:visible').count(), 0);
  assert.ok(await page.locator('.chapters').first().isVisible());
});

for (const [name, options] of Object.entries({
  'in light colours': { viewport: SIZES.desktop, colorScheme: 'light' },
  'in dark colours': { viewport: SIZES.desktop, colorScheme: 'dark' },
  'on a phone': { viewport: SIZES.phone },
})) {
  test(`the report is accessible ${name}, and not wider than its window`, async (t) => {
    const browser = await launchChromium(t);
    const { page, problems } = await openReport(browser, report(), { bypassCSP: true, ...options });
    await checkWidth(page, options.viewport);
    assert.deepEqual(await complaints(page), []);
    await page.locator('#case-filter [name=verdict]').selectOption('fail');
    await page.locator('#case-list a').first().click();
    await checkWidth(page, options.viewport);
    assert.deepEqual(await complaints(page), []);
    await page.locator('#case li a', { hasText: 'very_long_name' }).click();
    await checkWidth(page, options.viewport);
    assert.deepEqual(problems, []);
  });
}
