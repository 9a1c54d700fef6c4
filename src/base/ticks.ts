/**
 * Runs `task` once the events that are ready now have been handled: what they ask for together can then be asked together.
 */
export function afterTick(task: () => void): void {
  setImmediate(task)
}
