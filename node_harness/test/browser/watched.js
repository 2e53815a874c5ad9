'use strict';

// Pages from disk, and what is wrong with them: errors, loads from elsewhere, complaints of axe, width.

const assert = require('node:assert/strict');
const axe = require('axe-core');

const DEADLINE_MS = 120000;
const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

/** Open a page that may load only addresses of the given kinds; `problems` gets its errors, and other loads. */
async function openWatched(browser, url, options, kinds) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (!kinds.some((kind) => request.url().startsWith(kind))) problems.push(`the page loads ${request.url()}`);
  });
  await page.goto(url);
  return { page, problems };
}

/** Check that the page is not wider than its window. */
async function checkWidth(page, { width }) {
  const widest = await page.locator('html').evaluate((html) => html.scrollWidth);
  assert.ok(widest <= width, `${page.url()} is ${widest} pixels wide`);
}

/** Return what axe finds, a line for each kind. */
async function complaints(page, options = {}) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate((given) => globalThis.axe.run(given), options);
  return violations.map(({ id, nodes }) => `${page.url()}: ${id}: ${nodes[0].html.slice(0, 200)}`);
}

module.exports = { DEADLINE_MS, SIZES, checkWidth, complaints, openWatched };
