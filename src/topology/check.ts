import type { AppDefinition } from '../app/index.ts'
import { type Duration, failed, type Fault, milliseconds, rate, type Rate } from '../base/index.ts'
import { shapeFaults } from './shape-faults.ts'
import type { BackupPolicy, Topology } from './topology.ts'
import { isReference, widerFaults } from './wider.ts'

/** Every fault of what is given as a topology, each with its path and remedy; none when it can be used with that application. Those of its shape alone, where it has any. */
export function topologyFaults(app: AppDefinition, topology: Topology): Fault[] {
  const faults = shapeFaults(topology)
  return faults.length > 0 ? faults : [...commonFaults(app, topology), ...(topology.backup ? backupFaults(topology.backup) : []), ...(topology.stage === 'single' ? [] : widerFaults(app, topology))]
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
  return faults
}

function backupFaults({ to, s3, every = '1d', loseAtMost = '60s' }: BackupPolicy): Fault[] {
  const faults: Fault[] = []
  if (to === '' || (/^\w+:\/\//.test(to) && !/^s3:\/\/[a-z0-9][a-z0-9.-]+/.test(to))) faults.push({ path: 'backup.to', message: 'is no store of backups: use a folder, or s3://bucket/prefix' })
  if (s3?.endpoint !== undefined && !/^https?:\/\/./.test(s3.endpoint)) faults.push({ path: 'backup.s3.endpoint', message: 'is no URL: write it as https://s3.example.com' })
  for (const name of ['accessKey', 'secretKey'] as const) if (s3?.[name] !== undefined && !isReference(s3[name])) faults.push({ path: `backup.s3.${name}`, message: 'is a value: secrets are references, env:NAME or file:PATH' })
  if (!isBetween(every, '1m', '30d')) faults.push({ path: 'backup.every', message: `is no time from a minute to 30 days: write it as '1d'` })
  if (!isBetween(loseAtMost, '1s', '1h')) faults.push({ path: 'backup.loseAtMost', message: `is no time from a second to an hour: write it as '60s'` })
  return faults
}

function isBetween(value: Duration, least: Duration, most: Duration): boolean {
  try {
    return milliseconds(value) >= milliseconds(least) && milliseconds(value) <= milliseconds(most)
  } catch { return false } // the fault is told by the caller
}

function isRate(value: string): boolean {
  try {
    rate(value as Rate)
    return true
  } catch { return false } // the fault is told by the caller
}
