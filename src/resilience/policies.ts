import { BrokenCircuitError, bulkhead, BulkheadRejectedError, circuitBreaker, CircuitState, ExponentialBackoff, handleWhen, type IPolicy, retry, SamplingBreaker, timeout, TimeoutStrategy, wrap } from 'cockatiel'
import type { DependencyDefinition } from '../app/index.ts'
import { failed, isTenfoldError } from '../base/index.ts'

/** A dependency's guards, shared by all its operations: bulkhead, retry, breaker and time limit, over cockatiel. */
export interface Guards {
  /** Errors: `dependency-unavailable`, with the last failure as its cause. */
  run<T>(work: (attempt: number, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>
  /** `closed` (well), `open` (not asked now) or `half-open` (being tried). */
  state(): 'closed' | 'open' | 'half-open'
}

export function createGuards(dependency: DependencyDefinition): Guards {
  const { name, timeoutMs, tries, breaker, atMost } = dependency
  // A refusal that the service meant (a typed 4xx of ours) says nothing about its health, and is not asked twice.
  const sick = handleWhen((error) => !(isTenfoldError(error) && error.status < 500))
  const circuit = circuitBreaker(sick, {
    halfOpenAfter: breaker.openForMs,
    // The library opens above its threshold, we at it; it takes none of 1, and counts calls in binary fractions.
    breaker: new SamplingBreaker({ threshold: breaker.failures - 1e-9, duration: breaker.withinMs, minimumRps: (breaker.minimumCalls - 1e-6) / (breaker.withinMs / 1000) }),
  })
  const repeat = retry(handleWhen((error) => !(isTenfoldError(error) && error.status < 500) && !(error instanceof BrokenCircuitError)), {
    maxAttempts: tries - 1, backoff: new ExponentialBackoff({ initialDelay: 200, maxDelay: 2_000 }),
  })
  const limit = timeout(timeoutMs, TimeoutStrategy.Aggressive)
  const places = bulkhead(atMost.running, atMost.waiting)
  const policy: IPolicy<{ signal: AbortSignal; attempt?: number }> = tries > 1 ? wrap(places, repeat, circuit, limit) as never : wrap(places, circuit, limit) as never // cockatiel types the merged context, of which we use two fields
  return {
    async run(work, signal) {
      let attempt = 0
      try {
        return await policy.execute(({ signal: stop }) => work(++attempt, stop), signal)
      } catch (error) {
        if (isTenfoldError(error) && error.status < 500) throw error
        throw failed('dependency-unavailable', `${name} ${why(error)}.`, { cause: error, retryAfterMs: breaker.openForMs })
      }
    },
    state: () => circuit.state === CircuitState.Closed ? 'closed' : circuit.state === CircuitState.HalfOpen ? 'half-open' : 'open',
  }
}

function why(error: unknown): string {
  if (error instanceof BrokenCircuitError) return 'failed too often lately and is not asked for a while'
  if (error instanceof BulkheadRejectedError) return 'has as many calls under way as it may have'
  return 'did not answer'
}
