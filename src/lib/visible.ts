/** Text out of images and builds, for a terminal: control characters, which could move its cursor or hide things, are shown as `\x1b`. */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu,
    (ch) =>
      `\\${ch.charCodeAt(0) < 256 ? 'x' : 'u'}${ch
        .charCodeAt(0)
        .toString(16)
        .padStart(ch.charCodeAt(0) < 256 ? 2 : 4, '0')}`,
  )
}
