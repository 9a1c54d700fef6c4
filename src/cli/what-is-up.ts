import { topologyThatIsUp } from '../ops/index.ts'
import { type Config, type ConfigPlace, loadConfig } from './config.ts'

/** The configuration for who works on what runs: where a stage is up on this machine, with the topology of that. One that was named counts more. Errors: as of `loadConfig`. */
export async function configOfWhatIsUp(place: ConfigPlace): Promise<Config> {
  const config = await loadConfig(place)
  if (place.topologyPath !== undefined) return config
  return { ...config, topology: await topologyThatIsUp(config.topology) ?? config.topology }
}
