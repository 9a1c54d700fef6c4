/** What a shell says of a program that Ctrl-C ended. */
export const interruptedCode = 130

/** Ctrl-C and SIGTERM ask what is under way to end and clear up, and then there is no answer; the second time it ends at once. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const controller = new AbortController()
  const hear = () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort()
  }
  process.on('SIGINT', hear)
  process.on('SIGTERM', hear)
  try {
    return await work(controller.signal)
  } catch (error) {
    if (!controller.signal.aborted) throw error
    process.stderr.write('  interrupted\n')
    return undefined
  } finally {
    process.off('SIGINT', hear)
    process.off('SIGTERM', hear)
  }
}
