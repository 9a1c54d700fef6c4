export { testApp, type TestApp, type TestAppOptions } from './app.ts'
export { testDatabase, type TestDatabase } from './database.ts'
export { type MovableClock, movableClock } from './clock.ts'
