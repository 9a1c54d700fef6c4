/** A small disk of one's own, that a test may fill: a tmpfs, which only root may mount. */
import { mkdtemp, open, realpath, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '../../src/base/process.ts'

export interface SmallDisk {
  readonly path: string
  resize(megabytes: number): Promise<void>
  /** Takes all the space that is left, to the last block. */
  fill(): Promise<void>
  /** Gives back what `fill` took. */
  free(): Promise<void>
  /** Takes the disk away, with all that is on it. */
  remove(): Promise<void>
}

/** Why there can be none on this machine; undefined where there can. */
export async function noSmallDisk(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a small disk is mounted on Linux only'
  if (process.getuid?.() !== 0) return 'only root may mount a small disk'
  const { code, errors } = await runCommand('/bin/sh', ['-c', 'd=$(mktemp -d) && mount -t tmpfs -o size=1m tmpfs "$d" && umount "$d" && rmdir "$d"'])
  return code === 0 ? undefined : `no small disk can be mounted here: ${errors.trim()}`
}

export async function smallDisk(megabytes: number): Promise<SmallDisk> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'tenfold-disk-')))
  const run = async (command: string, args: readonly string[]) => {
    const { code, errors } = await runCommand(command, args)
    if (code !== 0) throw new Error(`No small disk at ${path}: ${errors}`)
  }
  const mount = (options: string) => run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path])
  await mount(`size=${megabytes}m,mode=0755`)
  const filler = join(path, 'filler')
  return {
    path,
    resize: (size) => mount(`remount,size=${size}m`),
    async fill() {
      const file = await open(filler, 'a')
      try {
        for (const bytes of [1024 ** 2, 4096]) await toTheBrim(() => file.write(Buffer.alloc(bytes)))
      } finally {
        await file.close()
      }
    },
    free: () => rm(filler, { force: true }),
    async remove() {
      await run('umount', ['-l', path]) // at once, even while a process that is just ending still looks at it
      await rmdir(path)
    },
  }
}

async function toTheBrim(write: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await write()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return
      throw error
    }
  }
}
