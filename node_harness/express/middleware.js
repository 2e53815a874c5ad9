'use strict';

const express = require('express');
const { IPCError } = require('../client');
const { checkBodyLimit, checkClient } = require('./arguments');
const { LINK_DOWN, ipcErrors } = require('./errors');

/** @typedef {import('express').RequestHandler} RequestHandler */

/**
 * Return a middleware that gives every request the client as `req.ipc`, and as `req.ipcReady` whether it is connected.
 * @param {import('../client').IPCClient} client
 * @returns {RequestHandler}
 * @throws {TypeError} there is no client
 */
function ipcMiddleware(client) {
  checkClient(client);
  return (req, res, next) => {
    req.ipc = client;
    req.ipcReady = client.connected;
    next();
  };
}

/**
 * Answers 503 while the client is not connected.
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 * @param {import('express').NextFunction} next
 */
function requireIpc(req, res, next) {
  if (req.ipcReady) next();
  else ipcErrors(new IPCError('not_connected', LINK_DOWN), req, res, next);
}

/**
 * Return the middleware that reads bodies of JSON and of HTML forms.
 * @param {number | string} limit the longest body, in octets or as '100kb'
 * @returns {RequestHandler[]}
 * @throws {TypeError} the limit is none
 */
function bodyParsers(limit) {
  checkBodyLimit(limit);
  return [express.json({ limit }), express.urlencoded({ extended: true, limit })];
}

module.exports = { bodyParsers, ipcMiddleware, requireIpc };
