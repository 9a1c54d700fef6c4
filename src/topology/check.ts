import { type AppDefinition, jsonSchema, type JsonSchema, t, validator } from '../app/index.ts'
import { failed, type Fault, isTenfoldError, rate, type Rate } from '../base/index.ts'
import type { Topology } from './topology.ts'
import { isReference, widerFaults } from './wider.ts'

export const stages = [
  { number: 1, name: 'single', adds: 'one process, embedded Postgres, jobs and events in Postgres, in-process cache' },
  { number: 2, name: 'split', adds: 'Postgres on its own, pooled, backed up' },
  { number: 3, name: 'balanced', adds: 'several web processes behind a balancer, workers apart' },
  { number: 4, name: 'cached', adds: 'a shared cache, read replicas, edge cache' },
  { number: 5, name: 'elastic', adds: 'autoscaled fleets' },
  { number: 6, name: 'sharded', adds: 'sharded writes, a broker, extracted services' },
  { number: 7, name: 'global', adds: 'several regions' },
] as const

const text: JsonSchema = jsonSchema(t.String())
const shape: JsonSchema = {
  type: 'object', required: ['stage'],
  properties: { stage: { enum: stages.map(({ name }) => name) } as JsonSchema, host: text, data: {}, ports: { type: 'object', properties: { web: port(), ops: port() }, required: ['web', 'ops'], additionalProperties: false } as JsonSchema, cors: { type: 'array', items: text }, docs: jsonSchema(t.Boolean()) },
}
const checkShape = validator(shape, 'The topology')

function port(): JsonSchema { return jsonSchema(t.Integer({ minimum: 0, maximum: 65_535 })) }

/** Every fault of a topology, each with its path and remedy; none when it can be used with that application. */
export function topologyFaults(app: AppDefinition, topology: Topology): Fault[] {
  try {
    checkShape(topology)
  } catch (error) {
    if (isTenfoldError(error)) return [...error.faults ?? []].map(({ path, message }) => ({ path: path.slice(1).replaceAll('/', '.') || 'topology', message }))
    throw error
  }
  return [...commonFaults(app, topology), ...(topology.stage === 'single' ? [] : widerFaults(app, topology))]
}

/** Errors: `topology`, with every fault. */
export function assertTopology(app: AppDefinition, topology: Topology): void {
  const faults = topologyFaults(app, topology)
  if (faults.length > 0) throw failed('topology', `The topology has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map(({ path, message }) => `  ${path} ${message}`).join('\n')}`, { faults })
}

function commonFaults(app: AppDefinition, topology: Topology): Fault[] {
  const faults: Fault[] = []
  const known = [...app.modules.values()].flatMap((module) => [...module.dependencies.values()])
  for (const { shortName, name, config } of known) {
    const given = topology.dependencies?.[shortName] ?? topology.dependencies?.[name]
    for (const key of config) if (!given?.[key]) faults.push({ path: `dependencies.${shortName}.${key}`, message: 'is missing: say it here, as a value or as env:NAME' })
  }
  for (const given of Object.keys(topology.dependencies ?? {})) {
    if (!known.some(({ shortName, name }) => given === shortName || given === name)) faults.push({ path: `dependencies.${given}`, message: `is no dependency of ${app.name}: it has ${known.map(({ shortName }) => shortName).join(', ') || 'none'}` })
  }
  if (topology.secret !== undefined && !isReference(topology.secret)) faults.push({ path: 'secret', message: 'is a value: secrets are references, env:NAME or file:PATH' })
  if (topology.rateLimit !== undefined && topology.rateLimit !== 'off' && !isRate(topology.rateLimit.perAddress)) faults.push({ path: 'rateLimit.perAddress', message: `is no rate: write it as '600/min'` })
  const { tracing, ports } = topology
  if (ports && ports.web === ports.ops && ports.web !== 0) faults.push({ path: 'ports.ops', message: `is the same as ports.web (${ports.web}): give it another` })
  if (tracing && !isReference(tracing.endpoint) && !/^https?:\/\//.test(tracing.endpoint)) faults.push({ path: 'tracing.endpoint', message: 'is no URL: write it as http://127.0.0.1:4318, or as env:NAME' })
  if (tracing?.share !== undefined && !(tracing.share >= 0 && tracing.share <= 1)) faults.push({ path: 'tracing.share', message: `is ${tracing.share}: use a share from 0 to 1, such as 0.1` })
  return faults
}

function isRate(value: string): boolean {
  try {
    rate(value as Rate)
    return true
  } catch { return false } // the fault is told by the caller
}
