/**
 * ZDS: how the node agent hands pods to ztunnel.
 */
export {}
