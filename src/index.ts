export {
  type ActionContext, type Api, type App, type Caller, type CommandContext, defineApp, defineModule, del, fileOutput, type FileRef, get, type Infer, type LookupContext, type Module, notFound, page, pageInput, pageOf,
  patch, post, type ProcessContext, put, type QueryContext, type Reads, routes, t, when, type Writes,
} from './app/index.ts'
export { defineAuth, hashPassword, verifyPassword } from './auth/index.ts'
export { type Duration, isTenfoldError, type Rate, type Size, TenfoldError } from './base/index.ts'
export { run, type Running, type RunOptions } from './runtime/index.ts'
export { defineTopology, type Topology } from './topology/index.ts'
