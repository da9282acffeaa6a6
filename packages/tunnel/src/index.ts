/**
 * The data path of the node proxy: its interface, an engine behind it, its conformance suite.
 */
export {}
