'use strict';

const { IPCConnectionPool } = require('./connection-pool');
const { DataProcessor } = require('./data-processor');
const { LoadBalancedClient } = require('./load-balanced-client');
const { MessageQueue } = require('./message-queue');
const { MicroserviceClient } = require('./microservice-client');
const { PerformantIPCClient } = require('./performant-client');
const { RobustIPCClient } = require('./robust-client');

module.exports = {
  DataProcessor,
  IPCConnectionPool,
  LoadBalancedClient,
  MessageQueue,
  MicroserviceClient,
  PerformantIPCClient,
  RobustIPCClient,
};
