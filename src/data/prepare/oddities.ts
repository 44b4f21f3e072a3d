/**
 * What is worth telling about an image that was converted: it isn't what its name says, or had to be changed more
 * than by shrinking it.
 */
import type { ImageFacts } from '../images/opened.js';

/** Longer side over shorter from which most of a picture is cut off. */
const extreme = 4;

/**
 * The oddities of an image, a phrase each; empty for an ordinary one.
 * @param name of its file.
 * @param size the side it was converted to.
 */
export function oddities(name: string, facts: ImageFacts, size: number): string[] {
  const { format, colours, width, height, orientation, depth, transparent, fellBack } = facts;
  const found: string[] = [];
  const ending = /\.([^./]+)$/.exec(name)?.[1] ?? '';
  const expected = /^jpe?g$/i.test(ending) ? 'JPEG' : /^png$/i.test(ending) ? 'PNG' : format;
  if (expected !== format) found.push(`${format} named .${ending}`);
  if (colours === 'CMYK') found.push('CMYK made RGB');
  if (colours === 'grey') found.push('grey made RGB');
  if (fellBack) found.push('left to the default decoder');
  if (transparent) found.push('transparent, laid on white');
  if (depth > 8) found.push(`${depth} bits cut to 8`);
  if (orientation !== 1) found.push(`turned upright (EXIF orientation ${orientation})`);
  const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
  if (shorter < size) found.push(`enlarged from ${width}x${height}`);
  if (longer >= extreme * shorter) {
    found.push(`${width}x${height}: only the middle ${((100 * shorter) / longer).toPrecision(2)} % is kept`);
  }
  return found;
}

/** An oddity without its numbers, for counting. */
export function kindOf(oddity: string): string {
  return oddity.replace(/ from \d.*| \(.*|^\d+x\d+: /g, '').replace(/middle .* % is/, 'middle is');
}
