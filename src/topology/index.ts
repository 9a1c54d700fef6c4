export { assertTopology, stages, topologyFaults } from './check.ts'
export { type BackupPlace, type BackupPolicy, defineTopology, type DependencyConfigs, type SingleTopology, type Topology, type WiderTopology } from './topology.ts'
