/**
 * Traffic capture rules as values, and their appliers for iptables and nftables.
 */
export {}
