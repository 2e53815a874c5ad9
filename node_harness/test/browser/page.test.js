'use strict';

// The page of the example, in real browsers, while the IPC server comes and goes.

const { connectClient, serveApp, startExamples, until } = require('../express/helper');
const assert = require('node:assert/strict');
const path = require('node:path');
const { ipcMiddleware, serverSentEvents, usersRouter } = require('../../express');
const { test } = require('../runner');
const { launchChromium } = require('./chromium');

const PAGE = path.join(__dirname, '..', '..', 'express', 'example.html');
const STREAM = '/events/notifications';
const DEADLINE_MS = 20000;

/** Serve the example's page; `ended` has the paths of all responses that have ended. */
async function servePage(t, port) {
  const ended = [];
  const { client, url } = await serveApp(t, port, (app, ipc) => {
    app.use(ipcMiddleware(ipc), (req, res, next) => {
      res.on('close', () => ended.push(req.path));
      next();
    });
    app.get('/events/:channel', serverSentEvents(ipc));
    app.use('/api/users', usersRouter());
    app.get('/', (req, res) => res.sendFile(PAGE));
  });
  assert.equal(await client.connect(), true);
  return { client, url, ended };
}

/** Open the page in a context of its own: with connections that it shares with no other. */
async function openPage(browser, url, problems) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(url);
  await stateIs(page, 'connected');
  return page;
}

function stateIs(page, state) {
  return page.locator('#link', { hasText: new RegExp(`^${state}$`) }).waitFor();
}

async function eventsOf(page, count) {
  await page.locator(`#events li:nth-child(${count})`).waitFor();
  return (await page.locator('#events li').allTextContents()).map((text) => JSON.parse(text));
}

test('browsers go on when one of them closes, and when the IPC server is killed and comes back', async (t) => {
  const first = await startExamples();
  t.after(() => first.stop());
  const { client, url, ended } = await servePage(t, first.port);
  const browser = await launchChromium(t);
  const problems = [];
  const pages = [];
  for (let count = 0; count < 3; count += 1) pages.push(await openPage(browser, url, problems));
  assert.equal(await client.healthCheck(), true);
  const publisher = await connectClient(t, first.port);
  publisher.publish('notifications', { number: 1 });
  for (const page of pages) assert.deepEqual(await eventsOf(page, 1), [{ number: 1 }]);

  await pages.shift().context().close();
  await until(() => ended.includes(STREAM), 'the end of the stream of the closed browser');
  publisher.publish('notifications', { number: 2 });
  for (const page of pages) assert.deepEqual(await eventsOf(page, 2), [{ number: 1 }, { number: 2 }]);

  await first.kill();
  for (const page of pages) await stateIs(page, 'not connected');
  const again = await startExamples({ port: first.port });
  t.after(() => again.stop());
  for (const page of pages) await stateIs(page, 'connected');
  assert.equal(await client.healthCheck(), true);
  await until(() => publisher.connected, 'the publisher');
  publisher.publish('notifications', { number: 3 });
  for (const page of pages) {
    assert.deepEqual(await eventsOf(page, 3), [{ number: 1 }, { number: 2 }, { number: 3 }]);
  }
  assert.deepEqual(ended.filter((at) => at === STREAM), [STREAM], 'no other stream ended meanwhile');
  assert.deepEqual(problems, []);
});

test('user created in one browser shows in the other, as text', async (t) => {
  const server = await startExamples();
  t.after(() => server.stop());
  const { client, url } = await servePage(t, server.port);
  const browser = await launchChromium(t);
  const problems = [];
  const [one, two] = [await openPage(browser, url, problems), await openPage(browser, url, problems)];
  assert.equal(await client.healthCheck(), true);
  const create = async (name) => {
    await one.getByLabel('Name').fill(name);
    await one.getByLabel('E-mail').fill('img@example.com');
    await one.getByRole('button', { name: 'Create user' }).click();
  };

  const name = '<img src=x onerror="document.title = 1">';
  await create(name);
  const user = { id: 124, name, email: 'img@example.com', active: true };
  assert.deepEqual(await eventsOf(two, 1), [{ type: 'user_created', user }]);
  await two.getByText(`124: ${name}, img@example.com`, { exact: true }).waitFor();
  assert.equal(await two.locator('img').count(), 0);

  await create('Another');
  await one.getByText('there is a user with the address img@example.com already').waitFor();
  assert.deepEqual(problems, []);
});
