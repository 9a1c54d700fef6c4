import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { plainEnvironment, type SystemUser } from '../../base/process.ts'

/**
 * Runs a program that must not outlive us, however we end. A killed process can't clean up after itself, so a watcher does it: a
 * shell that reads from a pipe whose other end only we hold. The kernel closes our end when we are gone, the read ends, and the
 * watcher signals the program. The program itself takes the place of the shell that started it (`exec`), so its number is the one
 * we know; the watcher is nobody's child, since a server like Postgres is startled by children that it doesn't know. (A program
 * that nobody reaps is gone too: in a container the first process often doesn't.)
 *
 * Both are in a session of their own: Ctrl-C in a terminal reaches us and not them, so that we can drain first. Who is told to end while it
 * is frozen (SIGSTOP) is woken, or it would never hear it.
 */
const script = `
signal=$1 target=$2$$ left=$3 mark=$4
shift 4
gone() {
  kill -0 $$ || return 0
  read -r state </proc/$$/stat && case $state in *") Z "*) return 0 ;; esac
  return 1
}
tell() {
  kill -s "$1" -- "$2"
  kill -s CONT -- "$2"
}
finish() {
  tell "$signal" "$target"
  tries=100
  while [ "$tries" -gt 0 ]; do
    gone && return
    sleep 0.2 || sleep 1
    tries=$((tries - 1))
  done
  tell QUIT "$target"
}
finish_left() {
  [ -n "$left" ] && read -r other <"$left" && [ "$other" -gt 1 ] || return
  line=$(tr '\\0' ' ' <"/proc/$other/cmdline" || ps -ww -o command= -p "$other")
  case $line in *"$mark"*) tell QUIT "$other" ;; esac
}
(
  (
    read -r farewell <&3 || finish
    finish_left
  ) </dev/null >/dev/null 2>&1 &
)
exec "$@" 3<&-
`

export interface SuperviseOptions {
  readonly directory: string
  readonly user?: SystemUser | undefined
  /** How the program is asked to end when we are gone. After 20 s it is told to, with SIGQUIT. */
  readonly lastSignal: 'INT' | 'QUIT' | 'TERM' | 'KILL'
  /** Signals its children with it. */
  readonly whole?: boolean
  /**
   * A server that it starts and may leave behind, if it is killed: the file that has that server's number in its first line, and what
   * stands in its command line. It gets SIGQUIT as soon as the program is gone, also when we are.
   */
  readonly leaves?: { readonly pidFile: string; readonly mark: string }
  /** What it finds on its standard input; nothing, unless given. */
  readonly input?: string
  /** Variables beside the plain ones. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /** Told what it writes, to stdout too; without it only the last lines of stderr are kept. */
  readonly onOutput?: ((text: string) => void) | undefined
}

export interface Ended { readonly code: number | null; readonly log: string }

export interface Supervised {
  /** Undefined when it could not even be started. */
  readonly pid: number | undefined
  /** Resolves when the program is gone, with its exit code (null after a signal) and the last lines that it wrote to stderr. */
  readonly ended: Promise<Ended>
  /** Whether waiting for it keeps our process alive; it does, unless told otherwise. */
  keepsAlive(keep: boolean): void
  /** One that is frozen is woken, too. None when it is gone. */
  signal(name: NodeJS.Signals): void
}

const logLines = 50
const logCharacters = 16_384

export function supervise(command: string, args: readonly string[], options: SuperviseOptions): Supervised {
  const child = spawn('/bin/sh', ['-c', script, 'tenfold', options.lastSignal, options.whole ? '-' : '', options.leaves?.pidFile ?? '', options.leaves?.mark ?? '', command, ...args], {
    cwd: options.directory, ...options.user, detached: true, env: { ...plainEnvironment, ...options.environment },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', options.onOutput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  const pipes = child.stdio.filter((pipe) => pipe !== null && pipe !== undefined) as Socket[]
  for (const pipe of pipes) pipe.on('error', () => {}) // the program may end before it has read
  child.stdin?.end(options.input)
  return {
    pid: child.pid,
    ended: ending(child, options.onOutput),
    keepsAlive(keep) {
      for (const handle of [child, ...pipes]) {
        if (keep) handle.ref()
        else handle.unref()
      }
    },
    signal(name) { for (const one of [name, 'SIGCONT'] as const) if (child.exitCode === null && child.signalCode === null) child.kill(one) },
  }
}

function ending(child: ChildProcess, onOutput: SuperviseOptions['onOutput']): Promise<Ended> {
  let log = ''
  const stderr = child.stderr as Readable
  stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-logCharacters)
    onOutput?.(text)
  })
  if (onOutput) child.stdout?.setEncoding('utf8').on('data', onOutput)
  const lines = () => log.trimEnd().split('\n').slice(-logLines).join('\n')
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, log: `${lines()}\n${error.message}` }))
    child.once('exit', (code) => {
      ;(child.stdio[3] as Socket).end('gone\n')
      const answer = () => resolve({ code, log: lines() })
      if (stderr.closed) return answer()
      // its children may write for a moment more, and one that hangs may hold the pipe for long
      const patience = setTimeout(() => stderr.destroy(), 250)
      stderr.once('close', () => {
        clearTimeout(patience)
        answer()
      })
    })
  })
}
