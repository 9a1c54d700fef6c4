export { assertTopology, stages, topologyFaults } from './check.ts'
export { defineTopology, type DependencyConfigs, type SingleTopology, type Topology, type WiderTopology } from './topology.ts'
