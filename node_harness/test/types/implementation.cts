// The declarations are written by hand; what they declare has to be what client/ implements.

import declared = require('ipc-conformance-node-harness');
import declaredExpress = require('ipc-conformance-node-harness/express');
import client = require('../../client/client.js');
import errors = require('../../client/errors.js');
import service = require('../../express/service.js');
import events = require('../../express/events.js');
import expressErrors = require('../../express/errors.js');
import middleware = require('../../express/middleware.js');
import routers = require('../../express/routers.js');
import state = require('../../express/state.js');
import declaredPatterns = require('ipc-conformance-node-harness/patterns');
import processor = require('../../patterns/data-processor.js');
import pool = require('../../patterns/connection-pool.js');
import balanced = require('../../patterns/load-balanced-client.js');
import queue = require('../../patterns/message-queue.js');
import microservice = require('../../patterns/microservice-client.js');
import performant = require('../../patterns/performant-client.js');
import robust = require('../../patterns/robust-client.js');

export const IPCClient: typeof declared.IPCClient = client.IPCClient;
export const IPCError: new (code: string, message: string, cause?: Error) => Error & { code: string } = errors.IPCError;

export const IPCExpressService: typeof declaredExpress.IPCExpressService = service.IPCExpressService;
export const ipcErrors: typeof declaredExpress.ipcErrors = expressErrors.ipcErrors;
export const ipcMiddleware: typeof declaredExpress.ipcMiddleware = middleware.ipcMiddleware;
export const requireIpc: typeof declaredExpress.requireIpc = middleware.requireIpc;
export const ipcProxy: typeof declaredExpress.ipcProxy = routers.ipcProxy;
export const usersRouter: typeof declaredExpress.usersRouter = routers.usersRouter;
export const serverSentEvents: typeof declaredExpress.serverSentEvents = events.serverSentEvents;
export const health: typeof declaredExpress.health = state.health;
export const status: typeof declaredExpress.status = state.status;

export const DataProcessor: typeof declaredPatterns.DataProcessor = processor.DataProcessor;
export const IPCConnectionPool: typeof declaredPatterns.IPCConnectionPool = pool.IPCConnectionPool;
export const LoadBalancedClient: typeof declaredPatterns.LoadBalancedClient = balanced.LoadBalancedClient;
export const MessageQueue: typeof declaredPatterns.MessageQueue = queue.MessageQueue;
export const MicroserviceClient: typeof declaredPatterns.MicroserviceClient = microservice.MicroserviceClient;
export const PerformantIPCClient: typeof declaredPatterns.PerformantIPCClient = performant.PerformantIPCClient;
export const RobustIPCClient: typeof declaredPatterns.RobustIPCClient = robust.RobustIPCClient;
