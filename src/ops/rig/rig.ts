import { createWriteStream } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../../base/errors.ts'
import type { Component, ComponentPlace } from './component.ts'
import { type ComponentStatus, createKeeper, type Keeper } from './keeper.ts'
import { rememberedPorts } from './ports.ts'

/**
 * Programs of one topology on one machine, as children of this process: each starts when those that it needs are ready, comes back
 * when it ends by itself, and ends with this process, however that ends.
 */
export interface Rig {
  status(): readonly ComponentStatus[]
  /** Resolves when all are ready. Errors: `start`, of the first that could not be started; all are stopped then. */
  up(): Promise<void>
  /** Ends one that no other needs, for good. */
  stop(name: string): Promise<void>
  /** Each when those that need it are down. */
  down(): Promise<void>
}

/** `directory`: of the rig; `onChange` is told after each change of a state. Errors: what the file system refuses. */
export async function createRig(directory: string, components: readonly Component[], onChange: (status: readonly ComponentStatus[]) => void): Promise<Rig> {
  await mkdir(join(directory, 'logs'), { recursive: true, mode: 0o711 })
  const ports = rememberedPorts(join(directory, 'ports.json'))
  const keepers = new Map<string, Keeper>()
  const closeLogs: (() => void)[] = []
  const status = () => [...keepers.values()].map((keeper) => keeper.status)

  const placeOf = ({ name }: Component): Omit<ComponentPlace, 'signal' | 'now'> => {
    const log = createWriteStream(logFile(directory, name), { flags: 'a' }).on('error', () => { /* a log that cannot be written stops nothing */ })
    closeLogs.push(() => log.end())
    return {
      directory: join(directory, name), port: (purpose) => ports.of(purpose === undefined ? name : `${name}-${purpose}`), log: (text) => { log.write(text) },
      addressOf(other) {
        const address = keepers.get(other)?.status.address
        if (address === undefined) throw failed('internal', `${name} asks for the address of ${other}, which is not ready: it must need it.`)
        return address
      },
    }
  }
  const ordered = inOrder(components)
  for (const component of ordered) keepers.set(component.name, createKeeper(component, placeOf(component), () => onChange(status())))

  const down = async () => {
    for (const keeper of keepers.values()) keeper.leave()
    const stopped = new Map<string, Promise<void>>()
    for (const [name, keeper] of [...keepers].toReversed()) {
      const users = [...keepers].filter(([, { component }]) => component.needs.includes(name)).map(([user]) => stopped.get(user))
      stopped.set(name, Promise.all(users).then(() => keeper.stop()))
    }
    await Promise.all(stopped.values())
    for (const close of closeLogs.splice(0)) close()
  }
  return {
    status, down,
    async stop(name) {
      keepers.get(name)?.leave()
      await keepers.get(name)?.stop()
    },
    async up() {
      const started = new Map<string, Promise<void>>()
      try {
        for (const component of ordered) await component.check()
        for (const [name, keeper] of keepers) started.set(name, keeper.start(Promise.all(keeper.component.needs.map((needed) => started.get(needed)))))
        await Promise.all(started.values())
      } catch (error) {
        await down()
        await Promise.allSettled(started.values())
        throw error
      }
    },
  }
}

export function logFile(directory: string, name: string): string { return join(directory, 'logs', `${name}.log`) }

/** Of which components there is a log, also when nothing is up. */
export async function logNames(directory: string): Promise<string[]> {
  const files = await readdir(join(directory, 'logs')).catch(() => [])
  return files.filter((file) => file.endsWith('.log')).map((file) => file.slice(0, -'.log'.length)).toSorted()
}

/** Each behind those that it needs. Errors: `internal`, where that cannot be. */
export function inOrder(components: readonly Component[]): Component[] {
  const ordered: Component[] = []
  const visit = (component: Component, above: readonly string[]) => {
    if (ordered.includes(component)) return
    if (above.includes(component.name)) throw failed('internal', `Components need each other: ${[...above, component.name].join(' > ')}.`)
    for (const name of component.needs) {
      const needed = components.find((one) => one.name === name)
      if (!needed) throw failed('internal', `${component.name} needs ${name}, which is no component of this rig.`)
      visit(needed, [...above, component.name])
    }
    ordered.push(component)
  }
  for (const component of components) visit(component, [])
  return ordered
}
