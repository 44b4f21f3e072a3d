/**
 * Text for people: sizes in bytes, and names that come from outside (of files, of classes), which may hold anything.
 */

/** 1,234,567 as 1.23 MB; units of a thousand. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(units.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}

/**
 * What must not be printed as it is: control characters (a terminal obeys them, a newline begins a line that nobody
 * wrote, XML doesn't allow them), marks that change the direction of the text around them, and halves of surrogate
 * pairs, which no encoding has.
 */
const unprintable = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** A name on one line: each character that can't be printed stands as its code, `\n` or `\u001b`. Others stay. */
export function printable(name: string): string {
  return name.replace(unprintable, (character) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
    return short ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
