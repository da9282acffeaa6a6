import { LabError } from '../errors.ts'
import type { Cluster, ClusterOptions } from './cluster-types.ts'

/** Starts a cluster: fabric, API server, nodes, kubelets, DNS. Resolves once pods can be created. */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  throw new LabError('LAB_UNSUPPORTED', `clusters are not built yet (${options.nodes ?? 2} nodes wanted)`)
}
