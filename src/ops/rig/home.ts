import { isMissing } from '../../base/private-files.ts'
import { lstat } from 'node:fs/promises'
import type { SystemUser } from '../../base/process.ts'
import { makeDirectoryOf } from './unprivileged.ts'

/** The directory of a program that keeps its own files there as `user`: made, 0700, when there is none. */
export async function homeOf(path: string, user: SystemUser | undefined): Promise<void> {
  const isThere = await lstat(path).then(() => true, (error: unknown) => {
    if (isMissing(error)) return false
    throw error
  })
  if (!isThere) await makeDirectoryOf(user, path)
}
