import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { signalProcess } from '../base/process.ts'

/** Faults beyond these say nothing more to a person. */
const linesMax = 10

/** What the compiler says of the application in that folder: a line a fault; undefined where there is no compiler, or it was interrupted. Node itself runs TypeScript without a look at its types. */
export function typeFaults(folder: string, signal: AbortSignal): Promise<string[] | undefined> {
  const project = projectOf(folder)
  const compiler = project && compilerFor(project)
  if (!project || !compiler) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    // A group of its own: the compiler is a program beside the script that starts it, and both are to end.
    const child = spawn(process.execPath, [compiler, '-p', project, '--noEmit', '--pretty', 'false'], { cwd: project, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    const end = () => { if (child.pid !== undefined && child.exitCode === null) signalProcess(-child.pid, 'SIGKILL') }
    signal.addEventListener('abort', end, { once: true })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => { output += part })
    child.on('error', () => resolve(undefined))
    child.once('close', (code) => {
      signal.removeEventListener('abort', end)
      const lines = output.split('\n').filter((line) => line.trim() !== '')
      if (signal.aborted || (code !== 0 && lines.length === 0)) return resolve(undefined)
      resolve([...lines.slice(0, linesMax), ...(lines.length > linesMax ? [`and ${lines.length - linesMax} lines more: npx tsc -p ${project}`] : [])])
    })
  })
}

/** The nearest folder upwards with a tsconfig.json. */
function projectOf(folder: string): string | undefined {
  if (existsSync(join(folder, 'tsconfig.json'))) return folder
  return dirname(folder) === folder ? undefined : projectOf(dirname(folder))
}

function compilerFor(project: string): string | undefined {
  try {
    const manifest = createRequire(join(project, 'tsconfig.json')).resolve('typescript/package.json')
    return join(dirname(manifest), 'bin/tsc')
  } catch { return undefined } // not installed
}
