export { testApp, type TestApp, type TestAppOptions } from './app.ts'
export { type MovableClock, movableClock } from './clock.ts'
