export { type Api, type App, type AppDefinition, appDefinition, defineApp, type Mount } from './app.ts'
export type { ActionContext, Caller, CommandContext, EnqueueOptions, FileRef, Files, Log, LookupContext, OperationContext, ProcessContext, QueryContext, Reads, Writes } from './context.ts'
export { internals, type Internals } from './context.ts'
export { makeFailure, notFound } from './failure.ts'
export { faultsOf, unknownField } from './faults.ts'
export { defineModule, eventName, type ModuleDefinition, moduleDefinition, when } from './module.ts'
export type { Dependency, Module, Projection, When } from './options.ts'
export { fileOutput, page, pageInput, pageLimitDefault, pageLimitMax, pageOf } from './page.ts'
export {
  type Backstop, type CachePolicy, definitionOf, type DependencyDefinition, type Event, type EventDefinition, type Failure, type Handler, type Invalidation, type Job, type JobDefinition,
  type Kind, type OperationRules, type Procedure, type ProcedureDefinition, type QueryRules, type ShardRule, type SubscriberDefinition,
} from './procedure.ts'
export { type AuthDefinition, type AuthRule, del, get, patch, post, type Public, put, type Route, type RouteDefinition, type Routes, routes, type SignedIn } from './route.ts'
export { callerFields, type CallerFields, type Fields, type FromCaller, type Infer, jsonSchema, type JsonSchema, kindOf, type Mark, markFromCaller, type ObjectOf, type ObjectSchema, type Schema, type Shape, t, withoutCaller } from './schema.ts'
export { faultsInWords, stripper, validator } from './validation.ts'
