import { type AuthDefinition, moduleDefinition } from '../app/index.ts'

/** What one `defineAuth` says, as the auth tier sees it: every rule of its routes leads here. */
export interface AuthScheme extends AuthDefinition {
  /** Throws `invalid` for what is no principal. */
  readonly check: (principal: unknown) => void
}

export function schemeOf(definition: AuthDefinition): AuthScheme {
  return definition as AuthScheme // defineAuth makes every one of them
}

/** Whom tokens are for: the application. Both sides, who issues and who verifies, ask here. */
export function audienceOf(module: { readonly name: string }): string {
  return moduleDefinition(module).sealedBy ?? 'tenfold'
}
