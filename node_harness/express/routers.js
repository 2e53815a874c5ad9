'use strict';

const express = require('express');
const { checkChannel, checkMilliseconds } = require('../client/arguments');
const { answer, ask } = require('./answers');
const { checkNames } = require('./arguments');
const { channelGuard } = require('./channels');
const { ipcErrors } = require('./errors');
const { bodyParsers, requireIpc } = require('./middleware');
const { actionGuard } = require('./origin');

/** How long a browser waits for a handler unless told otherwise, in milliseconds. */
const DEFAULT_TIMEOUT = 30000;

/** The methods that may act: a link or an image of a foreign site cannot send them. */
const ACTING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

const NOT_ALLOWED = {
  success: false,
  error: 'an action needs POST; see the option reads for GET',
  code: 'method_not_allowed',
};

/** The longest body that is read unless told otherwise. */
const DEFAULT_BODY_LIMIT = '100kb';

/**
 * Return a router that hands `/:service/:action` to the handler of the channel `service`. Its payload is
 * `{ action, data, query, method }`; `data` is the body.
 * @param {object} [options]
 * @param {string[]} [options.services] the channels that may be asked; default: all that are not reserved
 * @param {string[]} [options.reads] actions that GET may request too, because they change nothing, as
 *   'service/action'; default: none
 * @param {string[]} [options.origins] of pages that may ask besides our own, such as 'https://example.com'
 * @param {number} [options.timeout] for each answer, in milliseconds; default 30000
 * @param {number | string} [options.bodyLimit] of a request, in octets or as '1mb'; default '100kb'
 * @returns {express.Router}
 * @throws {TypeError} naming the option and what it must be
 */
function ipcProxy({ services, reads = [], origins, timeout = DEFAULT_TIMEOUT, bodyLimit = DEFAULT_BODY_LIMIT } = {}) {
  const check = channelGuard('services', services);
  checkNames('reads', reads);
  checkMilliseconds('timeout', timeout);
  const router = express.Router();
  router.all('/:service/:action', (req, res, next) => {
    check(req.params.service);
    next();
  });
  router.all('/:service/:action', methodGuard(new Set(reads)), actionGuard(origins));
  router.all('/:service/:action', requireIpc, bodyParsers(bodyLimit));
  router.all('/:service/:action', async (req, res) => {
    const { service, action } = req.params;
    const payload = { action, data: req.body ?? {}, query: req.query, method: req.method };
    answer(req, res, { success: true, result: await ask(req, res, service, payload, timeout) });
  });
  router.use(ipcErrors);
  return router;
}

/**
 * Return a router with the users of a service: GET lists those that the query describes, POST creates one.
 * @param {object} [options]
 * @param {string} [options.service] the channel; default 'user_service'
 * @param {string[]} [options.origins] of pages that may ask besides our own, such as 'https://example.com'
 * @param {number} [options.timeout] for each answer, in milliseconds; default 30000
 * @param {number | string} [options.bodyLimit] of a request, in octets or as '1mb'; default '100kb'
 * @returns {express.Router}
 * @throws {TypeError} naming the option and what it must be
 */
function usersRouter(options = {}) {
  const { service = 'user_service', origins, timeout = DEFAULT_TIMEOUT, bodyLimit = DEFAULT_BODY_LIMIT } = options;
  checkChannel(service);
  checkMilliseconds('timeout', timeout);
  const router = express.Router();
  router.use(actionGuard(origins));
  router.get('/', requireIpc, async (req, res) => {
    const payload = { action: 'get_all_users', filters: req.query };
    answer(req, res, { success: true, users: await ask(req, res, service, payload, timeout) });
  });
  router.post('/', requireIpc, bodyParsers(bodyLimit));
  router.post('/', async (req, res) => {
    const payload = { action: 'create_user', user_data: req.body ?? {} };
    answer(req, res, { success: true, user: await ask(req, res, service, payload, timeout) });
  });
  router.use(ipcErrors);
  return router;
}

/**
 * Return a middleware that answers 405 to methods that must not act, unless the action only reads.
 * @param {Set<string>} reads
 * @returns {express.RequestHandler<{service: string, action: string}>}
 */
function methodGuard(reads) {
  return (req, res, next) => {
    const isRead = ['GET', 'HEAD'].includes(req.method) && reads.has(`${req.params.service}/${req.params.action}`);
    if (isRead || ACTING.has(req.method)) next();
    else res.set('Allow', [...ACTING].join(', ')).status(405).json(NOT_ALLOWED);
  };
}

module.exports = { ipcProxy, usersRouter };
