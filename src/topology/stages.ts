export const stages = [
  { number: 1, name: 'single', adds: 'one process, embedded Postgres, jobs and events in Postgres, in-process cache' },
  { number: 2, name: 'split', adds: 'Postgres on its own, pooled, backed up' },
  { number: 3, name: 'balanced', adds: 'several web processes behind a balancer, workers apart' },
  { number: 4, name: 'cached', adds: 'a shared cache, read replicas, edge cache' },
  { number: 5, name: 'elastic', adds: 'autoscaled fleets' },
  { number: 6, name: 'sharded', adds: 'sharded writes, a broker, extracted services' },
  { number: 7, name: 'global', adds: 'several regions' },
] as const
