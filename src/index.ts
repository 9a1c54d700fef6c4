export {
  type ActionContext, type Api, type App, type Caller, type CommandContext, defineApp, defineModule, del, fileOutput, type FileRef, get, type Infer, type LookupContext, type Module, notFound, page, pageInput, pageOf,
  patch, post, type ProcessContext, put, type QueryContext, type Reads, routes, t, when, type Writes,
  // What the types of an application's own exports are made of: without their names its declarations cannot be written.
  type Dependency, type Event, type Failure, type FromCaller, type Job, type Mark, type ObjectOf, type ObjectSchema, type Procedure, type Projection, type Public, type Route, type Routes, type Schema, type SignedIn, type When,
} from './app/index.ts'
export { type Auth, defineAuth, hashPassword, type Tokens, verifyPassword } from './auth/index.ts'
export { type Duration, isTenfoldError, type Rate, type Size, TenfoldError } from './base/index.ts'
export { run, type Running, type RunOptions } from './runtime/index.ts'
export { defineTopology, type Topology } from './topology/index.ts'
