export { assertTopology, stages, topologyFaults } from './check.ts'
export { connectionMessage, type ConnectionNeed, connectionNeeds } from './connections.ts'
export { type BackupPlace, type BackupPolicy, type DataTopology, defineTopology, type DependencyConfigs, type SingleTopology, type Topology, type WiderTopology } from './topology.ts'
export { unsupported } from './wider.ts'
