import patterns from './index.js';

export const {
  DataProcessor,
  IPCConnectionPool,
  LoadBalancedClient,
  MicroserviceClient,
  PerformantIPCClient,
  RobustIPCClient,
} = patterns;
export default patterns;
