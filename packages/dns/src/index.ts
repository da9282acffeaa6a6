/**
 * The DNS proxy: messages, matching of service names, forwarding.
 */
export {}
