/**
 * Text from outside (names of files, classes and tensors) as a message, a report or a terminal may show it: what a
 * terminal obeys, what begins another line and what turns the writing direction round is spelt out.
 */

/** Control characters, halves of pairs, separators of lines, marks and overrides of direction, no characters at all. */
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu;

/**
 * The text with `\u001b` and the like for characters that don't just print.
 * @param most characters of it that are shown, `..` after them; default: all
 */
export function printable(text: string, most = text.length): string {
  const short = text.length > most ? `${text.slice(0, most)}..` : text;
  return short.replace(unprintable, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
