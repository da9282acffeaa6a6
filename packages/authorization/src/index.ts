/**
 * L4 authorization policies to verdicts, with the reason.
 */
export {}
