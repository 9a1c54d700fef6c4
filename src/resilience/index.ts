export { type Deadline, deadlineIn, raceDeadline } from './deadline.ts'
export { createGuards, type Guards } from './policies.ts'
export { type Loop, startLoop } from './loop.ts'
