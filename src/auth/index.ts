export { allowed } from './allowed.ts'
export { type Authenticator, createAuthenticator } from './authenticator.ts'
export { type Auth, defineAuth, type PrincipalFields } from './define.ts'
export { hashPassword, verifyPassword } from './password.ts'
