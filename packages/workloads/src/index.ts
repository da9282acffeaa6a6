/**
 * Workload discovery: Address and Authorization resources, delta xDS, the workload index.
 */
export {}
