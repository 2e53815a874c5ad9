import patterns from './index.js';

export const {
  DataProcessor,
  IPCConnectionPool,
  PerformantIPCClient,
  RobustIPCClient,
} = patterns;
export default patterns;
