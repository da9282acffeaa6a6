/**
 * Typed Istio and Gateway API objects, informers and status writers over @kubernetes/client-node.
 */
export {}
