export { countAddress, limited, limitedByCaller } from './limited.ts'
export { createLimiter, type Limiter } from './limiter.ts'
export { createShedder, type Shedder, shedding } from './shedder.ts'
