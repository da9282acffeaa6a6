/**
 * Workload certificates: the CA client with its cache and renewal, and the pieces of a CA server.
 */
export {}
