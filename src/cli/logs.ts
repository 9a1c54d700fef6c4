import { open, stat } from 'node:fs/promises'
import { failed, systemClock } from '../base/index.ts'
import { logFile, readSession, rigDirectory } from '../ops/index.ts'
import type { Command } from './command.ts'
import { leaving } from './leaving.ts'

export const logsCommand: Command = {
  help: `tenfold logs NAME: the last lines that a program of the stage has written; NAME as tenfold ps has it. --follow (-f) goes on as it
writes, until Ctrl-C.
`,
  options: { follow: { type: 'boolean' }, f: { type: 'boolean' } },
  positionals: ['NAME'],
  async run({ topology }, { values, positionals: [name = ''] }) {
    const directory = rigDirectory(topology)
    const file = logFile(directory, name)
    const size = /[/\\]/.test(name) ? undefined : await stat(file).then((found) => found.size, () => undefined)
    if (size === undefined) {
      const known = (await readSession(directory))?.state.components.map((one) => one.name) ?? []
      throw failed('usage', `There is no log of ${JSON.stringify(name)}: ${known.length > 0 ? `use ${known.join(', ')}` : 'nothing is up; tenfold up --stage 2 begins'}.`)
    }
    await print(file, Math.max(0, size - lastBytes), values['follow'] === true || values['f'] === true)
    return 0
  },
}

const lastBytes = 16_384
const everyMs = 200

/** From that byte on; a file that was cut begins anew. */
async function print(file: string, from: number, follows: boolean): Promise<void> {
  const interrupt = leaving(5_000)
  const handle = await open(file)
  try {
    let [at, isFirst] = [from, from > 0]
    for (;;) {
      const { bytesRead, buffer } = await handle.read({ position: at, buffer: Buffer.alloc(65_536) })
      at += bytesRead
      const text = buffer.toString('utf8', 0, bytesRead)
      process.stdout.write(isFirst ? text.slice(text.indexOf('\n') + 1) : text) // the first line may be half of one
      isFirst = false
      if (bytesRead > 0) continue
      if (!follows || interrupt.signal.aborted) return
      if ((await handle.stat()).size < at) at = 0
      await systemClock.sleep(everyMs, interrupt.signal)
    }
  } finally {
    interrupt.done()
    await handle.close()
  }
}
