/** JSON as Go's encoder writes it: the characters that matter to HTML are escaped. */
export function goJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[<>&\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}

/** Go's %q of plain text. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}
