'use strict';

const express = require('express');
const { IPCError } = require('../client');
const { checkChannel, checkMilliseconds } = require('../client/arguments');
const { errorOf } = require('../client/envelope');
const { channelGuard } = require('./channels');
const { ipcErrors, refused } = require('./errors');
const { bodyParsers, requireIpc } = require('./middleware');

/** @typedef {import('../client').IPCClient} IPCClient */

/** How long a browser waits for a handler unless told otherwise, in milliseconds. */
const DEFAULT_TIMEOUT = 30000;

/** The longest body that is read unless told otherwise. */
const DEFAULT_BODY_LIMIT = '100kb';

/**
 * Return a router that hands `/:service/:action` to the handler of the channel `service`. Its payload is
 * `{ action, data, query, method }`; `data` is the body.
 * @param {object} [options]
 * @param {string[]} [options.services] the channels that may be asked; default: all that are not reserved
 * @param {number} [options.timeout] for each answer, in milliseconds; default 30000
 * @param {number | string} [options.bodyLimit] of a request, in octets or as '1mb'; default '100kb'
 * @returns {express.Router}
 * @throws {TypeError} naming the option and what it must be
 */
function ipcProxy({ services, timeout = DEFAULT_TIMEOUT, bodyLimit = DEFAULT_BODY_LIMIT } = {}) {
  const check = channelGuard('services', services);
  checkMilliseconds('timeout', timeout);
  const router = express.Router();
  router.all('/:service/:action', (req, res, next) => {
    check(req.params.service);
    next();
  });
  router.all('/:service/:action', requireIpc, bodyParsers(bodyLimit));
  router.all('/:service/:action', async (req, res) => {
    const { service, action } = req.params;
    const payload = { action, data: req.body ?? {}, query: req.query, method: req.method };
    res.json({ success: true, result: await ask(req.ipc, service, payload, timeout) });
  });
  router.use(ipcErrors);
  return router;
}

/**
 * Return a router with the users of a service: GET lists those that the query describes, POST creates one.
 * @param {object} [options]
 * @param {string} [options.service] the channel; default 'user_service'
 * @param {number} [options.timeout] for each answer, in milliseconds; default 30000
 * @param {number | string} [options.bodyLimit] of a request, in octets or as '1mb'; default '100kb'
 * @returns {express.Router}
 * @throws {TypeError} naming the option and what it must be
 */
function usersRouter({ service = 'user_service', timeout = DEFAULT_TIMEOUT, bodyLimit = DEFAULT_BODY_LIMIT } = {}) {
  checkChannel(service);
  checkMilliseconds('timeout', timeout);
  const router = express.Router();
  router.get('/', requireIpc, async (req, res) => {
    const payload = { action: 'get_all_users', filters: req.query };
    res.json({ success: true, users: await ask(req.ipc, service, payload, timeout) });
  });
  router.post('/', requireIpc, bodyParsers(bodyLimit));
  router.post('/', async (req, res) => {
    const payload = { action: 'create_user', user_data: req.body ?? {} };
    res.json({ success: true, user: await ask(req.ipc, service, payload, timeout) });
  });
  router.use(ipcErrors);
  return router;
}

/**
 * Ask a handler, and return the payload of its answer.
 * @param {IPCClient} client
 * @param {string} channel
 * @param {unknown} payload
 * @param {number} timeout in milliseconds
 * @throws {IPCError} also for an error answer, and as `invalid_message` for what the client refuses to send
 */
async function ask(client, channel, payload, timeout) {
  const response = await client.sendRequest(channel, payload, timeout).catch((error) => {
    throw refused(error);
  });
  const error = errorOf(response);
  if (error) throw new IPCError(error.code, error.message);
  return response.payload;
}

module.exports = { ipcProxy, usersRouter };
