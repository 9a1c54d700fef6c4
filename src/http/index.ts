export { type Check, createOpsServer } from './ops.ts'
export { createServer, type HttpOptions } from './server.ts'
