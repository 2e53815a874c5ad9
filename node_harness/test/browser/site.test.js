'use strict';

// The site of the specification from disk: its search finds ids, and axe finds nothing to complain about.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { test } = require('../runner');
const { launchChromium } = require('./chromium');
const { SIZES, checkWidth, complaints, openWatched } = require('./watched');

const SITE = process.env.IPC_TEST_SITE ?? path.join(__dirname, '..', '..', '..', 'results', 'site');
const PAGES = ['index.html', 'spec/00-introduction.html', 'cases/framing.html'];

/** Open a page of the site. */
function openPage(browser, name, options) {
  assert.ok(fs.existsSync(path.join(SITE, 'index.html')), `there is no site at ${SITE}: run nox -s docs first`);
  return openWatched(browser, `${pathToFileURL(SITE).href}/${name}`, options, ['file:', 'data:']);
}

/** Search for words, and follow the first result; return the address of the page. */
async function firstFound(page, words) {
  await page.locator('input[name=q]').first().fill(words);
  await page.locator('input[name=q]').first().press('Enter');
  await page.locator('#search-results li a').first().click();
  await page.waitForURL((url) => !url.pathname.endsWith('/search.html'));
  return decodeURIComponent(page.url().replace(/[?]highlight=[^#]*/, ''));
}

test('the search of the site finds requirements, cases, errors and options', async (t) => {
  const { page, problems } = await openPage(await launchChromium(t), 'index.html', { viewport: SIZES.desktop });
  const wanted = {
    'SUB-003': 'spec/07-publish-subscribe.html#SUB-003',
    'framing/body-at-the-announced-limit': 'cases/framing.html#case-framing-body-at-the-announced-limit',
    slow_consumer: 'errors.html#error-slow_consumer',
    'known-failures': 'commands/run.html#option-known-failures',
  };
  for (const [words, place] of Object.entries(wanted)) {
    const found = await firstFound(page, words);
    assert.ok(found.endsWith(place), `${words} leads to ${found}`);
    await page.locator(':target').waitFor();
  }
  assert.deepEqual(problems, []);
});

test('a requirement leads to its cases', async (t) => {
  const { page } = await openPage(await launchChromium(t), 'spec/01-framing.html#FRM-009', { viewport: SIZES.desktop });
  await page.locator('#FRM-009 .cases-of a').click();
  assert.match(await page.locator(':target').innerText(), /framing\/body-at-the-announced-limit/);
});

for (const [name, options] of Object.entries({
  'in light colours': { viewport: SIZES.desktop, colorScheme: 'light' },
  'in dark colours': { viewport: SIZES.desktop, colorScheme: 'dark' },
  'on a phone': { viewport: SIZES.phone },
})) {
  test(`the site is accessible ${name}, and not wider than its window`, async (t) => {
    const browser = await launchChromium(t);
    for (const place of PAGES) {
      const { page, problems } = await openPage(browser, place, options);
      await checkWidth(page, options.viewport);
      assert.deepEqual([...(await complaints(page, { preload: false })), ...problems], []);
    }
  });
}
