import { TenfoldError } from './errors.ts'

/** A death of the process, as the code around it sees it: nothing that catches errors may treat it as an answer. */
export class Crash extends TenfoldError {
  constructor(where: string) { super('internal', { status: 500, retryable: true, title: 'Crash' }, `The process died ${where} (the hostile stage).`) }
}
