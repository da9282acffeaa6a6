/**
 * HBONE: TCP connections as HTTP/2 CONNECT streams inside mutual TLS.
 */
export {}
