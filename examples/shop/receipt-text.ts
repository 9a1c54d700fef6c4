const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

/** Beyond Latin-1, what PDF's standard fonts can show (the upper half of Windows-1252). */
const furtherCharacters = new Set('€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ')

/**
 * The text as PDF's standard fonts can show it: a letter that they lack stands without its accents, or as a question mark.
 * They need no font file, which is worth more to an example than all of Unicode; anything else would come out as garbage.
 */
export function printable(text: string): string {
  if (/^[\u0020-\u007E]*$/.test(text)) return text
  return Array.from(text.normalize('NFC'), (character) => {
    if (isShown(character)) return character
    if (/\s/.test(character)) return ' '
    const bare = character.normalize('NFKD').replaceAll(/\p{Mark}/gu, '')
    return bare !== '' && Array.from(bare).every(isShown) ? bare : /^[\p{Mark}\p{Control}\p{Format}]$/u.test(character) ? '' : '?'
  }).join('')
}

function isShown(character: string): boolean {
  return /^[\u0020-\u007E\u00A0-\u00AC\u00AE-\u00FF]$/.test(character) || furtherCharacters.has(character)
}

/** The text, cut and ended with an ellipsis where it is wider than `width` points in the font last set. */
export function fitted(font: { widthOfString(text: string): number }, text: string, width: number): string {
  if (font.widthOfString(text) <= width) return text
  let fits = 0
  let tooLong = text.length
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1
    if (font.widthOfString(`${text.slice(0, middle)}…`) <= width) fits = middle
    else tooLong = middle
  }
  return `${text.slice(0, fits).trimEnd()}…`
}

/** `5 December 2010, 08:26 UTC`: written here since the wording of a locale changes between versions, and with it the bytes. */
export function dateLine(date: Date): string {
  const [hour, minute] = [date.getUTCHours(), date.getUTCMinutes()].map((part) => String(part).padStart(2, '0'))
  return `${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}, ${hour}:${minute} UTC`
}
