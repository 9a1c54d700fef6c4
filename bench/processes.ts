/** The outside of contenders: started, awaited ready, asked for figures, and ended. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Answer, Given } from './contender.ts'

export interface Started {
  readonly pid: number
  readonly about: Readonly<Record<string, unknown>>
  measure(what: string, seconds: number): Promise<number>
  stop(): Promise<void>
}

const readyMs = 120_000
/** How much longer than it was told a measurement may take: it may have to fill a queue first, and drain it. */
const lateMs = 120_000
const leaveMs = 20_000
const running = new Set<ChildProcess>()

/** Ends all that still run. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(end))
}

export async function startContender(name: string, script: string, given: Given, profileTo?: string): Promise<Started> {
  const log = join(given.directory, `${name.replaceAll(/\W+/g, '-')}.log`)
  const file = openSync(log, 'a')
  // Its log goes to a file, as a service's does whose standard error is redirected.
  const child = fork(join(import.meta.dirname, script), [JSON.stringify(given)], {
    stdio: ['ignore', file, file, 'ipc'],
    // For all of them what `tenfold start` does for itself: what Node has compiled once is kept.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/tenfold'), ...process.env },
    execArgv: ['--conditions=tenfold:src', ...(profileTo === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileTo}`, `--cpu-prof-name=${name.replaceAll(/\W+/g, '-')}.cpuprofile`])],
  })
  closeSync(file)
  running.add(child)
  const waiting = new Map<number, (answer: Answer) => void>()
  let ids = 0
  const answerTo = (id: number, withinMs: number) => new Promise<Answer>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${name} did not answer in ${withinMs / 1000} s: ${tail(log)}`)), withinMs)
    waiting.set(id, (answer) => { clearTimeout(late); waiting.delete(id); resolve(answer) })
  })
  child.on('message', (answer: Answer) => {
    if ('failed' in answer) for (const resolve of waiting.values()) resolve(answer)
    else waiting.get('id' in answer ? answer.id : 0)?.(answer)
  })
  child.once('exit', (code) => {
    running.delete(child)
    for (const resolve of waiting.values()) resolve({ failed: `it ended with code ${code}: ${tail(log)}` })
  })
  const first = await answerTo(ids++, readyMs)
  if ('failed' in first) throw new Error(`${name} did not start: ${first.failed}`)
  return {
    pid: child.pid as number, about: 'ready' in first ? first.ready ?? {} : {},
    async measure(what, seconds) {
      const id = ids++
      const answer = answerTo(id, seconds * 1000 + lateMs)
      if (running.has(child)) child.send({ id, what, seconds })
      const found = await answer
      if ('figure' in found) return found.figure
      throw new Error(`${name} failed: ${'failed' in found ? found.failed : 'it started twice'}`)
    },
    stop: () => end(child),
  }
}

/** A contender leaves when its channel is gone; one that does not is told to by its number. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  if (child.connected) child.disconnect()
  const patience = setTimeout(() => child.kill('SIGKILL'), leaveMs)
  await gone
  clearTimeout(patience)
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8).join('\n')
}
