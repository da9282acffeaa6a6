const unsafe = /[\p{Cc}\p{Cs}\u2028\u2029]/gu

/** What somebody else wrote, in a message of ours: without line ends or other controls, and cut to a length. */
export function plainText(text: string, maxLength: number): string {
  // Twice: escapes make it longer, and what is cut off need not be looked at. A cut may halve a character.
  return text
    .slice(0, maxLength)
    .replace(unsafe, character => `\\u{${character.codePointAt(0)!.toString(16)}}`)
    .slice(0, maxLength)
    .toWellFormed()
}
