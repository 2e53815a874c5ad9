'use strict';

const { isIP } = require('net');
const { IPCError } = require('../client');
const { checkNames } = require('./arguments');
const { ipcErrors } = require('./errors');

/** @typedef {import('express').Request} Request */
/** @typedef {import('express').RequestHandler} RequestHandler */

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';

/** What browsers call requests of our own pages, and those that a user typed. */
const OWN_SITES = new Set(['same-origin', 'none']);

/**
 * Return a middleware that refuses requests for a host which is not ours: a page of a foreign site can give its own
 * name the address of this machine (DNS rebinding), and would then be of the same origin.
 * @param {object} [options]
 * @param {string[]} [options.hosts] further names, without a port; the names of the loopback interface and the address
 *   that a request came to are always ours
 * @returns {RequestHandler}
 * @throws {TypeError} `hosts` is something else
 */
function hostGuard({ hosts = [] } = {}) {
  checkNames('hosts', hosts);
  const names = new Set(['localhost', ...hosts.map((host) => host.toLowerCase())]);
  return (req, res, next) => {
    const name = hostName(req.headers.host);
    if (names.has(name) || isLoopback(name) || name === addressOf(req)) next();
    else ipcErrors(new IPCError('foreign_host', 'this host is not served here; see the option hosts'), req, res, next);
  };
}

/**
 * Return the name or address in a header Host, without the port and without the brackets of IPv6; '' for none.
 * @param {string | undefined} host
 */
function hostName(host = '') {
  const [, name = ''] = /^(\[[0-9a-f:.]+\]|[^:/@[\]\s]+)(?::\d*)?$/i.exec(host) ?? [];
  return name.replace(/^\[|\]$/g, '').toLowerCase();
}

/** @param {string} name */
function isLoopback(name) {
  return name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}

/** @param {Request} req */
function addressOf(req) {
  return req.socket.localAddress?.replace(/^::ffff:(?=\d+\.)/, '');
}

/**
 * Throw `cross_site` for a request that a page of another origin caused.
 * @param {Request} req
 * @param {Set<string>} origins those that may
 */
function checkOrigin(req, origins) {
  const { origin, 'sec-fetch-site': site = 'none' } = req.headers;
  if (origin !== undefined && origins.has(origin)) return;
  const isOwn = origin === undefined || hostOf(origin) === req.headers.host;
  if (isOwn && OWN_SITES.has(String(site))) return;
  throw new IPCError('cross_site', 'pages of other origins have no access here; see the option origins');
}

/** @param {string} origin */
function hostOf(origin) {
  return /^https?:\/\/([^/]+)$/.exec(origin)?.[1] ?? '';
}

/**
 * Throw `unsupported_media_type` for a body that a page of a foreign site could send without being asked: anything but
 * JSON, and a form whose browser does not say that it is ours.
 * @param {Request} req
 */
function checkBodyType(req) {
  const [type] = (req.headers['content-type'] ?? '').toLowerCase().split(';');
  const { origin, 'sec-fetch-site': site } = req.headers;
  if (type.trim() === JSON_TYPE) return;
  if (type.trim() === FORM_TYPE && (origin !== undefined || site === 'same-origin')) return;
  throw new IPCError('unsupported_media_type', `an action needs the header Content-Type: ${JSON_TYPE}`);
}

/**
 * Return a middleware that hands on only requests which may act: of our own pages or of programs, and of a type that a
 * foreign page cannot send.
 * @param {string[]} [origins] of other pages that may
 * @returns {RequestHandler}
 * @throws {TypeError} `origins` is something else
 */
function actionGuard(origins = []) {
  checkNames('origins', origins);
  const allowed = new Set(origins);
  return (req, res, next) => {
    checkOrigin(req, allowed);
    if (req.method !== 'GET' && req.method !== 'HEAD') checkBodyType(req);
    next();
  };
}

module.exports = { actionGuard, checkOrigin, hostGuard, isLoopback };
