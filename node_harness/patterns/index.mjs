import patterns from './index.js';

export const {
  DataProcessor,
  IPCConnectionPool,
  LoadBalancedClient,
  MessageQueue,
  MicroserviceClient,
  PerformantIPCClient,
  RobustIPCClient,
} = patterns;
export default patterns;
