import { join } from 'node:path'
import { removeDirectory } from '../../../base/private-files.ts'
import { findEngine } from '../binaries.ts'
import type { Component } from '../component.ts'
import { slotOf } from '../slots.ts'
import { startStandby } from '../standby.ts'
import { type PrimaryComponent, runningServer } from './primary.ts'

/** A streaming replica of the primary, cloned from it when there is none yet. */
export function replicaComponent(name: string, { primary, applyDelayMs }: { primary: PrimaryComponent; applyDelayMs?: number }): Component {
  return {
    name, role: 'replica', needs: [primary.name],
    async check() { await findEngine() },
    async prepare() {},
    async start(place) {
      const directory = join(place.directory, 'postgres')
      return runningServer(await startStandby({ directory, primary: primary.address(), slot: slotOf(name), copiesAnew: true, applyDelayMs, port: await place.port(), onOutput: place.log, onStatus: (text) => place.log(`${text}\n`) }))
    },
    destroy: removeDirectory,
  }
}
