/**
 * SPIFFE identities, X.509-SVIDs, trust bundles, certificate requests and peer verification.
 */
export {}
