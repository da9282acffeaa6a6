/**
 * Kubernetes clusters on one machine: nodes and pods as network namespaces, a real API server, kubelet and CNI chain.
 */
export {}
