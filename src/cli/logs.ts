import { open, stat } from 'node:fs/promises'
import { failed, systemClock } from '../base/index.ts'
import { logFile, logNames, readSession, rigDirectory } from '../ops/index.ts'
import type { Command } from './command.ts'
import { leaving } from './leaving.ts'

export const logsCommand: Command = {
  help: `tenfold logs NAME: the last lines that a program of the stage has written, and what it writes from now on, until Ctrl-C or until
the stage is down; NAME as tenfold ps has it. --no-follow ends after the last lines, as it does where nothing is up.
`,
  options: { 'no-follow': { type: 'boolean' }, follow: { type: 'boolean' }, f: { type: 'boolean' } }, // `--follow`: what it does anyway
  positionals: ['NAME'],
  async run({ topology }, { values, positionals: [name = ''] }) {
    const directory = rigDirectory(topology)
    const file = logFile(directory, name)
    const size = /[/\\]/.test(name) ? undefined : await stat(file).then((found) => found.size, () => undefined)
    if (size === undefined) {
      const known = await logNames(directory)
      throw failed('usage', `There is no log of ${JSON.stringify(name)}: ${known.length > 0 ? `use ${known.join(', ')}` : 'nothing was ever up; tenfold up --stage 2 begins'}.`)
    }
    const isUp = async () => values['no-follow'] !== true && await readSession(directory) !== undefined
    await print(file, Math.max(0, size - lastBytes), isUp)
    return 0
  },
}

const lastBytes = 16_384
const everyMs = 200

/** From that byte on, for as long as somebody may write more; a file that was cut begins anew. */
async function print(file: string, from: number, mayGrow: () => Promise<boolean>): Promise<void> {
  const interrupt = leaving(5_000)
  process.stdout.once('error', interrupt.hear) // whoever read it is gone, as behind `| head`
  const handle = await open(file)
  try {
    let [at, isFirst, isLast] = [from, from > 0, false]
    for (;;) {
      const { bytesRead, buffer } = await handle.read({ position: at, buffer: Buffer.alloc(65_536) })
      at += bytesRead
      const text = buffer.toString('utf8', 0, bytesRead)
      process.stdout.write(isFirst ? text.slice(text.indexOf('\n') + 1) : text) // the first line may be half of one
      isFirst = false
      if (interrupt.signal.aborted) return
      if (bytesRead > 0) continue
      if (isLast) return
      isLast = !await mayGrow()
      if (isLast) continue // what was written until then is printed
      if ((await handle.stat()).size < at) at = 0
      await systemClock.sleep(everyMs, interrupt.signal)
    }
  } finally {
    interrupt.done()
    await handle.close()
  }
}
