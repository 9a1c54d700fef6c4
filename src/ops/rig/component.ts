/**
 * One program of a topology that the rig runs on this machine. Each kind is a file in `components/`; what they need says in which
 * order they start.
 */
export interface Component {
  /** As `tenfold ps` and `tenfold logs` call it: `primary`, `replica-1`. */
  readonly name: string
  /** Until it runs and says another. */
  readonly role: Role
  /** Which others must be ready first, by name. */
  readonly needs: readonly string[]
  /** Whether its program is here. Errors: `start`, with the line that installs it. */
  check(): Promise<void>
  /** Makes what it needs on the disk, where that is not there yet; not again for a restart. Errors: `start`. */
  prepare(place: ComponentPlace): Promise<void>
  /** Starts it, and answers when it is ready for those that need it. Errors: `start`; it is then not running. */
  start(place: ComponentPlace): Promise<RunningComponent>
  /** Removes what it kept in that directory, in which no rig runs it any more. */
  destroy(directory: string): Promise<void>
}

export type Role = 'primary' | 'replica' | 'pooler' | 'coordinator' | 'application'

export interface ComponentPlace {
  /** Of this component alone, and there. */
  readonly directory: string
  /** The same at every start, where nobody else has taken it; `purpose` tells a second one from the first. */
  port(purpose?: string): Promise<number>
  /** Where another component answers: one that this one needs. */
  addressOf(name: string): string
  /** Aborted: whatever is being started goes no further. */
  readonly signal: AbortSignal
  /** What it is now, where that changes while it runs. */
  now(is: { readonly role: Role; readonly state: 'ready' | 'restarting' }): void
  /** Into the component's log. */
  log(text: string): void
}

export interface RunningComponent {
  /** `host:port`. */
  readonly address: string
  readonly pid: number
  /** What it is as it begins, where that is found out only then. */
  readonly role?: Role
  /** Resolves when it is gone, with its last words. */
  readonly ended: Promise<string>
  /** Ends it in good order, and waits. */
  stop(): Promise<void>
}
