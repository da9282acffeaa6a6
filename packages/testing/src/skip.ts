/** Why tests in network namespaces cannot run here; undefined: they can. For `describe.skipIf`. */
export const notRoot: string | undefined =
  process.getuid?.() === 0 ? undefined : 'skipped: network namespaces need root'

/** The title of tests that may be skipped, with the reason where they are. */
export const titled = (title: string, reason: string | undefined = notRoot): string =>
  reason === undefined ? title : `${title} (${reason})`
