/**
 * Linux network namespaces, sockets made inside them, and SEQPACKET sockets that carry file descriptors.
 */
export {}
