/**
 * Access log lines, metric families, log levels and the admin servers of the node programs.
 */
export {}
