'use strict';

const { ipcErrors } = require('./errors');
const { serverSentEvents } = require('./events');
const { hostGuard } = require('./origin');
const { ipcMiddleware, requireIpc } = require('./middleware');
const { ipcProxy, usersRouter } = require('./routers');
const { IPCExpressService } = require('./service');
const { health, status } = require('./state');

module.exports = {
  IPCExpressService,
  health,
  hostGuard,
  ipcErrors,
  ipcMiddleware,
  ipcProxy,
  requireIpc,
  serverSentEvents,
  status,
  usersRouter,
};
