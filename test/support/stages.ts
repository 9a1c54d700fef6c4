import { test, type TestContext } from 'node:test'
import type { App } from 'tenfold'
import { testApp, type TestApp, type TestAppOptions } from 'tenfold/testing'

export const stages = ['plain', 'hostile'] as const

/** One body at every stage that stands: the same test, plain and hostile. The seed is printed, so that TENFOLD_SEED repeats it. */
export function atEveryStage<A extends App<any, any, any>>(name: string, app: A, body: (app: TestApp<A>, context: TestContext) => Promise<void>, options: TestAppOptions = {}): void {
  for (const stage of stages) {
    test(`${name} [${stage}]`, async (context) => {
      await using running = await testApp(app, { ...options, stage })
      if (stage === 'hostile') context.diagnostic(`seed ${running.seed}`)
      await body(running, context)
    })
  }
}
