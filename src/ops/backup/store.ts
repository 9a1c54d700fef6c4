import { failed } from '../../base/index.ts'

/**
 * Where backups and archived log are kept. An object is at most some 16 MB, there whole or not at all, and durable once `put` or `create` has answered.
 * Keys are words of letters, digits and `._-`, parted by `/`. Errors, of every method: `backup`, one sentence with its remedy.
 */
export interface BackupStore {
  /** As a person writes it. */
  readonly name: string
  put(key: string, content: Uint8Array): Promise<void>
  /** Answers false, and changes nothing, where something has that key already. */
  create(key: string, content: Uint8Array): Promise<boolean>
  get(key: string): Promise<Buffer | undefined>
  /** All whose key begins so, in the order of their keys. */
  list(prefix: string): Promise<StoredObject[]>
  /** What is not there is no error. */
  remove(keys: readonly string[]): Promise<void>
  /** Clears what killed writers left half-written, where a store has that. */
  sweep(): Promise<void>
}

export interface StoredObject { readonly key: string; readonly bytes: number }

export function isKey(text: string): boolean { return /^[\w.-]+(\/[\w.-]+)*$/.test(text) && !text.split('/').some((word) => /^\.+$/.test(word)) }

/** What no compiler holds: a key that leads out of the store. */
export function assertKey(key: string): void {
  if (!isKey(key)) throw failed('backup', `${JSON.stringify(key)} is no name of an object in a store of backups.`)
}
