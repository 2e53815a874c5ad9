'use strict';

const { IPCConnectionPool } = require('./connection-pool');
const { DataProcessor } = require('./data-processor');
const { PerformantIPCClient } = require('./performant-client');
const { RobustIPCClient } = require('./robust-client');

module.exports = {
  DataProcessor,
  IPCConnectionPool,
  PerformantIPCClient,
  RobustIPCClient,
};
