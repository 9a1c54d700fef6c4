/** Chance where there may be no Node: a browser's. Never for secrets. */
export const webRandom = {
  /** Uniform in [0, 1). */
  float: Math.random,
  /** A UUID of version 4 (RFC 9562, section 5.4). */
  uuid: () => crypto.randomUUID(),
}
