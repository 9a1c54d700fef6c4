// What others may name. Imports no other module, so modules may react to each other.
import { defineModule, t } from 'tenfold'

interface Tables {
  users: { id: string; email: string; name: string; role: 'user' | 'admin'; passwordHash: string }
}
export const identity = defineModule<Tables>()('identity', { migrations: new URL('./migrations/', import.meta.url) })

export const Email = t.String({ format: 'email', maxLength: 254 })
