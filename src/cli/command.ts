import type { CommandOptions, Config, ConfigPlace, Values } from './config.ts'

interface Described {
  readonly help: string
  /** What it takes; undefined: what the configuration says. */
  readonly options?: CommandOptions
  /** What it takes beside options, each by the word for it in `help`; one that ends with ? may be left out. */
  readonly positionals?: readonly string[]
}

/** A command on an application. */
export interface Command extends Described {
  /** What the configuration says comes on top of its own. */
  readonly withApplicationOptions?: true
  /** It works on what runs: where a stage is up on this machine (`tenfold up`), on that. */
  readonly onWhatIsUp?: true
  /** Runs before the configuration is loaded. */
  readonly beforeLoad?: () => void | Promise<void>
  /** Does what needs no application, without loading one; undefined where it needs one. */
  readonly withoutConfig?: (given: Given) => Promise<number> | undefined
  run(config: Config, given: Given): Promise<number>
}

/** A command that has no application yet, or leaves it to another process. */
export interface LoneCommand extends Described {
  /** What stands behind it on the command line is another command's, and looked at there. */
  readonly passesOn?: true
  runAlone(given: Given): Promise<number>
}

export interface Given extends ConfigPlace {
  readonly quiet: boolean
  readonly values: Values
  readonly positionals: readonly string[]
  /** What stands behind the command, as it stands there. */
  readonly rest: readonly string[]
}
