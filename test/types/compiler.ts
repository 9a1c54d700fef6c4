/** Runs the compiler as a user does, and reads what it says. */
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(import.meta.dirname, '../..')
const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc')

export interface CompilerFault { readonly path: string; readonly line: number; readonly code: string; readonly message: string }
export interface Compilation { readonly output: string; readonly faults: readonly CompilerFault[] }

export function compile(args: readonly string[]): Promise<Compilation> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, '--pretty', 'false', ...args], { cwd: root, maxBuffer: 64 * 1024 ** 2 }, (_, stdout, stderr) => resolve({ output: stdout + stderr, faults: faultsOf(stdout) }))
  })
}

/** A fault is a line, and what explains it, indented. */
function faultsOf(output: string): CompilerFault[] {
  return [...output.matchAll(/^(\S.*?)(?:\((\d+),\d+\))?: error (TS\d+): (.*(?:\n {2}.*)*)/gm)].map(([, path = '', line = '0', code = '', message = '']) => ({ path, line: Number(line), code, message }))
}

/** What `--extendedDiagnostics` says under that name. With one checker the counts are the same on every run and machine. */
export const countingFlags = ['--extendedDiagnostics', '--singleThreaded']
export function figure(output: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+([\\d.]+)`, 'm').exec(output)?.[1] ?? Number.NaN)
}
