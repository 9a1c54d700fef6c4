import { readFileSync } from 'node:fs'
import { failed } from './errors.ts'

/** Where a secret is to be found; a topology never holds the secret itself. */
export type Secret = `env:${string}` | `file:${string}` | `vault:${string}`

/** The value that a reference stands for. Anything without a scheme is not a secret and is answered as it is. Errors: `secret`. */
export function resolveSecret(reference: string, where: string, environment: Record<string, string | undefined> = process.env): string {
  if (reference.startsWith('env:')) {
    const name = reference.slice(4)
    const value = environment[name]
    if (value === undefined || value === '') throw failed('secret', `${where} refers to the environment variable ${name}, which is not set: set it and start again.`)
    return value
  }
  if (reference.startsWith('file:')) {
    const path = reference.slice(5)
    try {
      return readFileSync(path, 'utf8').trim()
    } catch (cause) {
      throw failed('secret', `${where} refers to the file ${path}, which cannot be read: create it, or correct the path.`, { cause })
    }
  }
  if (reference.startsWith('vault:')) throw failed('secret', `${where} refers to a vault, which this version cannot read yet: use env: or file:.`)
  return reference
}

/** The key that a reference stands for: 64 hexadecimal digits are 32 bytes, any other text its own bytes. Errors: `secret`, also where it is shorter than 32 bytes. */
export function resolveKey(reference: string, where: string): Buffer {
  const text = resolveSecret(reference, where)
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text)
  if (key.length < 32) throw failed('secret', `${where} has ${key.length} bytes: give it 32 or more, such as what openssl rand -hex 32 prints.`)
  return key
}
