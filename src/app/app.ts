import type { FastifyPluginAsync } from 'fastify'
import { failed, type Fault } from '../base/index.ts'
import { type ModuleDefinition, moduleDefinition } from './module.ts'
import type { Module } from './options.ts'
import type { Route, RouteDefinition, Routes } from './route.ts'

type AnyModule = Module<string, any, any>
type AnyRoutes = Routes<string, readonly Route<string, string, any, any, any>[]>
type Flat<T> = { [K in keyof T]: T[K] }

/** Names and routes only: the client's type drags no table along, and `app.d.ts` can be published. */
export interface App<Name extends string, Sharded extends string, Served> { readonly name: string; readonly '~app': { module: Name; sharded: Sharded; api: Served } }
type ShardedOf<M> = M extends Module<infer N, any, infer K> ? [K] extends [never] ? never : N : never
type ApiOf<R> = R extends Routes<infer Prefix, infer L> ? { [X in L[number] as `${X['method']} ${Prefix}${X['path']}`]: X['~route'] } : never
type Merge<U> = Flat<(U extends unknown ? (x: U) => void : never) extends (x: infer I) => void ? I : never>
export type Api<A> = A extends App<any, any, infer R> ? R : never

export interface Mount { public?: FastifyPluginAsync; ops?: FastifyPluginAsync }

/** An application as the platform sees it. */
export interface AppDefinition {
  readonly name: string
  readonly modules: ReadonlyMap<string, ModuleDefinition>
  readonly routes: readonly RouteDefinition[]
  readonly mount: Mount
}

/**
 * The application: its modules and its routes. After this nothing more can be defined on its modules. Errors: `definition`, with
 * every fault at once.
 */
export function defineApp<const M extends readonly AnyModule[], const R extends readonly AnyRoutes[]>(
  name: string, parts: { modules: M; routes: R; mount?: Mount }): App<M[number]['name'], ShardedOf<M[number]>, Merge<ApiOf<R[number]>>> {
  const faults: Fault[] = []
  const modules = new Map<string, ModuleDefinition>()
  for (const module of parts.modules.map(moduleDefinition)) {
    if (modules.has(module.name)) faults.push({ path: `modules/${module.name}`, message: 'is listed twice' })
    modules.set(module.name, module)
  }
  const list = parts.routes.flatMap(({ prefix, routes }) => (routes as unknown as readonly RouteDefinition[]).map((route) => ({ ...route, path: `${prefix}${route.path}` }))) // `Route` is the public face
  for (const { auth } of list) {
    const platform = moduleDefinition(auth.definition.module)
    const there = modules.get(platform.name)
    if (there && there !== platform) { faults.push({ path: `modules/${platform.name}`, message: 'is there twice: an application has one defineAuth, and no module of its own by that name' }); break }
    modules.set(platform.name, platform)
  }
  faults.push(...routeFaults(list, modules), ...moduleFaults(modules))
  if (faults.length > 0) throw failed('definition', `The application ${name} is not complete: ${faults.map((fault) => `${fault.path} ${fault.message}`).join('; ')}.`, { faults })
  for (const module of modules.values()) module.sealedBy ??= name
  const app: AppDefinition = { name, modules, routes: list, mount: parts.mount ?? {} }
  return app as unknown as ReturnType<typeof defineApp<M, R>> // `App` is the public face
}

export function appDefinition(app: { readonly name: string }): AppDefinition {
  return app as AppDefinition // see defineApp
}

function routeFaults(list: readonly RouteDefinition[], modules: ReadonlyMap<string, ModuleDefinition>): Fault[] {
  const seen = new Set<string>()
  return list.flatMap((route) => {
    const path = `${route.method} ${route.path}`
    const key = path.replaceAll(/\{\w+\}/g, '{}')
    const faults: Fault[] = []
    if (seen.has(key)) faults.push({ path: `routes/${path}`, message: 'is routed twice' })
    if (!modules.has(route.procedure.module.name)) faults.push({ path: `routes/${path}`, message: `serves ${route.procedure.name}, whose module is not listed: add it to modules` })
    seen.add(key)
    return faults
  })
}

function moduleFaults(modules: ReadonlyMap<string, ModuleDefinition>): Fault[] {
  const events = new Set([...modules.values()].flatMap((module) => [...module.events.keys()].map((name) => `${module.name}.${name}`)))
  return [...modules.values()].flatMap((module) => [
    ...[...module.unfinished].map((name) => ({ path: `${module.name}.${name}`, message: 'has no handler: end it with .handle(...)' })),
    ...[...module.subscribers.values()].flatMap((subscriber) => [...subscriber.handlers.keys()].filter((event) => !events.has(event))
      .map((event) => ({ path: subscriber.name, message: `reacts to ${event}, whose module is not listed: add it to modules` }))),
    ...[...module.procedures.values()].flatMap(({ name, query }) => (query?.cache?.invalidatedBy ?? []).filter(({ event }) => !events.has(event))
      .map(({ event }) => ({ path: name, message: `is cached until ${event}, whose module is not listed, so it would never be: add it to modules` }))),
  ])
}
