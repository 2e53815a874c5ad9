'use strict';

const { ipcErrors } = require('./errors');
const { serverSentEvents } = require('./events');
const { ipcMiddleware, requireIpc } = require('./middleware');
const { ipcProxy, usersRouter } = require('./routers');
const { IPCExpressService } = require('./service');
const { health, status } = require('./state');

module.exports = {
  IPCExpressService,
  health,
  ipcErrors,
  ipcMiddleware,
  ipcProxy,
  requireIpc,
  serverSentEvents,
  status,
  usersRouter,
};
